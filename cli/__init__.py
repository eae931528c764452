"""argv in, text and an exit status out: the client, the command line and its commands."""
