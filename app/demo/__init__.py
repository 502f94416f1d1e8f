"""The whole loop on one machine with no account: a stand-in GitHub, a scripted model, and a story to see them with."""
