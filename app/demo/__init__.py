"""The whole loop on one machine: stand-ins for what otherwise lives on someone else's."""
