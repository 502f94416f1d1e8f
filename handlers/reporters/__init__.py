"""Where a task's view is said, one module a place."""
