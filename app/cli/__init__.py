"""The command line: one module a subject, loaded when its command is run."""
