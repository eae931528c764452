"""The multiplexer: keeper, server, sessions and what they say to each other."""

VERSION = "0.1.0"
"""A constant, for reading package metadata costs a client 100 ms, and here, for one more module 0.2."""
