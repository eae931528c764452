"""Real coding agents in sessions, against the scripted API: how each is started, and recordings of what they print.

Run as a program, it records again. AGENTMUX_TEST_AGENTS names the folder with the agents' packages; CONTRIBUTING.md
says how to fill it.
"""

from __future__ import annotations

import getpass
import gzip
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, NamedTuple

import pytest
from scripted_api import CHAT, ScriptedApi
from world import World, wait_until

from agentmux.mux import VERSION
from agentmux.mux.profiles import FOLDER
from agentmux.mux.screen import Screen

VARIABLE = "AGENTMUX_TEST_AGENTS"
RECORDINGS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "recordings")
SIZE = (120, 40)
"""Of all recordings."""
HAND = 0.3
"""Seconds between a person's text and Enter: what comes together is a paste to some, and Enter in it a line's end."""

NEUTRAL = "/tmp/agents"
"""The folder with an agent's home and work while it is recorded: agents print its name."""

_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[]P_][^\x07\x1b]*(?:\x07|\x1b\\))")
_KEY = "sk-ant-scripted-00000000000000000000"


class Agent(NamedTuple):
    """How one agent is started, what it shows, and how a person leaves it."""

    program: tuple[str, ...]
    """argv, with the folder of packages as ``{packages}``."""
    files: Callable[[str, str], Mapping[str, Any]]
    """The configuration in its home, by path, given the working folder and the API's address."""
    env: Callable[[str], Mapping[str, str]]
    """Variables besides those of the home, given the API's address."""
    composer: str
    approval: str
    leave: tuple[str, ...]
    """Keys that end it while it is idle."""
    footer: int
    """Rows at the bottom that look the same in each of its sessions."""
    stop: tuple[str, ...] = ("Escape",)
    """Keys that interrupt it."""
    deny: tuple[str, ...] = ("Escape",)
    """Keys that answer no to what it wants to do."""
    rest: str = ""
    """What it shows at rest and never at work, where it goes on for a moment after the model's answer."""
    shift_enter: bool = True
    """Whether it begins a new line at Shift+Enter."""
    goes_on: bool = True
    """Whether it tells the model what a command printed, without being asked to."""
    pause: float = 0.0
    """Seconds to wait between text and Enter, or Enter becomes part of the text."""


class Launch(NamedTuple):
    """What ``agentmux new`` needs."""

    argv: list[str]
    env: dict[str, str]
    cwd: str

    @property
    def options(self) -> list[str]:
        """Options of ``agentmux new``."""
        pairs = [word for name, value in self.env.items() for word in ("-e", f"{name}={value}")]
        return [*pairs, "-c", self.cwd]


def _claude_files(work: str, url: str) -> Mapping[str, Any]:
    project = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True, "projectOnboardingSeenCount": 5}
    return {
        ".claude.json": {
            "hasCompletedOnboarding": True,
            "lastOnboardingVersion": "2.1.330",
            "theme": "dark",
            "numStartups": 5,
            "autoUpdates": False,
            "customApiKeyResponses": {"approved": [_KEY[-20:]], "rejected": []},
            "projects": {work: project},
        }
    }


def _codex_files(work: str, url: str) -> Mapping[str, Any]:
    return {
        ".codex/config.toml": f"""
model = "scripted"
model_provider = "scripted"
approval_policy = "on-request"
sandbox_mode = "read-only"
check_for_update_on_startup = false
[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
env_key = "SCRIPTED_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
[projects."{work}"]
trust_level = "trusted"
[analytics]
enabled = false
[otel]
exporter = "none"
"""
    }


def _gemini_files(work: str, url: str) -> Mapping[str, Any]:
    return {
        ".gemini/settings.json": {
            "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
            "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "ide": {"hasSeenNudge": True, "enabled": False},
            "model": {"name": "scripted"},
            "ui": {"hideTips": True},
        }
    }


def _opencode_files(work: str, url: str) -> Mapping[str, Any]:
    model = {"name": "Scripted", "tool_call": True, "limit": {"context": 100_000, "output": 8_000}}
    return {
        ".config/opencode/opencode.json": {
            "autoupdate": False,
            "share": "disabled",
            "model": "scripted/scripted",
            "small_model": "scripted/scripted",
            "provider": {
                "scripted": {
                    "npm": "@ai-sdk/openai-compatible",
                    "name": "Scripted",
                    "options": {"baseURL": f"{url}/v1", "apiKey": "scripted"},
                    "models": {"scripted": model},
                }
            },
            "permission": {"edit": "ask", "bash": "ask", "webfetch": "ask"},
        }
    }


def _pi_files(work: str, url: str) -> Mapping[str, Any]:
    provider = {
        "baseUrl": f"{url}/v1",
        "api": "openai-completions",
        "apiKey": "scripted",
        "models": [{"id": "scripted"}],
    }
    return {
        ".pi/agent/models.json": {"providers": {"scripted": provider}},
        ".pi/agent/settings.json": {"defaultProvider": "scripted", "defaultModel": "scripted"},
    }


def _aider_files(work: str, url: str) -> Mapping[str, Any]:
    return {
        ".aider.conf.yml": f"""
model: openai/{CHAT}
weak-model: openai/{CHAT}
edit-format: diff
map-tokens: 0
git: false
check-update: false
show-model-warnings: false
show-release-notes: false
detect-urls: false
analytics-disable: true
""",
        ".aider/caches/model_prices_and_context_window.json": {f"openai/{CHAT}": {"max_input_tokens": 100_000_000}},
    }


def _copilot_files(work: str, url: str) -> Mapping[str, Any]:
    return {".copilot/config.json": {"banner": "never", "trusted_folders": [work]}}


def _qwen_files(work: str, url: str) -> Mapping[str, Any]:
    return {
        ".qwen/settings.json": {
            "security": {"auth": {"selectedType": "openai"}, "folderTrust": {"enabled": False}},
            "general": {"enableAutoUpdate": False, "disableUpdateNag": True},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "model": {"name": "scripted"},
            "ui": {"hideTips": True},
            "memory": {"enableManagedAutoMemory": False, "enableManagedAutoDream": False},
        }
    }


_MODULES = "{packages}/node_modules"

AGENTS: dict[str, Agent] = {
    "claude": Agent(
        (f"{_MODULES}/@anthropic-ai/claude-code-linux-x64/claude", "--permission-mode", "default"),
        _claude_files,
        lambda url: {
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": _KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_ERROR_REPORTING": "1",
        },
        composer="? for shortcuts",
        approval="Do you want to proceed?",
        leave=("C-c", "C-c"),
        footer=4,
    ),
    "codex": Agent(
        (f"{_MODULES}/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex", "--no-daemon"),
        _codex_files,
        lambda url: {"SCRIPTED_KEY": "scripted"},
        composer="? for shortcuts",
        approval="Would you like to run the following command?",
        leave=("C-c",),
        footer=4,
        pause=0.1,
    ),
    "gemini": Agent(
        (f"{_MODULES}/node/bin/node", f"{_MODULES}/@google/gemini-cli/bundle/gemini.js"),
        _gemini_files,
        lambda url: {"GEMINI_API_KEY": "scripted", "GOOGLE_GEMINI_BASE_URL": url},
        composer="Type your message",
        approval="Allow execution of",
        leave=("C-c", "C-c"),
        footer=9,
        pause=0.1,
    ),
    "opencode": Agent(
        (f"{_MODULES}/opencode-linux-x64/bin/opencode",),
        _opencode_files,
        lambda url: {
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        },
        composer="ctrl+p commands",
        approval="Permission required",
        leave=("C-c",),
        footer=7,
        stop=("Escape", "Escape"),
    ),
    "pi": Agent(
        (f"{_MODULES}/node/bin/node", f"{_MODULES}/@earendil-works/pi-coding-agent/dist/bundle/cli.js"),
        _pi_files,
        lambda url: {"PI_OFFLINE": "1"},
        composer="scripted",
        approval="",
        leave=("C-d",),
        footer=4,
    ),
    "aider": Agent(
        ("{packages}/venv-aider/bin/aider",),
        _aider_files,
        lambda url: {
            "OPENAI_API_BASE": f"{url}/v1",
            "OPENAI_API_KEY": "scripted",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
        composer="diff>",
        approval="Run shell command?",
        leave=("C-d",),
        footer=1,
        stop=("C-c",),
        deny=("n", "Enter"),
        shift_enter=False,
        goes_on=False,
    ),
    "copilot": Agent(
        (f"{_MODULES}/@github/copilot-linux-x64/copilot",),
        _copilot_files,
        lambda url: {
            "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
            "COPILOT_PROVIDER_API_KEY": "scripted",
            "COPILOT_MODEL": "scripted",
            "COPILOT_OFFLINE": "true",
            "COPILOT_AUTO_UPDATE": "false",
        },
        composer="/ commands",
        approval="Do you want to run this command?",
        leave=("C-c", "C-c"),
        footer=4,
        stop=("C-c",),
        rest="/ commands",
        pause=0.1,
    ),
    "qwen": Agent(
        (f"{_MODULES}/node/bin/node", f"{_MODULES}/@qwen-code/qwen-code/cli.js"),
        _qwen_files,
        lambda url: {"OPENAI_API_KEY": "scripted", "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_MODEL": "scripted"},
        composer="Type your message",
        approval="Allow execution of",
        leave=("C-c", "C-c"),
        footer=9,
        pause=0.1,
    ),
}


def missing(name: str) -> str:
    """Return why an agent can't be started here, "" if it can."""
    packages = os.environ.get(VARIABLE, "")
    if not packages:
        return f"{VARIABLE} names no folder with agents: see CONTRIBUTING.md"
    programs = [word.format(packages=packages) for word in AGENTS[name].program if "{packages}" in word]
    absent = [program for program in programs if not os.path.exists(program)]
    return f"{name} is not in {packages}: no {absent[0]}" if absent else ""


def skip_without(name: str) -> None:
    """Skip the test where an agent can't be started, and say why."""
    if reason := missing(name):
        pytest.skip(reason)


def launch(name: str, folder: str, url: str) -> Launch:
    """Write an agent's configuration under ``folder``, its home, and return how to start it with the API at ``url``."""
    agent = AGENTS[name]
    home, work = f"{folder}/home", f"{folder}/work"
    for path in (home, work, f"{home}/tmp"):
        os.makedirs(path, mode=0o700)
    for path, content in agent.files(work, url).items():
        os.makedirs(os.path.dirname(f"{home}/{path}"), mode=0o700, exist_ok=True)
        with open(f"{home}/{path}", "w") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
    env = {
        "HOME": home,
        "XDG_CONFIG_HOME": f"{home}/.config",
        "XDG_DATA_HOME": f"{home}/.local/share",
        "XDG_STATE_HOME": f"{home}/.local/state",
        "XDG_CACHE_HOME": f"{home}/.cache",
        "XDG_RUNTIME_DIR": f"{home}/tmp",
        "TMPDIR": f"{home}/tmp",
        "LANG": "C.UTF-8",
        **agent.env(url),
    }
    argv = [word.format(packages=os.environ[VARIABLE]) for word in agent.program]
    return Launch(argv, env, work)


def distrust(name: str, home: str) -> None:
    """Take an agent's trust in its folder back."""
    files = {"claude": ".claude.json", "copilot": ".copilot/config.json"}
    path = f"{home}/{files.get(name, f'.{name}/settings.json')}"
    with open(path) as file:
        values = json.load(file)
    if name == "claude":
        values["projects"] = {}
    elif name == "copilot":
        values["trusted_folders"] = []
    else:
        values["security"]["folderTrust"]["enabled"] = True
    with open(path, "w") as file:
        json.dump(values, file)


def without_more_than_a_terminal(world: World, name: str) -> None:
    """Leave out what an agent tells by other means than its terminal: hooks, its file, its events."""
    world.configure('agent-hooks = "off"\n')
    folder = f"{world.home}/config/agentmux/agents"
    os.makedirs(folder)
    with open(f"{FOLDER}/{name}.toml", encoding="utf-8") as file:
        tables = re.split(r"^(?=\[)", file.read(), flags=re.MULTILINE)
    with open(f"{folder}/{name}.toml", "w", encoding="utf-8") as file:
        file.writelines(table for table in tables if not re.match(r"\[+(?:hooks|published|events|log)\b", table))


def prompt(world: World, session: str, name: str, text: str) -> float:
    """Type a prompt into a session of that agent as a person would; return when Enter was pressed (Unix seconds)."""
    world.run("send", "-t", session, "--no-enter", text).ok()
    world.shows(session, text)
    time.sleep(max(AGENTS[name].pause, HAND))
    at = time.time()
    world.run("send", "-t", session, "--keys", "Enter").ok()
    return at


# Recordings


def recordings() -> list[str]:
    """Return the names of all recordings."""
    return sorted(name.removesuffix(".raw.gz") for name in os.listdir(RECORDINGS) if name.endswith(".raw.gz"))


def recording(name: str, folder: str = RECORDINGS) -> bytes:
    """Return all that an agent printed in a session of SIZE."""
    with gzip.open(os.path.join(folder, f"{name}.raw.gz")) as file:
        return file.read()


def moments(name: str, folder: str = RECORDINGS) -> dict[str, tuple[int, list[str]]]:
    """Return what the screen showed at some moments of a recording: after how many bytes, and the rows."""
    found: dict[str, tuple[int, list[str]]] = {}
    rows: list[str] = []
    with open(os.path.join(folder, f"{name}.txt"), encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("== "):
                _, moment, _, offset, _ = line.split()
                rows = []
                found[moment] = (int(offset), rows)
            else:
                rows.append(line.removeprefix("|"))
    return found


def answers(data: bytes) -> list[str]:
    """Return what a screen answers to what a program printed: as lines, each sequence that it answers at once."""
    replies: list[bytes] = []
    screen, at, lines = Screen(SIZE, on_reply=replies.append), 0, []
    for sequence in _SEQUENCE.finditer(data):
        screen.feed(data[at : sequence.start()])
        assert not replies, f"answers to text before byte {sequence.start()}: {replies}"
        screen.feed(sequence[0])
        at = sequence.end()
        if replies:
            lines.append(f"{sequence[0]!r} -> {b''.join(replies)!r}".replace(VERSION, "VERSION"))
            replies.clear()
    screen.feed(data[at:])
    assert not replies, f"answers to text: {replies}"
    screen.close()
    return lines


def known_answers(name: str) -> list[str]:
    """Return what ``answers`` has to be for a recording."""
    with open(os.path.join(RECORDINGS, f"{name}.answers.txt"), encoding="ascii") as file:
        return file.read().splitlines()


def _record(name: str, folder: str) -> None:
    """Let an agent go through a short session in NEUTRAL, and write down what it prints."""
    agent = AGENTS[name]
    world = World()
    marks: dict[str, int] = {}

    def mark(moment: str, text: str) -> None:
        """Remember how much was printed once ``text`` is shown and the screen has come to rest."""
        world.shows(name, text, seconds=60)
        since, rows = time.monotonic(), world.screen(name)
        while time.monotonic() - since < 1:
            time.sleep(0.1)
            if (now := world.screen(name)) != rows:
                since, rows = time.monotonic(), now
        marks[moment] = world.info(name)["recorded_bytes"]

    try:
        with closing(ScriptedApi()) as api:
            start = launch(name, NEUTRAL, api.url)
            world.new(name, *start.argv, options=[*start.options, "-x", str(SIZE[0]), "-y", str(SIZE[1])])
            mark("idle", agent.composer)
            prompt(world, name, name, "hello")
            mark("reply", "the script.")
            prompt(world, name, name, "slow 8")
            mark("slow", "word8")
            prompt(world, name, name, "long 100")
            mark("long", "line 100 of a long reply")
            prompt(world, name, name, "tool")
            mark("approval", agent.approval)
            world.run("send", "-t", name, "--keys", "Escape").ok()
            wait_until(lambda: not any(agent.approval in row for row in world.screen(name)), what="denial")
            mark("denied", agent.composer)
            for key in agent.leave:
                world.run("send", "-t", name, "--keys", key).ok()
                time.sleep(0.3)
            world.exited(name)
            data = world.run("log", "-t", name).ok().raw
    finally:
        complaints = world.close()
    assert not complaints, complaints
    private = (os.uname().nodename, getpass.getuser(), os.path.expanduser("~"), world.root, os.environ[VARIABLE])
    for words in private:
        assert words.encode() not in data, f"{name} printed {words!r}"
    with open(f"{folder}/{name}.raw.gz", "wb") as file:
        file.write(gzip.compress(data, 9, mtime=0))
    _expect(name, folder, {**marks, "end": len(data)})


def _expect(name: str, folder: str, offsets: Mapping[str, int]) -> None:
    """Write what a recording shows after so many bytes, and its answers."""
    data = recording(name, folder)
    with open(f"{folder}/{name}.answers.txt", "w", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in answers(data))
    with open(f"{folder}/{name}.txt", "w", encoding="utf-8") as file:
        for moment, offset in offsets.items():
            screen = Screen(SIZE)
            screen.feed(data[:offset])
            file.write(f"== {moment} after {offset} bytes\n")
            file.writelines(f"|{row}\n" for row in screen.text_rows(0, SIZE[1]))
            screen.close()


def main(words: list[str]) -> None:
    """Record agents into a folder, or only write again what their recordings there are expected to show."""
    if len(words) < 2 or words[0] not in ("record", "expect"):
        sys.exit("usage: agents.py record|expect FOLDER [NAME...]")
    doing, folder, *names = words
    for name in names or AGENTS:
        if doing == "expect":
            _expect(name, folder, {moment: offset for moment, (offset, _) in moments(name, folder).items()})
            continue
        os.mkdir(NEUTRAL, 0o700)
        try:
            _record(name, folder)
        finally:
            shutil.rmtree(NEUTRAL)


if __name__ == "__main__":
    main(sys.argv[1:])
