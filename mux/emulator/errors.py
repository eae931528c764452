"""What the emulator's callers have to expect. Pure."""


class BadSnapshot(ValueError):
    """These bytes are no snapshot that can be restored here. Start blank, or replay the journal."""


class UnknownKey(ValueError):
    """There is no key of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no key named {name!r}")
        self.name = name
