"""Own the processes and the durable state: tasks, runs, events, workspaces, tmux and the supervisor."""
