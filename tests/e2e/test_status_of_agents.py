"""Real agents through all that they do, and what agentmux says of it: sampled, and compared with what was true."""

from __future__ import annotations

import glob
import time

import pytest
from agents import AGENTS, HAND, distrust, launch, prompt, skip_without, without_more_than_a_terminal
from labelled import Watch
from scripted_api import ScriptedApi
from world import World, wait_until

SLOW = 90.0

CONFIGURATION = (
    ".claude/settings*.json",
    ".claude/hooks/*",
    ".codex/config.toml",
    ".codex/hooks*",
    ".gemini/settings.json",
    ".config/opencode/opencode.json*",
    ".config/opencode/plugin*/*",
    ".copilot/config.json",
    ".copilot/hooks/*",
    ".qwen/settings.json",
    ".aider.conf.yml",
)
"""Files that say how agents behave: theirs and the user's, none of ours."""


class Run:
    """One agent in a session, and what is known of it."""

    def __init__(self, world: World, api: ScriptedApi, name: str) -> None:
        self.world, self.api, self.name = world, api, name
        self.agent = AGENTS[name]
        start = launch(name, f"{world.root}/{name}", api.url)
        self.home = f"{world.root}/{name}/home"
        self.begun = time.time()
        world.new(name, *start.argv, options=[*start.options, "-x", "100", "-y", "30"])
        self.watch = Watch(world, name)
        self.watch.label("starting", since=self.begun, by=self.begun)

    def configuration(self) -> dict[str, bytes]:
        """Return the files by which a person configures agents."""
        files = {}
        for path in CONFIGURATION:
            for file in sorted(glob.glob(f"{self.home}/{path}")):
                with open(file, "rb") as opened:
                    files[file] = opened.read()
        return files

    def screen_has(self, *texts: str) -> bool:
        rows = self.world.screen(self.name)
        return any(text in row for row in rows for text in texts)

    def sees(self, *texts: str, gone: bool = False) -> tuple[float, float]:
        """Wait until the screen has one of these, or none; return between which moments that came."""
        before = time.time()

        def there() -> tuple[float, float] | None:
            nonlocal before
            asked = time.time()
            if self.screen_has(*texts) is not gone:
                return before, time.time()
            before = asked
            return None

        found = wait_until(there, seconds=SLOW, what=lambda: f"{texts} in {self.world.screen(self.name)}")
        assert found is not None
        return found

    def key(self, *keys: str) -> float:
        """Press keys as fast as a person does; return when that began."""
        at = time.time()
        for key in keys:
            self.world.run("send", "-t", self.name, "--keys", key).ok()
            time.sleep(HAND)
        return at

    @staticmethod
    def sampled(seconds: float = 2.0) -> None:
        """Let what is true be sampled for some time."""
        time.sleep(seconds)

    def prompt(self, text: str) -> int:
        """Send a prompt; it works from then on. Return the number of its request."""
        count = len(self.api.turns)
        at = prompt(self.world, self.name, self.name, text)
        self.requested(count, at)
        return count

    def requested(self, count: int, since: float) -> None:
        """Wait for the next request of a turn, and label."""
        wait_until(lambda: len(self.api.turns) > count, seconds=SLOW, what=f"request {count}")
        self.watch.label("working", since=since, by=self.api.turns[count][0])

    def answered(self, number: int) -> float:
        """Return when the request ``number`` was answered."""
        wait_until(lambda: self.api.turns[number][1], seconds=SLOW, what=f"end of request {number}")
        return self.api.turns[number][1]

    def asks_first(self, number: int) -> bool:
        """Whether it asks before it runs the tool that the request ``number`` brought; the next request comes after."""

        def known() -> str:
            if self.agent.approval and self.screen_has(self.agent.approval):
                return "asks"
            return "has run" if len(self.api.turns) > number + 1 else ""

        return wait_until(known, what=f"tool in {self.world.screen(self.name)}") == "asks"

    def allows(self) -> None:
        """Say yes, and let it end its turn."""
        count = len(self.api.turns)
        at = self.key("Enter")
        if self.agent.goes_on:
            self.requested(count, at)
            self.rests(count)
        else:
            self.watch.label("idle", since=at)
            self.sampled()

    def rests(self, number: int) -> None:
        """The request ``number`` ends a turn."""
        end = by = self.answered(number)
        if self.agent.rest:
            _, by = self.sees(self.agent.rest)
        self.watch.label("idle", since=end, by=by)
        self.sampled()

    def asks(self, number: int, about: str, *texts: str) -> None:
        """The request ``number`` makes it ask."""
        end = self.answered(number)
        _, by = self.sees(*texts)
        self.watch.label("waiting", about, since=end, by=by)
        self.sampled()


ALONE = ("claude", "codex", "gemini", "opencode", "pi")
"""Agents that are also watched by their terminal alone."""


@pytest.mark.prove
@pytest.mark.parametrize(
    ("name", "least"),
    [*((name, 0.99) for name in AGENTS), *(pytest.param(name, 0.97, id=f"{name}-by-terminal") for name in ALONE)],
)
def test_what_an_agent_does_is_said_as_it_is(world: World, api: ScriptedApi, name: str, least: float) -> None:
    skip_without(name)
    if least < 0.99:
        without_more_than_a_terminal(world, name)
    run = Run(world, api, name)
    stop = run.agent.stop
    since, by = run.sees(run.agent.composer)
    run.watch.label("idle", since=since - 1, by=by)
    run.sampled()
    before = run.configuration()  # each adds something of its own at its start, with us and without
    run.rests(run.prompt("think 4"))
    # interrupted
    run.prompt("slow 30")
    run.sampled(2.5)
    at = run.key(*stop)
    run.watch.label("idle", since=at)
    run.sampled()
    run.key("C-u")
    # approval, answered
    if run.agent.approval:
        number = run.prompt("tool")
        run.asks(number, "approval", run.agent.approval)
        run.allows()
    # a tool that takes its time
    number = run.prompt("nap 4" if name == "qwen" else "sleep 4")  # it refuses the other one
    run.answered(number)
    if run.asks_first(number):
        run.asks(number, "approval", run.agent.approval)
        at = run.key("Enter")
        run.watch.label("working", since=at)
    if run.agent.goes_on:
        run.requested(number + 1, time.time())
        run.rests(number + 1)
    else:
        run.sampled(at + 4 - time.time())
        run.watch.label("idle")
        run.sampled()
    # denied
    if name not in ("gemini", "pi"):  # that has been allowed for good, or never asks
        number = run.prompt("tool")
        run.asks(number, "approval", run.agent.approval)
        at = run.key(*run.agent.deny)
        run.watch.label("idle", since=at)
        run.sampled()
        run.key("C-u")
    # question
    if name == "aider":
        number = run.prompt("echo")
        run.asks(number, "approval", run.agent.approval)
        at = run.key("Enter")
        _, by = run.sees("Add command output to the chat?")
        run.watch.label("waiting", "question", since=at, by=by)
        run.sampled()
        run.allows()
    elif name != "pi":
        if name == "codex":  # it asks when it plans, only
            run.key("BTab")
            run.sees("Plan mode")
        number = run.prompt("ask")
        run.asks(number, "question", "Which colour?")
        count = len(api.turns)
        at = run.key("Enter")
        run.requested(count, at)
        run.rests(count)
    # prose
    run.rests(run.prompt("prose"))
    # errors
    for word in ("fail", "limit"):
        number = run.prompt(word)
        run.answered(number)
        if name == "codex":
            _, by = run.sees("experiencing high demand", "exceeded retry limit")
            run.watch.label("waiting", "error", since=api.turns[number][1], by=by)
            run.sampled()
            at = run.key("Escape")
            run.watch.label("idle", since=at)
        else:
            run.sampled(3)
            at = run.key(*stop)
            run.watch.label(*(("waiting", "error") if name == "pi" else ("idle",)), since=at)
        run.sampled()
        run.key("C-u")
    at = time.time()
    for key in run.agent.leave:
        run.key(key)
    world.exited(name)
    run.watch.label("exited", since=at)
    run.sampled(1)
    run.watch.stop()
    counted, wrong = run.watch.compare()
    print(f"{name}: {counted} samples, {len(wrong)} wrong: {wrong}")  # noqa: T201
    assert run.configuration() == before
    assert not [path for path, text in before.items() if b"agentmux" in text]
    assert not run.watch.idle_under_dialogs()
    assert counted > 200 and len(wrong) <= counted * (1 - least)


@pytest.mark.prove
@pytest.mark.parametrize("name", ["claude", "copilot", "gemini", "qwen"])
def test_who_asks_whether_to_trust_a_folder_waits(world: World, api: ScriptedApi, name: str) -> None:
    skip_without(name)
    start = launch(name, f"{world.root}/{name}", api.url)
    distrust(name, f"{world.root}/{name}/home")
    began = time.time()
    world.new(name, *start.argv, options=[*start.options, "-x", "100", "-y", "30"])
    watch = Watch(world, name)
    watch.label("starting", since=began, by=began)
    world.shows(name, "rust", seconds=SLOW)
    world.does(name, "waiting", SLOW)
    watch.label("waiting", "trust", since=began + 0.1)
    Run.sampled(3)
    assert len(world.info(name)["options"]) >= 2
    watch.stop()
    counted, wrong = watch.compare()
    assert counted > 20 and not wrong
    history = world.run("why", "-t", name, "--history", "--json").ok().json["history"]
    assert "idle" not in [entry["status"] for entry in history]


@pytest.mark.prove
@pytest.mark.parametrize("name", ["claude", "codex"])
def test_a_usage_limit_is_known_with_its_end(world: World, api: ScriptedApi, name: str) -> None:
    skip_without(name)
    start = launch(name, f"{world.root}/{name}", api.url)
    if name == "claude":  # it knows such limits for those who sign in
        del start.env["ANTHROPIC_API_KEY"]
        start.env["CLAUDE_CODE_OAUTH_TOKEN"] = "scripted"
    world.new(name, *start.argv, options=[*start.options, "-x", "100", "-y", "30"])
    world.does(name, "idle", SLOW)
    for seconds in (7200, 200_000):
        asked = time.time()
        prompt(world, name, name, f"usage {seconds}")

        def known(end: float = asked + seconds) -> bool:
            found = world.info(name)
            return found["about"] == "limit" and -60 < (found["resets"] or 0) - end < 60  # it is told to the minute

        wait_until(known, seconds=SLOW, what=lambda: f"limit in {world.screen(name)}")
        world.run("send", "-t", name, "--keys", "Escape").ok()
        time.sleep(HAND)
    prompt(world, name, name, "hello")
    world.does(name, "idle", SLOW)
