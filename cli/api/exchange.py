"""One command on one connection, without the connection: frames in, an answer out. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from agentmux.cli.commands import Command
from agentmux.mux.errors import ServerLost
from agentmux.mux.protocol import Kind, number, unpack

from .errors import rebuilt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended.

    Attributes:
        out: its standard output, as far as it was not taken before.
        said: what it said last on standard error.
        kind: class of the error that ended it, empty for none.
    """

    status: int
    out: bytes = b""
    said: str = ""
    kind: str = ""

    def check(self, *fine: int) -> None:
        """Raise the error that ended the command; not for an exit status among ``fine``, or 0."""
        if self.kind or self.status not in (0, *fine):
            raise rebuilt(self.status, self.kind, self.said)

    def forgive(self, kinds: Collection[str]) -> bool:
        """Whether one of these errors ended it; raise any other."""
        if self.kind in kinds:
            return True
        self.check()
        return False


class Exchange:
    """What has come back so far.

    Attributes:
        accepted: the command has begun: from now on there is no hurry.
        out: standard output, or what a terminal would get. Whoever takes of it takes it out.
        answer: when it is over.

    Args:
        begins: the kind of frame after which it does what is expected of it.
        most: bytes of output that are enough: there may be a few more.
    """

    def __init__(
        self, command: Command, *, stdin: bytes = b"", begins: int = Kind.ACCEPTED, most: int | None = None
    ) -> None:
        self.accepted = False
        self.out = bytearray()
        self.answer: Answer | None = None
        self._repeatable = command.repeatable
        self._attaches = begins == Kind.ATTACHED
        self._stdin = stdin
        self._begins = begins
        self._begun = False  # and can't be repeated
        self._ready = False
        self._most = most
        self._said = b""

    @property
    def ready(self) -> bool:
        """Whether it does what is expected of it, or is over."""
        return self._ready or self.answer is not None

    def take(self, kind: int, body: bytes) -> list[tuple[int, bytes]]:
        """Take in a frame; return those to send back."""
        self._ready = self._ready or kind == self._begins
        if kind in (Kind.STDOUT, Kind.OUTPUT):
            self._begun = self._begun or not self._attaches  # a screen is drawn anew, and takes nothing twice
            self.out += body
            if self._most is not None and len(self.out) >= self._most:
                self.answer = Answer(0, bytes(self.out))
        elif kind == Kind.STDERR:
            self._said = body
        elif kind == Kind.ACCEPTED:
            self.accepted = True
            self._begun = self._begun or not self._repeatable
        elif kind == Kind.WANT_STDIN:
            return [(Kind.STDIN, self._stdin), (Kind.STDIN_END, b"")]
        elif kind == Kind.EXIT:
            fields = unpack(body, 2)
            error = fields[4].decode("ascii", "replace") if len(fields) > 4 else ""
            self.answer = Answer(number(fields[0]), bytes(self.out), self._said.decode("utf-8", "replace"), error)
        return []

    def lost(self) -> None:
        """The connection ended without an answer: return if the command can be sent again.

        Raises:
            ServerLost: it had begun, and repeating it would do or print something twice.
        """
        if self._begun:
            raise ServerLost
