"""What both clients share, without a server: words in, frames in, values and errors out."""

from __future__ import annotations

import json

import pytest

from agentmux.api import (
    AgentmuxError,
    BadUsage,
    Delivery,
    Outcome,
    Role,
    ServerLost,
    State,
    Status,
    TimedOut,
    Uncertain,
    UnknownSession,
    calls,
    model,
)
from agentmux.api.errors import rebuilt
from agentmux.api.exchange import Answer, Exchange
from agentmux.cli import receipts
from agentmux.cli.commands import find
from agentmux.mux import errors, lifecycle, sessionerrors, turnend, verdict
from agentmux.mux.asking import Phase
from agentmux.mux.protocol import Kind, pack
from agentmux.store.messages import Role as StoredRole

# -- values


def test_the_words_are_the_servers() -> None:
    assert {one.value for one in State} == {one.shown for one in lifecycle.State} | {"other"}
    assert {one.value for one in Status} == {one.value for one in verdict.Status} | {"other"}
    assert {one.value for one in Role} == {one.value for one in StoredRole} | {"other"}
    said = {one.value for one in (*Phase, *turnend.End)} | {"typed", "timeout", "other"}
    assert {one.value for one in Delivery} == said
    statuses = {0, receipts.LOST, receipts.EXITED, receipts.KILLED, receipts.NEEDED}
    assert {one.value for one in Outcome} == statuses
    assert (model.Outcome.LOST.value, model.Outcome.EXITED.value) == (receipts.LOST, receipts.EXITED)
    assert calls.Refused.status == receipts.REFUSED and calls.Uncertain.status == receipts.UNCERTAIN


def test_a_newer_server_may_say_more() -> None:
    facts = {"id": 3, "state": "frozen", "status": "dreaming", "colour": "red", "size": [80, 24], "options": None}
    info = model.info(facts)
    assert (info.state, info.status, info.size, info.options) == (State.OTHER, Status.OTHER, (80, 24), ())
    assert info.facts["colour"] == "red"
    assert model.receipt({"session": 1, "state": "delivered by hand"}).state is Delivery.OTHER
    assert model.event({"event": "eclipse", "at": 1.5, "session": 0, "name": "", "depth": 2}).facts["depth"] == 2


def test_an_older_server_may_say_less() -> None:
    assert model.info({"id": 3}).labels == {}
    assert model.message({"id": 3}).role is Role.OTHER


def test_a_key_of_an_event_can_not_hide_its_kind() -> None:
    event = model.event({"event": "prompt", "kind": "other", "at": 1.0, "session": 1, "name": "x"})
    assert (event.kind, event.facts["kind"]) == ("prompt", "other")


# -- an exchange


def exchange(word: str, **options: int) -> Exchange:
    command = find(word)
    assert command is not None
    return Exchange(command, **options)


def test_an_answer_is_made_of_frames() -> None:
    talk = exchange("info")
    for kind, body in (
        (Kind.WELCOME, b""),
        (Kind.ACCEPTED, b""),
        (Kind.STDOUT, b"a"),
        (99, b"?"),
        (Kind.STDOUT, b"b"),
        (Kind.STDERR, b"agentmux: no\n"),
        (Kind.EXIT, pack([b"5", b"", b"0", b"0", b"TimedOut", b"more"])),
    ):
        assert talk.answer is None
        assert talk.take(kind, body) == []
    assert talk.answer == Answer(5, b"ab", "agentmux: no\n", "TimedOut")


def test_standard_input_is_sent_when_it_is_wanted() -> None:
    command = find("send")
    assert command is not None
    talk = Exchange(command, stdin=b"-")
    assert talk.take(Kind.WANT_STDIN, b"") == [(Kind.STDIN, b"-"), (Kind.STDIN_END, b"")]


def test_enough_output_is_an_answer() -> None:
    talk = exchange("log", most=3)
    talk.take(Kind.STDOUT, b"ab")
    assert talk.answer is None
    talk.take(Kind.STDOUT, b"cd")
    assert talk.answer == Answer(0, b"abcd")


@pytest.mark.parametrize(
    ("word", "begins", "frames", "again"),
    [
        ("send", Kind.ACCEPTED, [], True),
        ("send", Kind.ACCEPTED, [Kind.WELCOME, Kind.STDERR], True),
        ("send", Kind.ACCEPTED, [Kind.ACCEPTED], False),
        ("info", Kind.ACCEPTED, [Kind.ACCEPTED], True),
        ("info", Kind.ACCEPTED, [Kind.ACCEPTED, Kind.STDOUT], False),
        ("attach", Kind.ATTACHED, [Kind.ACCEPTED, Kind.ATTACHED, Kind.OUTPUT], True),
    ],
)
def test_what_has_begun_is_repeated_only_where_that_is_safe(
    word: str, begins: int, frames: list[int], again: bool
) -> None:
    talk = exchange(word, begins=begins)
    for kind in frames:
        talk.take(kind, b"")
    if again:
        talk.lost()
    else:
        with pytest.raises(ServerLost):
            talk.lost()


def test_no_more_output_is_fetched_than_is_wanted() -> None:
    call = calls.output(3, start=7, limit=5)
    assert (call.most, call.parse(Answer(0, b"abcdefg"))) == (5, b"abcde")
    assert calls.output(3, start=0, limit=calls.LIMIT).most == 1 << 24


def test_an_attachment_is_asked_for_again_as_one() -> None:
    follow = calls.attach(3, size=(80, 24))
    assert follow.again().words == (*follow.words, "--again") == follow.again().again().words
    assert calls.events(3).again().words == calls.events(3).words


# -- errors


def test_an_error_has_its_class_and_its_words() -> None:
    error = rebuilt(1, "UnknownSession", "agentmux: no session named 'x'\nagentmux: list them\n")
    assert type(error) is UnknownSession
    assert (str(error), error.problem, error.hint, error.status) == (
        "no session named 'x'", "no session named 'x'", "list them", 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "kind", "said", "wanted"),
    [
        (2, "", "agentmux: no option\n", BadUsage),
        (5, "", "agentmux: not seen\n", TimedOut),
        (1, "FromTheFuture", "agentmux: no\n", AgentmuxError),
        (77, "", "", AgentmuxError),
    ],
)
def test_an_error_of_another_version_is_one_all_the_same(
    status: int, kind: str, said: str, wanted: type[AgentmuxError]
) -> None:
    error = rebuilt(status, kind, said)
    assert (type(error), error.status) == (wanted, status)
    assert error.problem


def test_each_error_of_a_session_is_known_by_its_name() -> None:
    for module in (errors, sessionerrors):
        for name, kind in vars(module).items():
            if isinstance(kind, type) and issubclass(kind, AgentmuxError):
                assert type(rebuilt(1, name, "agentmux: x\n")) is kind


def test_what_became_of_a_prompt_may_be_an_error() -> None:
    parse = calls.send(1, "x", when="idle", wait=False, timeout=None).parse
    out = json.dumps({"session": 1, "state": "uncertain", "why": "it is still there", "prompt": 4}).encode()
    with pytest.raises(Uncertain, match="still there") as error:
        parse(Answer(receipts.UNCERTAIN, out))
    assert error.value.receipt.prompt == 4
    with pytest.raises(AgentmuxError, match="no"):
        parse(Answer(1, b"", "agentmux: no\n"))


def test_the_answer_to_a_question_is_a_command() -> None:
    assert calls.answer(3, 2, text=None, seen="t").words == ("answer", "-t", "3", "--json", "--seen", "t", "--", "2")
    words = calls.answer(3, None, text="-no", seen=None).words
    assert words == ("answer", "-t", "3", "--json", "--text", "-no")


@pytest.mark.parametrize(("seconds", "words"), [(None, ()), (1.5, ("1.500",)), (0, ("0.001",)), (-1, ("0.001",))])
def test_no_timeout_is_none_and_none_at_all_is_the_shortest(seconds: float | None, words: tuple[str, ...]) -> None:
    assert calls.wait(3, ["exit"], output="", timeout=seconds).words[5:] == (("--timeout", *words) if words else ())
