"""The client protocol: frames in, frames out, no I/O.

A frame is one kind byte, a four-byte big-endian body length, and the body::

    +------+----------------+---------------------+
    | kind | length (u32be) | body, length bytes  |
    +------+----------------+---------------------+

The numbers in :class:`Kind` are frozen. A running server outlives the client
that talks to it, so a number is never reused and a body never changes shape,
except that fields are added at its end. Receivers skip kinds and trailing
fields that they do not know.

Bodies are raw bytes or *fields*: any number of byte strings, each after its
four-byte big-endian length. Not JSON, and kinds are plain integers, because a
client imports this file at every command: ``json`` and ``enum`` would double
the time that ``agentmux ls`` takes.
"""

from .errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PROTOCOL = 1
"""Counted up when an old peer could misunderstand a new one. Not when kinds are added."""

MAX_BODY = 1 << 23
"""Largest body accepted, in bytes: argv and environment together fit, which
Linux bounds at a quarter of the stack limit, 2 MiB, by default. A longer one
is a peer gone wrong."""

LAST_QUERY = b"\x1b[c"
"""Ends the OUTPUT that asks a client's terminal what it is: every terminal answers it, and in the order asked."""

_HEADER = 5


class Kind:
    """What a frame means. Client to server below 32, server to client from 32 on."""

    HELLO = 0  # fields: version, protocol, attempt, server argv and keeper argv (each NUL-joined)
    COMMAND = 1  # fields: see Request
    STDIN = 2  # raw: standard input of the command, after WANT_STDIN
    STDIN_END = 3  # empty: end of it
    INPUT = 4  # raw: typed bytes for the pane
    RESIZE = 5  # fields: columns, rows (decimal)
    DETACH = 6  # empty: the user left
    ACTION = 7  # fields: name of a prefix action, argument
    PAUSE = 8  # empty: send no OUTPUT, something else is on the screen
    RESUME = 9  # empty: redraw and go on
    PASTE = 10  # raw: pasted bytes for the pane, paste markers included
    MOUSE = 11  # raw: one mouse report
    FOCUS = 12  # raw: 1 or 0, whether the terminal has the keyboard
    REPLY = 13  # raw: one reply of the terminal to a query

    WELCOME = 32  # fields: version, protocol, empty, keeper pid
    ACCEPTED = 33  # empty: the command has begun; from here on repeating it is not safe
    STDOUT = 34  # raw
    STDERR = 35  # raw
    EXIT = 36  # fields: status (decimal), last line or empty, last row used or 0, pid to wait for or 0, error's class
    WANT_STDIN = 37  # empty: send STDIN
    ATTACHED = 38  # fields: session id, name, prefix key, bindings (key NUL action NUL ...), read-only (0 or 1)
    OUTPUT = 39  # raw: what to write to the terminal
    NOTICE = 40  # fields: title, text: answer to an ACTION that shows something
    SCROLLBACK = 41  # fields: name, rows of the screen, its columns, 1 if more follows, rows of text with SGR
    PLAYED = 42  # fields: o (output), r (size) or k (keyframe); microseconds since 1970; the bytes, or columns x rows
    PLAY = 43  # fields: columns, rows, thousandths of speed, microseconds of the longest pause or empty: that was all


def encode(kind: int, body: bytes = b"") -> bytes:
    """Return the frame's bytes."""
    return b"%c%b%b" % (kind, len(body).to_bytes(4, "big"), body)


def pack(fields: "Iterable[bytes]") -> bytes:
    """Return a body made of ``fields``."""
    return b"".join([len(field).to_bytes(4, "big") + field for field in fields])


def unpack(body: bytes, at_least: int = 0) -> list[bytes]:
    """Return the fields of ``body``; more than ``at_least`` is a newer peer and fine.

    Raises:
        ProtocolError: a length points past the end, or fields are missing.
    """
    fields = []
    at, end = 0, len(body)
    while at < end:
        start = at + 4
        at = start + int.from_bytes(body[at:start], "big")
        if start > end or at > end:
            raise ProtocolError("a field is cut short")
        fields.append(body[start:at])
    if len(fields) < at_least:
        raise ProtocolError(f"{len(fields)} fields where {at_least} are needed")
    return fields


def number(field: bytes) -> int:
    """Return a decimal field as an integer.

    Raises:
        ProtocolError: it is not one, or it is absurdly long.
    """
    if len(field) > 20 or not field.removeprefix(b"-").isdigit():
        raise ProtocolError(f"{field[:20]!r} is not a number")
    return int(field)


class Decoder:
    """Turn a byte stream, cut anywhere, into frames.

    Feed what ``recv`` gave. State between calls is only the undecoded tail:
    at most one header and ``MAX_BODY`` bytes.
    """

    def __init__(self) -> None:
        self._tail = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the (kind, body) pairs that ``data`` completes, oldest first.

        Raises:
            ProtocolError: a body over ``MAX_BODY`` was announced.
        """
        tail = self._tail
        tail += data
        frames = []
        at = 0
        while len(tail) - at >= _HEADER:
            length = int.from_bytes(tail[at + 1 : at + _HEADER], "big")
            if length > MAX_BODY:
                raise ProtocolError(f"a frame of {length} bytes is over {MAX_BODY}")
            end = at + _HEADER + length
            if len(tail) < end:
                break
            frames.append((tail[at], bytes(tail[at + _HEADER : end])))
            at = end
        if at:
            del tail[:at]
        return frames


class Request:
    """What a client asks and what it is: the body of COMMAND.

    Attributes:
        argv: the words after the global options, first the command.
        env: the client's whole environment.
        size: (columns, rows) of its terminal, (0, 0) without one.
        ttys: whether standard input, output and error are terminals.
        umask: for the programs it starts; None: not told.
        began: when it was first asked, in microseconds of the machine's monotonic clock, which all processes share:
            it is sent again to another server, and what it waits for is not to last longer for that. None: not told.
    """

    __slots__ = ("argv", "began", "cwd", "env", "size", "ttys", "umask")

    def __init__(
        self,
        argv: list[str],
        cwd: str,
        env: dict[str, str],
        size: tuple[int, int],
        ttys: tuple[bool, bool, bool],
        umask: int | None = None,
        began: int | None = None,
    ) -> None:
        self.argv = argv
        self.cwd = cwd
        self.env = env
        self.size = size
        self.ttys = ttys
        self.umask = umask
        self.began = began

    def pack(self) -> bytes:
        """Return the body of a COMMAND frame."""
        words = [word.encode("utf-8", "surrogateescape") for word in self.argv]
        pairs = [f"{k}={v}".encode("utf-8", "surrogateescape") for k, v in self.env.items()]
        return pack(
            [
                self.cwd.encode("utf-8", "surrogateescape"),
                b"%d" % self.size[0],
                b"%d" % self.size[1],
                b"".join(b"1" if tty else b"0" for tty in self.ttys),
                b"%d" % len(words),
                *words,
                *pairs,
                *([] if self.umask is None else [b"umask %d" % self.umask]),  # a field without "=" is no variable
                *([] if self.began is None else [b"began %d" % self.began]),
            ]
        )

    @classmethod
    def unpack(cls, body: bytes) -> "Request":
        """Return the request in a COMMAND body.

        Raises:
            ProtocolError: it is none.
        """
        fields = unpack(body, 5)
        count = number(fields[4])
        if not 0 <= count <= len(fields) - 5 or len(fields[3]) < 3:
            raise ProtocolError("a command that does not add up")
        text = [field.decode("utf-8", "surrogateescape") for field in fields]
        env = dict(pair.split("=", 1) for pair in text[5 + count :] if "=" in pair)
        told = dict(one.split(b" ", 1) for one in fields[5 + count :] if b" " in one and b"=" not in one)
        umask, began = (number(told[word]) if word in told else None for word in (b"umask", b"began"))
        ttys = (fields[3][:1] == b"1", fields[3][1:2] == b"1", fields[3][2:3] == b"1")
        return cls(text[5 : 5 + count], text[0], env, (number(fields[1]), number(fields[2])), ttys, umask, began)
