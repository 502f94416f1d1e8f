"""Own the sockets: command line, settings, HTTP server, inbox, and the clients of GitHub, Slack and Jira."""
