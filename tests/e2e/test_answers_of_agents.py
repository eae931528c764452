"""Dialogs of real agents: what an agent has recorded is what was chosen, and no dialog is taken for another."""

from __future__ import annotations

import json
import os
import random
import time
from typing import Any

import pytest
from agents import distrust, launch, skip_without
from scripted_api import ScriptedApi
from world import World, wait_until

SLOW = 90.0

PARTS = {"claude": 4, "codex": 2, "gemini": 2, "opencode": 2}
ROUNDS = 30
"""Of each part: 300 in all."""

COLOURS = ["gold", "green", "blue", "white", "black", "pink"]


class Talk:
    """One agent in a session, whose dialogs are answered."""

    def __init__(self, world: World, api: ScriptedApi, name: str) -> None:
        self.world, self.api, self.name = world, api, name
        start = launch(name, f"{world.root}/{name}", api.url)
        self.file = f"{start.cwd}/approved.txt"
        world.new(name, *start.argv, options=[*start.options, "-x", "110", "-y", "45"])
        world.does(name, "idle", SLOW)

    def inbox(self) -> list[dict[str, Any]]:
        return list(self.world.run("inbox", "--json").ok().json)

    def ask(self, prompt: str) -> dict[str, Any]:
        """Send a prompt; return what the inbox says of the dialog that it opens."""
        ran = self.world.run("send", "-t", self.name, prompt)
        assert ran.status in (0, 9), ran

        def there() -> list[dict[str, Any]]:
            return [one for one in self.inbox() if one["options"]]

        return wait_until(there, seconds=SLOW, what=lambda: f"dialog in {self.world.screen(self.name)}")[0]

    def answer(self, *words: str) -> dict[str, Any]:
        ran = self.world.run("answer", "-t", self.name, "--json", *words)
        assert ran.out, ran
        return dict(ran.json)

    def rests(self) -> None:
        self.world.does(self.name, "idle", SLOW)

    def stale(self, token: str) -> None:
        """Answer the dialog of before: nothing is to come of it."""
        given = self.answer("1", "--seen", token)
        assert given["state"] == "refused", (given, self.world.screen(self.name))

    def choose(self, chance: random.Random) -> str:
        """Answer a question; return the token of its dialog."""
        options = chance.sample(COLOURS, chance.randint(2, 4))
        shown = self.ask(f"ask {','.join(options)}")
        listed = [one["text"] for one in shown["options"]][: len(options)]
        assert listed == options[: len(listed)]
        number = chance.randrange(len(listed)) + 1  # Gemini CLI shows no more than three at first
        before = len(self.api.bodies)
        given = self.answer(str(number), "--seen", shown["token"])
        assert given["state"] == "answered", (given, self.world.screen(self.name))
        assert given["option"] == options[number - 1]
        wait_until(lambda: len(self.api.bodies) > before, seconds=SLOW, what="the next request")
        told = json.dumps(_last(self.api.bodies[before]))
        assert [one for one in options if one in told] == [options[number - 1]], told
        self.rests()
        return str(shown["token"])

    def allow(self, yes: bool) -> str:
        """Allow a command or not; return the token of its dialog."""
        shown = self.ask("tool")
        given = self.answer("yes" if yes else "no", "--seen", shown["token"])
        assert given["state"] == "answered", (given, self.world.screen(self.name))
        self.rests()
        if yes:
            wait_until(lambda: os.path.exists(self.file), what="the file")
            os.unlink(self.file)
        assert not os.path.exists(self.file)
        return str(shown["token"])


def _last(body: dict[str, Any]) -> Any:
    """Return the last message of a request: what the tool has given."""
    return (body.get("messages") or body.get("input") or body.get("contents"))[-1]


@pytest.mark.prove
@pytest.mark.parametrize(("name", "part"), [(name, part) for name, parts in PARTS.items() for part in range(parts)])
def test_the_recorded_choice_is_the_chosen_one(world: World, api: ScriptedApi, name: str, part: int) -> None:
    skip_without(name)
    talk = Talk(world, api, name)
    chance = random.Random(f"{name} {part}")
    token, counted, begun = "000000000000", {"questions": 0, "yes": 0, "no": 0, "stale": 0}, time.time()
    for count in range(ROUNDS):
        kind = "yes" if count % 4 == 1 else "no" if count % 4 == 3 else "questions"
        if name == "codex" and kind == "questions":  # it asks none in this mode
            kind = "yes" if count % 4 else "no"
        if count % 5 == 2:
            shown = talk.ask("tool")
            talk.stale(token)
            assert talk.answer("no", "--seen", shown["token"])["state"] == "answered"
            talk.rests()
            counted["stale"] += 1
        talk.stale(token)  # nothing asks now
        token = talk.choose(chance) if kind == "questions" else talk.allow(kind == "yes")
        counted[kind] += 1
    print(f"\n{name}: {counted} in {time.time() - begun:.0f} s")  # noqa: T201
    history = world.run("why", "-t", name, "--history", "-n", "2000", "--json").ok().json["history"]
    assert not [entry for entry in history if "uncertain" in str(entry["because"])]


@pytest.mark.prove
@pytest.mark.parametrize("name", ["claude", "gemini"])
def test_trust_is_given_by_yes(world: World, api: ScriptedApi, name: str) -> None:
    skip_without(name)
    start = launch(name, f"{world.root}/{name}", api.url)
    distrust(name, f"{world.root}/{name}/home")
    world.new(name, *start.argv, options=[*start.options, "-x", "100", "-y", "40"])
    world.does(name, "waiting", SLOW)
    wait_until(lambda: world.info(name)["options"], what="its answers")
    given = world.run("answer", "-t", name, "yes", "--json").json
    assert given["state"] == "answered", given
    assert "rust" in given["option"]
    if name == "claude":
        world.does(name, "idle", SLOW)


@pytest.mark.prove
@pytest.mark.parametrize("name", PARTS)
def test_a_text_reaches_who_asks(world: World, api: ScriptedApi, name: str) -> None:
    skip_without(name)
    talk = Talk(world, api, name)
    if name != "codex":
        talk.ask("ask red,green")
        before = len(api.bodies)
        assert talk.answer("--text", "ochre, or sand")["state"] == "answered"
        wait_until(lambda: len(api.bodies) > before, seconds=SLOW, what="the next request")
        assert "ochre, or sand" in json.dumps(_last(api.bodies[before]))
        talk.rests()
    talk.ask("tool")
    before = len(api.bodies)
    assert talk.answer("--text", "rather list the files")["state"] == "answered"
    wait_until(lambda: len(api.bodies) > before, seconds=SLOW, what="the next request")
    assert "rather list the files" in json.dumps(_last(api.bodies[before]))
    talk.rests()
    assert not os.path.exists(talk.file)
