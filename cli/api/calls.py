"""Each call: the command line that it is, and what is made of what that prints. Pure.

The one place that both clients share, so that neither knows a command, an option or a key of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from agentmux.cli.commands import Command, find
from agentmux.mux.errors import BadUsage
from agentmux.mux.protocol import Kind

from . import model
from .errors import Refused, Uncertain, Unfinished
from .exchange import Answer, Exchange
from .model import Delivery, Event, Info, Message, Outcome, Queue, Receipt

T = TypeVar("T")

LIMIT = 1 << 24
"""Bytes of output that are fetched at once unless more is asked for: it is all in memory."""

SIZE = (120, 40)
"""Columns and rows of a viewer that names none: those of a session that nobody has attached to."""

_SOONEST = 0.001
"""Seconds. The command line takes a timeout of 0 for none."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A command that is asked, and answers.

    Attributes:
        starts: it starts a program, which gets environment and umask of who asks.
        most: bytes of output that are enough.
    """

    words: tuple[str, ...]
    parse: Callable[[Answer], T]
    starts: bool = False
    stdin: bytes = b""
    most: int | None = None

    @property
    def command(self) -> Command:
        """What is known of the command."""
        return _command(self.words)

    def exchange(self) -> Exchange:
        """Return a new conversation about it."""
        return Exchange(self.command, stdin=self.stdin, most=self.most)


@dataclass(frozen=True, slots=True)
class Follow(Generic[T]):
    """A command that goes on and on.

    Attributes:
        items: takes what is whole out of the output.
        size: of the terminal that is attached, None for none.
    """

    words: tuple[str, ...]
    items: Callable[[bytearray], list[T]]
    size: tuple[int, int] | None = None

    @property
    def command(self) -> Command:
        """What is known of the command."""
        return _command(self.words)

    def exchange(self) -> Exchange:
        """Return a new conversation about it."""
        return Exchange(self.command, begins=Kind.ACCEPTED if self.size is None else Kind.ATTACHED)

    def again(self) -> Follow[T]:
        """Return what goes on with it after the server went away."""
        again = self.words if self.size is None or "--again" in self.words else (*self.words, "--again")
        return Follow(again, self.items, self.size)


def _command(words: tuple[str, ...]) -> Command:
    return find(words[0]) or Command(words[0])  # a newer server may know it


# -- the server


def create(
    argv: Sequence[str],
    *,
    name: str,
    cwd: str,
    env: Mapping[str, str],
    size: tuple[int, int] | None,
    labels: Mapping[str, str],
    record: bool,
) -> Call[int]:
    """Start a session; its id.

    Raises:
        BadUsage: ``argv`` is one string, whose letters would be the words.
    """
    if isinstance(argv, str):
        raise BadUsage(f"argv is {argv!r}, which is no list of words")
    words = ["new", "-d", "--json"]
    words += ["-s", name] if name else []
    words += ["-c", cwd] if cwd else []
    words += ["-x", str(size[0]), "-y", str(size[1])] if size else []
    words += [word for key, value in env.items() for word in ("-e", f"{key}={value}")]
    words += [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    words += [] if record else ["--no-record"]
    return Call((*words, "--", *argv), _id, starts=True)


def sessions(*, everything: bool) -> Call[list[Info]]:
    """All that run, or all there are."""
    return Call(("ls", "--json", *(["-a"] if everything else [])), lambda answer: _listed(answer, model.info))


def resolve(target: str) -> Call[int]:
    """The id of what a target means now."""
    return Call(("info", "-t", target, "--json"), _id)


# -- a session


def info(session: int) -> Call[Info]:
    """What is known of it."""
    return Call(("info", *_t(session), "--json"), lambda answer: model.info(_json(answer)))


def send(session: int, text: str, *, when: str, wait: bool, timeout: float | None) -> Call[Receipt]:
    """Deliver a prompt."""
    words = ("send", *_t(session), "--json", "--when", when, *(["--wait"] if wait else []), *_timeout(timeout))
    stdin = text.encode("utf-8", "surrogateescape") if text == "-" else b""  # as a word it means standard input

    def parse(answer: Answer) -> Receipt:
        if not answer.out:
            answer.check()
        made = model.receipt(_json(answer, answer.status))
        if made.state in (Delivery.REFUSED, Delivery.DROPPED):
            raise Refused(made)
        if made.state is Delivery.UNCERTAIN:
            raise Uncertain(made)
        if answer.status == Unfinished.status:
            raise Unfinished(made, timeout or 0.0)
        return made

    return Call((*words, "--", text), parse, stdin=stdin)


def type_text(session: int, text: str) -> Call[None]:
    """Type without Enter."""
    stdin = text.encode("utf-8", "surrogateescape") if text == "-" else b""
    return Call(("send", *_t(session), "--no-enter", "--", text), _nothing, stdin=stdin)


def press(session: int, keys: Sequence[str]) -> Call[None]:
    """Press keys by their names."""
    return Call(("send", *_t(session), "--keys", "--", *keys), _nothing)


def wait(session: int, until: Sequence[str], *, output: str, timeout: float | None) -> Call[Outcome]:
    """Wait until it does something."""
    wanted = [*until, *([f"output={output}"] if output else [])]
    words = ["wait", *_t(session), *(word for one in wanted for word in ("--until", one)), *_timeout(timeout)]

    def parse(answer: Answer) -> Outcome:
        answer.check(*(outcome.value for outcome in Outcome))
        return Outcome(answer.status)

    return Call(tuple(words), parse)


def interrupt(session: int, *, wait: bool, hard: bool, timeout: float) -> Call[None]:
    """Interrupt what it does."""
    options = [*(["--wait"] if wait else []), *(["--hard"] if hard else []), *_timeout(timeout)]
    return Call(("interrupt", *_t(session), *options), _nothing)


def answer(session: int, option: int | str | None, *, text: str | None, seen: str | None) -> Call[Receipt]:
    """Answer what it asks."""
    words = ["answer", *_t(session), "--json", *(["--seen", seen] if seen is not None else [])]
    words += ["--text", text] if text is not None else []
    words += ["--", str(option)] if option is not None else []
    return Call(tuple(words), send(session, "", when="now", wait=False, timeout=None).parse)


def capture(session: int, *, start: int | None, end: int | None, styled: bool) -> Call[list[str]]:
    """The rows that it shows."""
    first, last = ("-" if row is None else str(row) for row in (start, end))
    words = ("capture", *_t(session), "--json", "-S", first, "-E", last, *(["-e"] if styled else []))
    return Call(words, lambda answer: list(_json(answer)["rows"]))


def output(session: int, *, start: int, limit: int) -> Call[bytes]:
    """What it has printed, as far as it is kept."""

    def parse(answer: Answer) -> bytes:
        answer.check()
        return answer.out[:limit]

    return Call(("log", *_t(session), "--from", str(start)), parse, most=limit)


def messages(session: int, *, last: int | None) -> Call[list[Message]]:
    """What was said in it."""
    words = ("messages", *_t(session), "--json", *([] if last is None else ["-n", str(last)]))
    return Call(words, lambda answer: _listed(answer, model.message))


def last_reply(session: int) -> Call[str | None]:
    """What its agent said last."""

    def parse(answer: Answer) -> str | None:
        return None if answer.forgive({"NoReply"}) else answer.out.decode("utf-8", "replace").removesuffix("\n")

    return Call(("last", *_t(session)), parse)


def queue(session: int, *, everything: bool) -> Call[Queue]:
    """The prompts that wait for it."""
    words = ("queue", *_t(session), "--json", *(["-a"] if everything else []))
    return Call(words, lambda answer: model.queue(_json(answer)))


def drop(session: int, prompts: Sequence[int]) -> Call[None]:
    """Take prompts out of the queue."""
    return Call(("queue", *_t(session), "--", "drop", *map(str, prompts)), _nothing)


def pause_queue(session: int, *, paused: bool) -> Call[None]:
    """Hold what is queued, or go on with it."""
    return Call(("queue", *_t(session), "pause" if paused else "resume"), _nothing)


def restart(session: int, *, kill: bool, afresh: bool) -> Call[None]:
    """Start it again."""
    options = [*(["--kill"] if kill else []), *(["--afresh"] if afresh else [])]
    return Call(("restart", *_t(session), *options), _nothing, starts=True)


def resume(session: int) -> Call[None]:
    """Open its conversation again."""
    return Call(("resume", *_t(session), "-d"), _nothing, starts=True)


def fork(session: int, *, name: str) -> Call[int]:
    """Begin a second conversation from its; the id of the new session."""
    return Call(("fork", *_t(session), "-d", "--json", *(["-s", name] if name else [])), _id, starts=True)


def close(session: int, *, now: bool) -> Call[None]:
    """End it, if it has not ended."""

    def parse(answer: Answer) -> None:
        answer.forgive({"NotRunning"})

    return Call(("kill", *_t(session), *(["--now"] if now else [])), parse)


# -- streams


def events(session: int | None) -> Follow[Event]:
    """What happens from now on, in one session or in all."""
    return Follow(("events", "--json", *([] if session is None else _t(session))), _events)


def attach(session: int, *, size: tuple[int, int]) -> Follow[bytes]:
    """What a terminal of ``size`` shows."""
    return Follow(("attach", *_t(session), "--read-only"), _bytes, size)


def _events(out: bytearray) -> list[Event]:
    end = out.rfind(b"\n") + 1
    lines = bytes(out[:end]).split(b"\n")[:-1]
    del out[:end]
    return [model.event(json.loads(line)) for line in lines]


def _bytes(out: bytearray) -> list[bytes]:
    data = bytes(out)
    out.clear()
    return [data] if data else []


# -- words and answers


def _t(session: int) -> tuple[str, str]:
    return "-t", str(session)


def _timeout(seconds: float | None) -> list[str]:
    return [] if seconds is None else ["--timeout", f"{max(seconds, _SOONEST):.3f}"]


def _json(answer: Answer, *fine: int) -> Any:
    answer.check(*fine)
    return json.loads(answer.out)


def _listed(answer: Answer, made: Callable[[Mapping[str, Any]], T]) -> list[T]:
    return [made(one) for one in _json(answer)]


def _id(answer: Answer) -> int:
    return int(_json(answer)["id"])


def _nothing(answer: Answer) -> None:
    answer.check()
