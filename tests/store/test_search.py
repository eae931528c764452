"""Search: what is found, what is never an error, what is forgotten, and how long it takes."""

from __future__ import annotations

import random
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from corpus import Corpus, add_sessions, built
from hypothesis import example, given
from hypothesis import strategies as st

from agentmux.store.database import Database
from agentmux.store.errors import StoreBroken
from agentmux.store.search import HIT, HIT_END, NEWEST, PARTS, SNIPPET, TEXT_LIMIT, Document, Index, Where
from agentmux.store.sessions import Sessions


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "agentmux.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(str(path))) as database:
        add_sessions(database, 3)
        yield database


@pytest.fixture
def index(database: Database) -> Index:
    return Index(database)


def output(text: str, source: int = 1, session: int = 1, at: float = 1.0) -> Document:
    return Document(session, Where.OUTPUT, at, source, text)


def sources(index: Index, query: str) -> list[int]:
    return [found.source for found in index.search(query)]


def marked(index: Index, query: str) -> str:
    (found,) = index.search(query)
    return found.snippet.replace(HIT, "[").replace(HIT_END, "]")


def test_all_words_must_be_there(index: Index) -> None:
    index.add_all([output("red green", 1), output("green blue", 2), output("blue red green", 3)])
    assert sorted(sources(index, "green")) == [1, 2, 3]
    assert sorted(sources(index, "red green")) == [1, 3]
    assert sources(index, "red blue") == [3]
    assert sources(index, "red yellow") == []


def test_a_phrase_is_in_order_and_a_prefix_is_marked_whole(index: Index) -> None:
    index.add_all([output("the tests failed", 1), output("failed the tests", 2)])
    assert sources(index, '"tests failed"') == [1]
    assert sources(index, '"the tests') == sources(index, '"the tests"') != []
    assert marked(index, '"tests failed" tes*') == "the [tests failed]"
    assert sources(index, "te*") == []  # too short for a prefix: a word like any other
    assert sources(index, "est*") == []


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("foo_bar", "call foo_bar(1)", "call [foo_bar](1)"),
        ("bar", "call foo_bar(1)", "call foo_[bar](1)"),
        ("src/main.py", "in src/main.py:12", "in [src/main.py]:12"),
        ("main", "in src/main.py:12", "in src/[main].py:12"),
        ("--no-color", "with --no-color given", "with --[no-color] given"),
        ("color", "colors and color", "colors and [color]"),
        ("rust", "trust rust", "trust [rust]"),
        ("STRASSE", "in der strasse", "in der [strasse]"),
        ("resume", "le Résumé, re\u0301sume\u0301", "le [Résumé], [résumé]"),
        ("résumé", "my resume", "my [resume]"),
        ("Ä İ x", "İ x ä", "[İ] [x] [ä]"),
        ("\u03a3", "\u03c2", "[\u03c2]"),
        ("ошибка", "Ошибка!", "[Ошибка]!"),
        ("a", "a │ b\x1b\x02\t\n c\x00", "[a] │ b c "),
    ],
)
def test_words_of_code_and_of_people(index: Index, query: str, text: str, expected: str) -> None:
    index.add(output(text))
    assert marked(index, query) == expected


def test_the_syntax_of_fts5_is_text(index: Index) -> None:
    index.add(output("this OR that NOT text: x^2 NEAR(a, b) {tags} s1 output"))
    for query in (
        "this OR that",
        "NOT",
        "text:x",
        "^2",
        "NEAR(a, b)",
        "{tags}",
        "-this",
        "a + b",
        "tags : s1",
        "(this",
    ):
        assert sources(index, query) == [1], query
    assert sources(index, "this OR absent") == []
    assert sources(index, "replies") == []
    for nothing in ("", " ", '"', '""', "*", "-- │ *", "\x00\x02", "🙂"):
        assert sources(index, nothing) == []
    assert sources(index, 'this "" -- *') == [1]


def test_tags_are_no_words(index: Index) -> None:
    index.add(output("nothing of interest"))
    assert sources(index, "s1") == sources(index, "output") == []


def test_filters(index: Index) -> None:
    for number, (session, where) in enumerate((s, w) for s in (1, 2) for w in Where):
        index.add(Document(session, where, 10.0 * number, number, "word"))
    assert sorted(sources(index, "word")) == [0, 1, 2, 3, 4, 5]
    assert {found.session for found in index.search("word", session=2)} == {2}
    assert index.search("word", session=3) == []
    assert {found.where for found in index.search("word", where={Where.PROMPTS})} == {Where.PROMPTS}
    assert len(index.search("word", where=[Where.PROMPTS, Where.OUTPUT])) == 4
    assert index.search("word", where=()) == []
    assert sorted(found.source for found in index.search("word", since=30.0)) == [3, 4, 5]
    assert index.search("word", since=51.0) == []
    (found,) = index.search("word", session=2, since=30.0, where=[Where.REPLIES])
    assert (found.session, found.where, found.at, found.source) == (2, Where.REPLIES, 40.0, 4)


def test_since_is_about_time_not_about_when_it_was_indexed(index: Index) -> None:
    index.add_all([output("word", 1, at=50.0), output("word", 2, at=10.0), output("word", 3, at=60.0)])
    assert sorted(found.source for found in index.search("word", since=40.0)) == [1, 3]


def test_more_of_it_is_better_and_newer_is_better(index: Index) -> None:
    filler = " ".join(f"filler{number}" for number in range(50))
    index.add_all([output("rust rust rust " + filler, 1), output("rust " + filler, 2), output("rust " + filler, 3)])
    index.add(output("trust trust rusty", 4))
    assert sources(index, "rust") == [1, 3, 2]
    scores = [found.score for found in index.search("rust")]
    assert scores[0] > scores[1] == scores[2]
    assert [found.source for found in index.search("rust", limit=1)] == [1]
    index.add_all([output("go", 5), output("go " + filler, 6)])
    assert sources(index, "go") == [5, 6]  # in less text it means more
    assert index.search("rust", limit=0) == []


def test_only_the_newest_are_ranked(index: Index) -> None:
    index.add_all(output("word", number) for number in range(NEWEST + 50))
    found = sources(index, "word")
    assert found == list(range(NEWEST + 49, NEWEST - 1, -1))
    assert len(index.search("word", limit=1000)) == NEWEST


def test_a_snippet_shows_where_the_words_are_together(index: Index) -> None:
    far = "x " * 500
    index.add(output(f"alpha {far} alpha and beta {far} beta"))
    snippet = marked(index, "alpha beta")
    assert "[alpha] and [beta]" in snippet
    assert snippet.startswith("…") and snippet.endswith("…")
    assert len(snippet) == SNIPPET + 2 + 4
    assert marked(index, "alpha").startswith("[alpha] x")


def test_of_a_long_query_the_first_words_count(index: Index) -> None:
    words = " ".join(f"w{number}" for number in range(PARTS))
    index.add(output(words))
    assert sources(index, f"{words} absent") == [1]
    assert sources(index, f"absent {words}") == []


def test_what_is_indexed_again_is_not_doubled(index: Index) -> None:
    for _ in range(2):
        index.add_all([output("word"), output("word", session=2), Document(1, Where.PROMPTS, 1.0, 1, "word")])
    assert len(index.search("word")) == 3
    index.add(output("another text"))
    assert (sources(index, "another"), len(index.search("word"))) == ([], 3)


def test_an_index_whose_format_or_text_is_damaged_is_said_to_be(path: Path, index: Index, database: Database) -> None:
    index.add(output("a needle"))
    database.execute("UPDATE document SET text = x'00'")
    with pytest.raises(StoreBroken, match="a text in the index is damaged"):
        index.search("needle")
    database.execute("UPDATE search_config SET v = 9 WHERE k = 'version'")
    with closing(Database(str(path))) as again, pytest.raises(StoreBroken, match="invalid fts5 file format"):
        Index(again).search("needle")


def test_reached(index: Index) -> None:
    assert index.reached(Where.PROMPTS) == index.reached(Where.OUTPUT, 1) == -1
    index.add_all([output("", 900), output("b", 20, session=2), Document(1, Where.PROMPTS, 1.0, 5, "c")])
    assert (index.reached(Where.OUTPUT, 1), index.reached(Where.OUTPUT, 2)) == (900, 20)
    assert (index.reached(Where.PROMPTS), index.reached(Where.PROMPTS, 2)) == (5, -1)
    assert index.reached(Where.REPLIES) == -1


def test_documents_are_added_all_or_none(index: Index) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        index.add_all([output("word"), output("word", session=99)])
    assert index.search("word") == []
    assert index.reached(Where.OUTPUT, 1) == -1


def test_of_a_huge_text_the_beginning_is_indexed(index: Index) -> None:
    index.add(output("first " + "x" * TEXT_LIMIT + " last"))
    assert (sources(index, "first"), sources(index, "last")) == ([1], [])


def test_a_record_can_not_go_before_its_documents(index: Index, database: Database) -> None:
    index.add(output("word"))
    with pytest.raises(sqlite3.IntegrityError):
        Sessions(database).forget(1)
    assert index.forget(1) == 1
    Sessions(database).forget(1)


def test_output_up_to_a_place_is_forgotten(index: Index, database: Database) -> None:
    for number in range(6):
        index.add(output("word", number, session=1 + number % 2))
        index.add(Document(1, Where.PROMPTS, 1.0, number, "word"))
    assert [index.forget_output(1, 2, 1) for _ in range(3)] == [1, 1, 0]
    assert [found.source for found in index.search("word", session=1, where=[Where.OUTPUT])] == [4]
    assert len(index.search("word", session=2, where=[Where.OUTPUT])) == 3
    assert len(index.search("word", where=[Where.PROMPTS])) == 6
    assert index.reached(Where.OUTPUT, 1) == 4
    database.execute("INSERT INTO search (search) VALUES ('integrity-check')")


def test_nothing_is_left_of_a_forgotten_session(index: Index, database: Database, path: Path) -> None:
    secret = "Zq9wSecretMarker"
    # The index keeps of a word only what differs from the one before it, in lower case.
    ends = [secret[4:].encode(), secret[4:].lower().encode()]
    chance = random.Random(7)

    def noise() -> str:
        return " ".join(f"{chance.getrandbits(40):x}" for _ in range(300))

    for number in range(60):  # several levels of the index, each with parts that were merged and parts that were not
        text = noise()
        index.add(output(f"{secret} {text}" if number % 3 == 0 else text, number, session=1 + (number % 3 > 0)))
    assert len(index.search(secret)) == 20
    assert any(left(path, end) for end in ends)
    removed = [index.forget(1, 8) for _ in range(4)]
    assert removed == [8, 8, 4, 0]
    assert index.search(secret) == []
    assert any(left(path, end) for end in ends)  # so there is something to do
    while index.settle():
        pass
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.execute("VACUUM")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not any(left(path, end) for end in ends)
    assert database.execute("SELECT count(*) FROM document WHERE session = 2") == [(40,)]
    assert database.integrity_check() == []
    assert index.reached(Where.OUTPUT, 2) == 59


def left(path: Path, what: bytes) -> bool:
    return any(what in file.read_bytes() for file in path.parent.iterdir())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with closing(Database(str(tmp_path_factory.mktemp("shared") / "data" / "x.db"))) as database:
        add_sessions(database, 1)
        yield Index(database)


ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.text('ab" *():^-+{}\\\0\x02', max_size=30)


@given(ANY_TEXT, ANY_TEXT)
@example('a" OR "b', "a")
@example("a." * 500, "a")
@example('"" ' * 300 + "a", "a")
@example("a " * 500, "a " * 500)
@example("\ud800", "\udfff a")
def test_no_text_and_no_query_is_an_error(shared: Index, query: str, text: str) -> None:
    shared.add(output(text, shared.reached(Where.OUTPUT, 1) + 1))
    for found in shared.search(query, session=1, since=0.0, where=list(Where)):
        inside = found.snippet.replace(HIT, "").replace(HIT_END, "")
        assert inside.isprintable() or all(ord(character) >= 0x20 for character in inside)
        assert found.snippet.count(HIT) == found.snippet.count(HIT_END)


@given(st.text("aÀéİß\u03c2\u03a3ǅ\u0301-_ 1²x", min_size=1), st.text("aàéiß \u03c3x1"))
def test_a_text_is_found_by_each_of_its_words(shared: Index, text: str, more: str) -> None:
    number = shared.reached(Where.OUTPUT, 1) + 1
    shared.add(output(f"{more} {text} n{number}", number))
    for word in text.split():
        if not word.startswith("\u0301"):
            (found,) = shared.search(f"n{number} {word}")
            assert found.source == number


def test_a_small_corpus(path: Path) -> None:
    corpus = Corpus(1)
    with closing(Database(str(path))) as database:
        index, _, size = built(database, corpus, 20, 1500, 2000)
        assert size > 8_000_000
        for number in range(0, 3500, 333):
            (found,) = index.search(f"only{number}")
            assert found.source == number
        assert all(index.search(query, session=3, limit=5) is not None for query in corpus.queries(3500, 40))
        assert len(index.search(corpus.words[0], limit=NEWEST)) == NEWEST
        assert database.integrity_check() == []


@pytest.mark.prove
def test_a_gigabyte_is_searched_in_100_ms(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """300 MB of rendered text, which is what a gigabyte of raw output comes to, and 100,000 messages."""
    corpus = Corpus(2)
    with closing(Database(str(path))) as database:
        index, took, size = built(database, corpus, 1000, 60_000, 100_000)
        single = sorted(took[1::2])
        adding = (
            f"{size / 1e6:.0f} MB of text at {size / 1e6 / sum(took):.1f} MB/s; the database has"
            f" {path.stat().st_size / 1e6:.0f} MB; single adds: p99 {single[len(single) * 99 // 100] * 1e3:.1f} ms,"
            f" worst {single[-1] * 1e3:.1f} ms"
        )
        times = []
        for number, query in enumerate(corpus.queries(160_000, 200)):
            start = time.perf_counter()
            match number % 5:
                case 1:
                    index.search(query, session=1 + number * 5)
                case 2:
                    index.search(query, since=150_000.0)
                case 3:
                    index.search(query, where=[Where.PROMPTS, Where.REPLIES])
                case _:
                    index.search(query)
            times.append((time.perf_counter() - start, query))
        times.sort()
        with capsys.disabled():
            sys.stdout.write(
                f"\n{adding}\nsearches: p50 {times[100][0] * 1e3:.1f} ms, p95 {times[190][0] * 1e3:.1f} ms; slowest: "
                + "".join(f"\n  {each * 1e3:6.1f} ms  {query}" for each, query in times[-10:])
            )
        assert times[190][0] < 0.1
