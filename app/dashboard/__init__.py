"""The pages on which people see what goes on, and steer it."""
