"""The whole loop on one machine, with no account: stand-ins that say what they are."""
