"""The multiplexer: keeper, server, sessions and what they say to each other."""
