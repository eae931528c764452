"""Which agent a command line starts."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.mux.profiles import Profiles
from agentmux.mux.recognise import recognised

PROFILES = Profiles("/nonexistent")


def of(line: str) -> str | None:
    return name(shlex.split(line))


def name(words: list[str]) -> str | None:
    profile = PROFILES.of(words)
    return profile.name if profile else None


@pytest.mark.parametrize(
    ("line", "agent"),
    [
        ("claude", "claude"),
        ("/usr/local/bin/claude --continue", "claude"),
        ("codex resume --last", "codex"),
        ("gemini -i hello", "gemini"),
        ("opencode", "opencode"),
        ("aider --model x", "aider"),
        ("copilot", "copilot"),
        ("pi", "pi"),
        ("qwen", "qwen"),
        ("bash", "shell"),
        ("/bin/zsh -l", "shell"),
        ("fish", "shell"),
        ("npx @anthropic-ai/claude-code", "claude"),
        ("npx -y @anthropic-ai/claude-code@2.1.330 -p hi", "claude"),
        ("npx --yes --package @openai/codex codex", "codex"),
        ("npm exec -- @google/gemini-cli", "gemini"),
        ("npm x opencode-ai", "opencode"),
        ("bunx opencode-ai@latest", "opencode"),
        ("bun x @openai/codex", "codex"),
        ("pnpm dlx @qwen-code/qwen-code", "qwen"),
        ("uvx --from aider-chat aider", "aider"),
        ("uvx aider-chat[browser]==0.86", "aider"),
        ("uv tool run aider-chat", "aider"),
        ("pipx run aider-chat", "aider"),
        ("node /usr/lib/node_modules/@anthropic-ai/claude-code/cli.js", "claude"),
        ("node --max-old-space-size=4096 -r ./x.js /opt/n/node_modules/@google/gemini-cli/bundle/gemini.js", "gemini"),
        ("/opt/node/bin/node /home/u/.npm-global/bin/codex", "codex"),
        ("python3.12 -m aider --yes", "aider"),
        ("python /home/u/venv/bin/aider", "aider"),
        ("env -u HOME -i A=1 claude", "claude"),
        ("A=1 B=2 claude", "claude"),
        ("nice -n 5 nohup setsid claude", "claude"),
        ("timeout -k 5 1h codex", "codex"),
        ("stdbuf -oL -e 0 claude", "claude"),
        ("sh -c claude", "claude"),
        ("bash -lc 'cd x && exec claude --resume'", "claude"),
        ("bash -lc 'A=1 npx @openai/codex; echo done'", "codex"),
        ("sh -c 'echo hi | tee log; env X=1 gemini'", "gemini"),
        ("direnv exec . -- claude", "claude"),
        ("op run --env-file x -- env A=1 opencode", "opencode"),
        ("env", None),
        ("timeout 5", None),
        ("vim claude", None),
        ("less /usr/bin/codex", None),
        ("echo claude", None),
        ("sh -c 'echo claude'", None),
        ("sh -c 'make # claude'", None),
        ("sh -c 'echo \\'", None),
        ("sh script.sh", "shell"),
        ("npm run claude", None),
        ("npm install @openai/codex", None),
        ("node claude-stats.js", None),
        ("node server.js claude", None),
        ("python -m http.server", None),
        ("node", None),
        ("npx", None),
        ("claudette", None),
        ("./node_modules/@openai/codex-tools/x", None),
        ("git commit -m claude", None),
    ],
)
def test_what_a_command_line_starts(line: str, agent: str | None) -> None:
    assert of(line) == agent


def test_wrappers_without_end_are_given_up() -> None:
    assert name(["env"] * 5000 + ["claude"]) is None


@given(st.lists(st.one_of(st.text(), st.sampled_from(["sh", "-c", "env", "npx", "--", "node", "claude", "-m"]))))
def test_any_words_are_an_answer(words: list[str]) -> None:
    agent = name(words)
    assert agent is None or agent in {one.name for one in PROFILES.all()}


def test_without_profiles_nothing_is_known() -> None:
    assert recognised(["claude"], []) is None
