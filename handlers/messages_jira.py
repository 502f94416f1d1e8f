"""What is said on a ticket and nowhere else."""

EDITED_SINCE = (
    "This ticket was edited after I was asked, and before I could see it. So that nobody's later words pass for those "
    "that were meant, please ask again: take the label off and put it on, or write the command."
)
IS_DONE = "This ticket is {status}, so nobody waits for work on it. Move it back, and then ask again."
NOT_FOR_ALL = (
    "That comment is only for some to read, and what is asked of me shows on the pull request. Please write it where "
    "everyone on this ticket can read it."
)
ALREADY_IN = "I work on this ticket in {there}, and that stays so: a ticket has one repository."
