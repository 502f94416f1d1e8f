"""Own the decisions: what a webhook, comment or review means, who may do what, and the words people read."""
