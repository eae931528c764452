"""Errors as users read them: one rule for every class there is and will be."""

import pytest

from agentmux.mux import errors, sessionerrors
from agentmux.mux.errors import AgentmuxError

MADE = [
    AgentmuxError("something"),
    errors.BadUsage("unknown option '-x'", hint="see: agentmux --help"),
    errors.ProtocolError("a field is cut short"),
    errors.NoServer("/run/x"),
    errors.ServerSilent("/run/x", 40.0),
    errors.ServerLost(),
    errors.StartFailed("no python", "/log"),
    errors.ServedElsewhere("/home/u/data", "/run/user/1/agentmux/default"),
    errors.BadFolder("/run/x", "is a file", "remove it"),
    errors.PathTooLong("/x", 200, 107),
    errors.UnknownCommand("lss", "ls"),
    errors.UnknownCommand("qqq"),
    sessionerrors.UnknownSession("ap\ni", "api"),
    sessionerrors.UnknownSession("qqq"),
    sessionerrors.NoSession(),
    sessionerrors.AmbiguousTarget("a", ["b", "a"]),
    sessionerrors.NameTaken("api"),
    sessionerrors.BadName("a b", "it has a space"),
    sessionerrors.SpawnFailed("clau\nde", "no such command"),
    sessionerrors.NotRunning("api", "exited"),
    sessionerrors.StillRunning("api"),
    sessionerrors.InputFull("api", 1 << 20),
    sessionerrors.NeedsTerminal(),
    sessionerrors.Nested(),
    sessionerrors.NoConversation("api", "nothing was said in it"),
    sessionerrors.NoReply("api"),
    sessionerrors.NothingToSend(),
    sessionerrors.TooLong(1 << 22),
    sessionerrors.NoSuchPrompt(7),
    sessionerrors.NotQueued(7, "accepted"),
    sessionerrors.StoreFailed("no room on the disk"),
    sessionerrors.TimedOut(0.5),
    sessionerrors.UpgradeRefused("no python"),
]
FIXED = {
    "BadUsage": 2,
    "UnknownCommand": 2,
    "ProtocolError": 3,
    "ServerSilent": 3,
    "ServerLost": 4,
    "TimedOut": 5,
    "NothingToSend": 2,
    "TooLong": 2,
}


def test_every_class_is_here() -> None:
    """A new error gets a line above."""
    there = (*vars(errors).values(), *vars(sessionerrors).values())
    known = {value for value in there if isinstance(value, type) and issubclass(value, AgentmuxError)}
    assert {type(error) for error in MADE} == known


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_a_problem_is_one_lower_case_line_without_a_full_stop(error: AgentmuxError) -> None:
    for text in (error.problem, error.hint):
        assert text == text.strip()
        assert text.isprintable(), "one line, and nothing of a user's that a terminal would act on"
        assert not text.endswith((".", ":"))
        assert text[:1] == text[:1].lower()
    assert error.problem
    assert str(error) == error.problem
    assert type(error).__doc__


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_exit_statuses_are_fixed(error: AgentmuxError) -> None:
    assert error.status == FIXED.get(type(error).__name__, 1)


def test_hints_guess_only_where_there_is_something_to_guess() -> None:
    assert sessionerrors.UnknownSession("ap", "api").hint == "did you mean 'api'?"
    assert errors.UnknownCommand("qqq").hint == "list them with: agentmux --help"
    assert sessionerrors.AmbiguousTarget("a", ["b", "a"]).hint == "name one of: a, b"


def test_what_waits_is_told_in_kib() -> None:
    assert "1024 KiB" in sessionerrors.InputFull("api", 1 << 20).problem
