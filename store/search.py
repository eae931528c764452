"""Full-text search over prompts, replies and what was on the screen.

The words are in an FTS5 index that holds no text. The texts are next to it, in
compressed rows, and snippets and ranking are made here from those few that were
found: FTS5's own ``bm25`` walks through every document that has a word before it
can rank one of them.

What is a word: letters and digits (``unicode61`` without extra token characters),
case and accents folded. ``foo_bar``, ``src/main.py`` and ``--no-color`` are runs
of words, asked for as phrases, so each is found whole and also by any of its
parts; the price is that ``foo_bar`` finds ``foo bar`` too. Were ``_ - . /`` part of
a word, nobody would find ``src/main.py`` by ``main``, nor ``done`` in ``done.``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import zstandard

from .database import Database, Row, Value
from .errors import StoreBroken

HIT = "\x02"
HIT_END = "\x03"
"""Around each hit in a snippet. No indexed text has them."""

TEXT_LIMIT = 64 << 10
"""Characters of one document; the rest is not indexed. This many take about 20 ms, and the server waits."""

QUERY_LIMIT = 1000
"""Characters of a query that count: what a person types is shorter, and FTS5 takes time for each word of a phrase."""

PARTS = 16
"""Words and phrases of a query that count: each is looked for in all that is ranked."""

NEWEST = 200
"""Matches that are ranked: reading and counting in that many documents of output takes some 20 ms."""

SNIPPET = 240
"""Characters of a snippet, without the marks."""

PREFIX = 3
"""Letters that a prefix needs at least: FTS5 collects all words that have it, which takes seconds for a single letter.

Its lists of prefixes would help, and make the index larger and adding slower by half.
"""

MERGE = 8
"""Pages of the index that are merged after each document: more than it adds on all levels together.

FTS5's own merging is turned off, as it does nothing for long and then 0.1 s at once.
"""

_BEFORE = 60  # characters of a snippet before its first hit
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_WORD = re.compile(r"[^\W_]+")
_PART = re.compile(r'"([^"]*)"?|[^\s"]+')
_MAY_FOLD = re.compile("[\u00c0-\u058f\u1e00-\u1fff]")


class Where(Enum):
    """The kinds of documents. The values are in the database."""

    PROMPTS = "prompts"
    REPLIES = "replies"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Document:
    """One thing to be found: a prompt, a reply, or a piece of output of 4 to 8 KiB."""

    session: int
    where: Where
    at: float
    source: int
    """The id of the prompt or message, or the journal offset at which a piece of output ends."""
    text: str
    """Without escape codes. Control characters become blanks, and runs of blanks become one."""


@dataclass(frozen=True, slots=True)
class Found:
    """A document that matched."""

    session: int
    where: Where
    at: float
    source: int
    snippet: str
    """One line around the first place with the most of the words; each hit is between HIT and HIT_END."""
    score: float
    """Higher is better. Comparable within one search only."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A word or a phrase of a query."""

    match: str
    """As FTS5 wants it."""
    pattern: re.Pattern[str]
    """The same for folded text. It may start inside of a word, which lets ``re`` look for it faster."""


class Index:
    """The documents and their index. A session's documents must be forgotten before its record is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._compress = zstandard.ZstdCompressor(level=3).compress
        self._decompress = zstandard.ZstdDecompressor().decompress

    def add(self, document: Document) -> None:
        """Index a document whose session is in the store. Twice is once: the first text stays.

        An empty text is kept too: it can't be found, but ``reached`` counts it.
        """
        self.add_all((document,))

    def add_all(self, documents: Iterable[Document]) -> None:
        """Index documents in one transaction: all or none. 1 MB of text takes about 0.4 s."""
        with self._database.transaction():
            for document in documents:
                self._add(document)

    def _add(self, document: Document) -> None:
        text = _plain(document.text[:TEXT_LIMIT])
        kind = document.where.value
        added = self._database.execute(
            "INSERT INTO document (session, kind, source, at, text) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (session, kind, source) DO NOTHING RETURNING id",
            (document.session, kind, document.source, document.at, self._compress(text.encode())),
        )
        if added:
            self._database.execute(
                "INSERT INTO search (rowid, text, tags) VALUES (?, ?, ?)",
                (added[0][0], text, _tags(document.session, kind)),
            )
            self._merge(MERGE)

    def reached(self, where: Where, session: int | None = None) -> int:
        """Return the highest source that is indexed, -1 if there is none: in one session, or in all.

        Only ids have an order over all sessions: for output, name the session.
        """
        assert session is not None or where is not Where.OUTPUT, "journal offsets of two sessions do not compare"
        sql = "SELECT max(source) FROM document WHERE kind = ?"
        if session is None:
            # Spelled out, or SQLite can't know that the partial index will do.
            ((highest,),) = self._database.execute(f"{sql} AND kind <> 'output'", (where.value,))
        else:
            ((highest,),) = self._database.execute(f"{sql} AND session = ?", (where.value, session))
        return -1 if highest is None else int(highest)

    def search(
        self,
        query: str,
        *,
        session: int | None = None,
        since: float | None = None,
        where: Collection[Where] | None = None,
        limit: int = 50,
    ) -> list[Found]:
        """Return the documents that have every word of ``query``, best first, at most ``limit``.

        ``"quoted words"`` are a phrase, ``word*`` is every word that starts so (from
        PREFIX letters on); nothing else means anything special. A query without a
        word finds nothing. Ranked are only the NEWEST newest matches, by how often they
        have the words for their length, newer before older: what everybody has is then as
        cheap to ask for as what is rare. Slow, and there is no bound: a phrase of
        words that nearly all documents have, but hardly ever in that order.
        """
        parts = _parts(query)
        if not parts or limit <= 0 or (where is not None and not where):
            return []
        rows = self._database.read(
            lambda row: (*row[:1], Where(row[1]), *row[2:4], self._text(row[4])),
            *_select(parts, session, since, where),
        )
        texts = [row[4] for row in rows]
        ranked = _ranked([_fold(text) for text in texts], parts)
        found = []
        for score, position, folded in ranked[:limit]:
            session_, kind, at, source, _ = rows[position]
            found.append(Found(session_, kind, at, source, _snippet(texts[position], folded, parts), score))
        return found

    def forget(self, session: int, count: int = 100) -> int:
        """Remove up to ``count`` documents of a session and return how many; call it until it returns 0.

        Then ``settle``. A hundred pieces of output take about 0.1 s.
        """
        with self._database.transaction():
            rows = self._database.execute(
                "SELECT id, kind, text FROM document WHERE session = ? LIMIT ?", (session, count)
            )
            self._remove(session, rows)
            if not rows:
                # A negative number begins to merge all parts of the index into one.
                self._merge(-1)
        return len(rows)

    def forget_output(self, session: int, end: int, count: int = 2) -> int:
        """Remove up to ``count`` documents of a session's output up to offset ``end``; return how many, 0 at the end.

        Each takes some 4 ms. The index gets no smaller by it, but what comes next finds room there.
        """
        with self._database.transaction():
            rows = self._database.execute(
                "SELECT id, kind, text FROM document WHERE session = ? AND kind = 'output' AND source <= ? LIMIT ?",
                (session, end, count),
            )
            self._remove(session, rows)
            self._merge(MERGE * len(rows))
        return len(rows)

    def _remove(self, session: int, rows: Sequence[Row]) -> None:
        for id_, kind, text in rows:
            # FTS5 does not know what it indexed, and must be told the same again.
            self._database.execute(
                "INSERT INTO search (search, rowid, text, tags) VALUES ('delete', ?, ?, ?)",
                (id_, self._text(text), _tags(session, kind)),
            )
            self._database.execute("DELETE FROM document WHERE id = ?", (id_,))

    def settle(self, pages: int = 25) -> bool:
        """Go on merging the index, by about that many pages of 4 KB, and return whether there is more to do.

        Until it returned False, words of forgotten documents are still in the index,
        marked as deleted; from then on only in pages that SQLite no longer uses: VACUUM.
        """
        before = self._changes()
        self._merge(pages)
        return self._changes() - before >= 2  # one is the command itself

    def _text(self, stored: bytes) -> str:
        try:
            return self._decompress(stored).decode()
        except (TypeError, UnicodeDecodeError, zstandard.ZstdError) as error:
            raise StoreBroken(self._database.path, "a text in the index is damaged") from error

    def _merge(self, pages: int) -> None:
        self._database.execute("INSERT INTO search (search, rank) VALUES ('merge', ?)", (pages,))

    def _changes(self) -> int:
        ((count,),) = self._database.execute("SELECT total_changes()")
        return int(count)


def _tags(session: int, kind: str) -> str:
    """Return the words by which a search is narrowed inside the index."""
    return f"s{session} {kind}"


def _select(
    parts: Sequence[_Part], session: int | None, since: float | None, where: Collection[Where] | None
) -> tuple[str, tuple[Value, ...]]:
    """Return the query for the newest matches, and its values."""
    match = "text : (" + " ".join(part.match for part in parts) + ")"
    if session is not None:
        match += f" AND tags : s{session}"
    if where is not None:
        match += " AND tags : (" + " OR ".join(sorted(each.value for each in where)) + ")"
    values: list[Value] = [match]
    bound = ""
    if since is not None:
        # Ids grow with time, more or less: without the first bound, all older matches would be read and dropped.
        # The plus keeps SQLite from looking for the lowest id by walking through the table instead of the index.
        bound = "AND search.rowid >= (SELECT min(+id) FROM document WHERE at >= ?) AND document.at >= ?"
        values += [since, since]
    sql = f"""
        SELECT document.session, document.kind, document.at, document.source, document.text
        FROM search CROSS JOIN document ON document.id = search.rowid
        WHERE search MATCH ? {bound} ORDER BY search.rowid DESC LIMIT {NEWEST}
    """
    return sql, tuple(values)


def _parts(query: str) -> list[_Part]:
    """Return the first PARTS words and phrases of a query that have something to look for, each once."""
    parts: dict[str, _Part] = {}
    for found in _PART.finditer(_plain(query[:QUERY_LIMIT])):
        quoted = found[1] is not None
        text = found[1] if quoted else found[0]
        words = _WORD.findall(_fold(text))
        if not words:
            continue
        prefix = not quoted and text.endswith("*") and len(words[-1]) >= PREFIX
        pattern = r"[\W_]+".join(map(re.escape, words)) + (r"[^\W_]*" if prefix else r"(?![^\W_])")
        # Inside of double quotes, FTS5 sees nothing special but these, and here are none.
        parts.setdefault(pattern, _Part(f'"{text}"{" *" if prefix else ""}', re.compile(pattern)))
    return list(parts.values())[:PARTS]


def _ranked(texts: Sequence[str], parts: Sequence[_Part]) -> list[tuple[float, int, str]]:
    """Return (score, position in ``texts``, text), best first.

    This is BM25 without the weight of rare words, which tells nothing among documents that have all of them.
    """
    average = sum(map(len, texts)) / len(texts) if texts else 0
    ranked = []
    for position, text in enumerate(texts):
        worth = 1.2 * (0.25 + 0.75 * len(text) / average) if average else 1.2
        counts = [len(_hits(text, part)) for part in parts]
        ranked.append((sum(count / (count + worth) for count in counts), position, text))
    ranked.sort(key=lambda each: (-each[0], each[1]))
    return ranked


def _hits(folded: str, part: _Part) -> list[tuple[int, int]]:
    """Return where a word or phrase is, as start <= x < stop."""
    return [
        found.span()
        for found in part.pattern.finditer(folded)
        if not (found.start() and folded[found.start() - 1].isalnum())
    ]


def _snippet(text: str, folded: str, parts: Sequence[_Part]) -> str:
    """Return the piece of ``text`` around the most of its hits, marked."""
    hits = [(start, stop, number) for number, part in enumerate(parts) for start, stop in _hits(folded, part)]
    hits.sort(key=lambda hit: (hit[0], -hit[1]))  # of two that start together, the longer one is marked
    first = 0
    most = 0
    room = SNIPPET - _BEFORE
    for place, (start, _, _) in enumerate(hits[:100]):  # enough to find a good place
        # Each hit is a letter at least, so no more of them fit.
        words = len({number for _, stop, number in hits[place : place + room] if stop <= start + room})
        if words > most:
            first, most = start, words
    begin = max(0, min(first - _BEFORE, len(text) - SNIPPET))
    end = min(len(text), begin + SNIPPET)
    pieces = ["…" if begin else ""]
    done = begin
    for start, stop, _ in hits:
        if done <= start and stop <= end:
            pieces += [text[done:start], HIT, text[start:stop], HIT_END]
            done = stop
    pieces += [text[done:end], "…" if end < len(text) else ""]
    return "".join(pieces)


def _plain(text: str) -> str:
    """Return ``text`` as one line of what UTF-8 can hold, accents composed."""
    return unicodedata.normalize("NFC", _BLANK.sub(" ", text).encode(errors="replace").decode())


def _fold(text: str) -> str:
    """Return ``text`` without case and accents, of the same length."""
    if text.isascii():
        return text.lower()
    lower = text.replace("İ", "I").lower()  # the only letter that becomes two
    return _MAY_FOLD.sub(lambda found: _bare(found[0]), lower)


def _bare(letter: str) -> str:
    # Sigma at the end of a word is a letter of its own.
    return "\u03c3" if letter == "\u03c2" else unicodedata.normalize("NFD", letter)[0]
