"""Command lines that begin, open again and fork an agent's conversation."""

from typing import Any

import pytest

from agentmux.mux import opening
from agentmux.mux.conversation import Conversations
from agentmux.mux.profiles import Profile, Profiles
from agentmux.store.sessions import SessionRow

ID = "99999999-2222-3333-4444-555555555555"
PROFILES = Profiles("/nonexistent")


def profile(argv: list[str]) -> Profile | None:
    return PROFILES.of(argv)


def row(argv: list[str], conversation: str | None = ID) -> SessionRow:
    times = {"created": 1.0, "started": 1.0, "ended": None, "exit_status": None}
    made: dict[str, Any] = {"id": 1, "name": "one", "cwd": "/", "env": {}, "size": (80, 24), "labels": {}, **times}
    made |= {"state": "running", "parent": None, "starts": 1, "agent": None, "record": "all"}
    return SessionRow(argv=tuple(argv), conversation=conversation, **made)


@pytest.mark.parametrize(
    ("line", "added", "resumed"),
    [
        ("claude", "--session-id NEW", f"claude --resume {ID}"),
        ("claude --verbose fix", "--session-id NEW", f"claude --verbose --resume {ID}"),
        ("env A=1 claude --model opus fix", "--session-id NEW", f"env A=1 claude --model opus --resume {ID}"),
        ("npx @anthropic-ai/claude-code@1", "--session-id NEW", f"npx @anthropic-ai/claude-code@1 --resume {ID}"),
        ("claude --unknown opus", "--session-id NEW", f"claude --unknown opus --resume {ID}"),
        ("claude --unknown=opus fix", "--session-id NEW", f"claude --unknown=opus --resume {ID}"),
        ("claude -- --fix", "--session-id NEW", f"claude --resume {ID}"),
        ("claude mcp list", "", f"claude --resume {ID}"),
        ("claude -c", "", f"claude --resume {ID}"),
        ("claude -p hello", "", f"claude --resume {ID}"),
        ("codex --no-daemon -m x fix", "", f"codex --no-daemon -m x resume {ID}"),
        ("codex exec fix", "", f"codex resume {ID}"),
        ("gemini -i go -y", "--session-id NEW", f"gemini -y --resume {ID}"),
        ("gemini --prompt-interactive=go", "--session-id NEW", f"gemini --resume {ID}"),
        ("opencode --prompt go", "", f"opencode --session {ID}"),
        ("copilot --banner -i go", "--session-id NEW", f"copilot --banner --resume={ID}"),
        ("copilot --yolo -n mine", "--session-id NEW", f"copilot --yolo -n mine --resume={ID}"),
        ("copilot sessions list", "", f"copilot --resume={ID}"),
        ("qwen -y -m x -i go", "--session-id NEW", f"qwen -y -m x --resume {ID}"),
        ("qwen channel list", "", f"qwen --resume {ID}"),
        ("pi fix", "--session-id NEW", f"pi --session {ID}"),
    ],
)
def test_what_is_added_and_what_is_kept(line: str, added: str, resumed: str) -> None:
    argv = line.split()
    launched, conversation = opening.started(profile(argv), argv)
    assert launched[: len(argv)] == argv
    assert launched[len(argv) :] == added.replace("NEW", conversation or "").split()
    assert bool(conversation) is bool(added)
    assert opening.resumed(profile(argv), row(argv)) == (resumed.split(), ID)


@pytest.mark.parametrize(
    ("line", "conversation"),
    [
        (f"claude --resume {ID}", ID),
        (f"claude --resume={ID} hi", ID),
        (f"claude --session-id {ID}", ID),
        (f"claude --resume {ID} --fork-session", None),
        ("claude --resume", None),
        (f"codex resume {ID} go", ID),
        (f"codex -m x resume {ID}", ID),
        ("codex resume --last", None),
        ("opencode --session ses_ab12", "ses_ab12"),
        (f"copilot -r {ID}", ID),
        ("copilot --connect", None),
        (f"qwen -r {ID}", ID),
        ("qwen -c", None),
    ],
)
def test_what_a_person_chose_is_left_alone(line: str, conversation: str | None) -> None:
    argv = line.split()
    assert opening.started(profile(argv), argv) == (argv, conversation)


def test_forks() -> None:
    argv = ["claude", "--verbose", "go"]
    forked = opening.forked(profile(argv), row(argv))
    assert forked is not None and forked[1] is not None
    assert " ".join(forked[0]) == f"claude --verbose --resume {ID} --fork-session --session-id {forked[1]}"
    assert opening.forked(profile(["codex"]), row(["codex"])) == (["codex", "fork", ID], None)
    assert opening.forked(profile(["gemini"]), row(["gemini"])) is None


@pytest.mark.parametrize("argv", [["bash", "-c", "claude"], ["cat"], ["sh", "-lc", "exec claude go"]])
def test_what_is_inside_a_shells_command_is_not_changed(argv: list[str]) -> None:
    assert opening.started(profile(argv), argv) == (argv, None)
    assert opening.resumed(profile(argv), row(argv)) is None
    assert opening.forked(profile(argv), row(argv)) is None


def test_without_a_conversation_there_is_nothing_to_open() -> None:
    assert opening.resumed(profile(["claude"]), row(["claude"], None)) is None


def test_ids_are_found_where_agents_leave_them() -> None:
    def of(name: str) -> Conversations:
        found = profile([name])
        assert found is not None
        return found.conversations

    rollout = f"/home/me/.codex/sessions/2026/11/23/rollout-2026-11-23T06-48-34-{ID}.jsonl"
    assert of("codex").in_file(rollout) == ID
    assert of("codex").in_file(f"/home/me/.codex/thread-writer-locks/{ID}.lock") is None
    assert of("codex").on_screen(["To continue this session, run:", f"  codex resume {ID}"]) == ID
    assert of("opencode").on_screen(["  Continue  opencode -s ses_1aB2"]) == "ses_1aB2"
    assert of("pi").on_screen([ID]) is None
    assert of("claude").in_file(rollout) is None


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"began": []}, "no key 'conversation.began'; there are: start, resume, "),
        ({"start": "x"}, "'conversation.start' needs a list of words"),
        ({"id": 5}, "'conversation.id' needs a pattern"),
        ({"shown": "("}, "'conversation.shown' is no regular expression: "),
        ({"shown": "x {id}"}, "'conversation.shown' needs one group: the id"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(table: dict[str, Any], problem: str) -> None:
    from agentmux.mux.conversation import parsed

    with pytest.raises(ValueError, match=problem.replace("(", r"\(")):
        parsed(table, lambda what, *key: ValueError(what))
