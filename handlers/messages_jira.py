"""What is said on a ticket and nowhere else."""

EDITED_SINCE = (
    "This ticket was edited after I was asked, and before I could see it. So that nobody's later words pass for those "
    "that were meant, please ask again: take the label off and put it on, or write the command."
)
IS_DONE = "This ticket is {status}, so nobody waits for work on it. Move it back, and then ask again."
ALREADY_IN = "I work on this ticket in {there}, and that stays so: a ticket has one repository."
