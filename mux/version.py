"""The version, as a constant: reading package metadata costs a client 100 ms."""

VERSION = "0.1.0"
