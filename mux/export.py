"""A recording in the formats that others read, as pieces of bytes: it is never in memory as a whole."""

from __future__ import annotations

import base64
import codecs
import enum
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from agentmux.store.records import Kind, Record

from . import html, transcript
from .foreign import as_json, printable
from .redact import NOTHING, Redaction, Redactor
from .size import Size

BATCH = 1 << 16
"""Characters or bytes of a piece, about: a piece is a frame to a client."""

_ENV = ("TERM", "SHELL")
"""What of the environment is told: the rest is nobody's business."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of the session.

    Attributes:
        size: what the pane had before the first record.
        started: when the recording begins, in Unix seconds.
        env: of the program; only TERM and SHELL are told.
        title: empty for the name.
    """

    name: str
    argv: Sequence[str]
    size: Size
    started: float
    env: Mapping[str, str]
    title: str = ""


class Format(enum.StrEnum):
    """What a recording can be written as."""

    ASCIICAST_2 = "asciicast-v2"
    ASCIICAST_3 = "asciicast-v3"
    TEXT = "text"
    HTML = "html"
    JSON = "json"
    RAW = "raw"


def export(form: Format, header: Header, records: Iterable[Record], redaction: Redaction = NOTHING) -> Iterator[bytes]:
    """Yield a recording in a format.

    Args:
        records: in order; the first needs not be a RESIZE.
        redaction: applied to the stream, and to what TEXT and HTML show: secrets there are also found where the
            stream had a change of colour in them. A secret that was wrapped to the next row is found in the stream.
    """
    records = redacted(records, redaction)
    match form:
        case Format.ASCIICAST_2:
            return _batched(_asciicast(2, header, records, redaction))
        case Format.ASCIICAST_3:
            return _batched(_asciicast(3, header, records, redaction))
        case Format.TEXT:
            return _batched(_text(header, records, redaction))
        case Format.HTML:
            rows = transcript.rows(header.size, records, styled=True)
            return _batched(html.page(header.title or header.name, rows, redaction))
        case Format.JSON:
            return _batched(map(_json, records))
        case Format.RAW:
            return _raw(records)


def redacted(records: Iterable[Record], redaction: Redaction) -> Iterator[Record]:
    """Yield the records without secrets in what was printed, prompted and said of the state.

    What a character or secret that was cut between records leaves is in the one where it began, or where it ended.
    """
    if not redaction:
        yield from records
        return
    decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")  # so that all bytes come out as they were
    redactor: Redactor[Record] = Redactor(redaction)
    last: Record | None = None
    for record in records:
        text = decoder.decode(record.data) if record.kind is Kind.OUTPUT else ""
        if record.kind in (Kind.PROMPT, Kind.STATE):
            record = replace(record, data=_encoded(redaction.text(record.data.decode("utf-8", "surrogateescape"))))
        for known in redactor.feed(record, text):
            yield _with_text(*known)
        last = record
    if last is not None and (rest := decoder.decode(b"", final=True)):
        for known in redactor.feed(replace(last, kind=Kind.OUTPUT), rest):
            yield _with_text(*known)
    for known in redactor.flush():
        yield _with_text(*known)


def _with_text(record: Record, text: str) -> Record:
    return replace(record, data=_encoded(text)) if record.kind is Kind.OUTPUT else record


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _batched(pieces: Iterable[str]) -> Iterator[bytes]:
    batch: list[str] = []
    length = 0
    for piece in pieces:
        batch.append(piece)
        length += len(piece)
        if length >= BATCH:
            yield "".join(batch).encode("utf-8", "replace")
            batch.clear()
            length = 0
    if batch:
        yield "".join(batch).encode("utf-8", "replace")


# asciicast: https://docs.asciinema.org/manual/asciicast/v2/ and /v3/


def _asciicast(version: int, header: Header, records: Iterable[Record], redaction: Redaction) -> Iterator[str]:
    yield _line(_asciicast_header(version, header, redaction))
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    size, status = header.size, ""
    start = round(header.started * 1_000_000)
    now = told = 0  # microseconds: what is added up in v3 must not drift

    def event(code: str, data: str) -> str:
        nonlocal told
        time = now - told if version == 3 else now
        told = now
        seconds, fraction = divmod(time, 1_000_000)
        return f'[{seconds}.{fraction:06d}, "{code}", {as_json(data)}]\n'

    for record in records:
        now = max(now, round(record.at * 1_000_000) - start)  # the clock may have been set back
        if record.kind is Kind.OUTPUT:
            if text := decoder.decode(record.data):
                yield event("o", text)
        elif record.kind is Kind.RESIZE:
            if record.size != size:
                size = record.size
                yield event("r", "{}x{}".format(*size))
        elif record.kind is Kind.PROMPT:
            first, *_ = record.data.decode("utf-8", "replace").strip().splitlines() or [""]
            yield event("m", first)
        elif record.kind is Kind.STATE:
            said = record.data.decode("utf-8", "replace")
            status = _exit_status(said)
            yield event("m", said)
    if rest := decoder.decode(b"", final=True):
        yield event("o", rest)
    if version == 3 and status:
        yield event("x", status)


def _exit_status(state: str) -> str:
    """Return the status that a state tells, as a shell has it; empty if the program has not ended."""
    word, _, number = state.partition(" ")
    if word != "exited" or not number.removeprefix("-").isdecimal():
        return ""
    status = int(number)
    return str(status if status >= 0 else 128 - status)


def _asciicast_header(version: int, header: Header, redaction: Redaction) -> dict[str, object]:
    columns, rows = header.size
    env = {name: redaction.text(header.env[name]) for name in _ENV if header.env.get(name)}
    told: dict[str, object] = {"version": version}
    if version == 3:
        term = {"cols": columns, "rows": rows}
        told["term"] = term | ({"type": env.pop("TERM")} if "TERM" in env else {})
    else:
        told |= {"width": columns, "height": rows}
    told |= {"timestamp": int(header.started), "title": redaction.text(header.title or header.name)}
    if header.argv:
        told["command"] = redaction.text(shlex.join(header.argv))
    if env:
        told["env"] = env
    return told


def _line(told: Mapping[str, object]) -> str:
    return as_json(told) + "\n"


# The others


def _text(header: Header, records: Iterable[Record], redaction: Redaction) -> Iterator[str]:
    redactor: Redactor[None] = Redactor(redaction)
    for row in transcript.rows(header.size, records):
        for _, text in redactor.feed(None, row + "\n"):
            yield printable(text)
    for _, text in redactor.flush():
        yield printable(text)


def _json(record: Record) -> str:
    told: dict[str, object] = {"kind": record.kind.name.lower(), "at": record.at, "offset": record.offset}
    if record.kind is Kind.RESIZE:
        told["columns"], told["rows"] = record.size
        return _line(told)
    try:
        told["text"] = record.data.decode("utf-8")
    except UnicodeDecodeError:
        told["base64"] = base64.b64encode(record.data).decode("ascii")
    return _line(told)


def _raw(records: Iterable[Record]) -> Iterator[bytes]:
    batch = bytearray()
    for record in records:
        if record.kind is Kind.OUTPUT:
            batch += record.data
        if len(batch) >= BATCH:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)
