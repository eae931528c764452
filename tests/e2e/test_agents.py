"""Real coding agents: what they printed, recorded, and they themselves where they are installed."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from agents import AGENTS, SIZE, answers, known_answers, launch, moments, recording, recordings, skip_without
from scripted_api import ScriptedApi
from terminal import Terminal, Tmux
from world import World, wait_until

from agentmux.mux.screen import Screen

CUTS, MOST_ROWS = 10, 10_000

SLOW = 60.0
"""Seconds for an agent to start or to ask its model for the first time: opencode takes 20 on a busy machine."""

KITTY, XTERM = "\x1b[13;2u", "\x1b[27;2;13~"
"""Shift+Enter, from a terminal that knows kitty's protocol and from one that knows modifyOtherKeys only."""


# Recordings


def seen(screen: Screen) -> object:
    """Return what is shown and above it, and the modes that a client has to be told."""
    rows = screen.text_rows(-screen.history_rows, screen.size[1], styled=True)
    return rows, screen.cursor, screen.alternate, screen.title, screen.kitty_flags, screen.input_modes()


@pytest.mark.parametrize("name", recordings())
def test_a_recording_shows_what_was_there_when_it_was_made(name: str) -> None:
    data, screen, at = recording(name), Screen(SIZE), 0
    for moment, (offset, rows) in moments(name).items():
        screen.feed(data[at:offset])
        assert screen.text_rows(0, SIZE[1]) == rows, moment
        at = offset
    assert at == len(data)  # and the agent has left the terminal as it should
    assert not screen.alternate and not screen.kitty_flags and screen.at_ground
    screen.close()


@pytest.mark.parametrize("name", recordings())
def test_a_recording_gives_the_same_screen_however_it_is_cut(name: str) -> None:
    data, whole = recording(name), Screen(SIZE)
    for offset, _ in moments(name).values():
        whole.close()
        whole = Screen(SIZE)
        whole.feed(data[:offset])
        rng, chunked, at = random.Random(offset), Screen(SIZE), 0
        while at < offset:
            size = rng.choice([1, 2, 3, 7, 30, 500, 5000])
            chunked.feed(data[at : min(at + size, offset)])
            at += size
        assert seen(chunked) == seen(whole), offset
        chunked.close()
    whole.close()


@pytest.mark.parametrize("name", recordings())
def test_each_query_of_a_recording_is_answered_before_the_next(name: str) -> None:
    assert answers(recording(name)) == known_answers(name)


@pytest.mark.parametrize("cuts", [CUTS, pytest.param(CUTS * 20, marks=pytest.mark.prove)])
@pytest.mark.parametrize("name", recordings())
def test_a_dump_anywhere_in_a_recording_rebuilds_the_screen_and_the_rest_follows(name: str, cuts: int) -> None:
    data, rng = recording(name), random.Random(name)
    places = sorted(rng.sample(range(len(data)), cuts))
    screen, client = Screen(SIZE), Screen(SIZE)
    for at, cut in zip([0, *places], [*places, len(data)], strict=True):
        screen.feed(data[at:cut])
        client.feed(data[at:cut])
        assert seen(client) == seen(screen), f"attached after {at} bytes, then on to {cut}"
        client.close()
        client = Screen(SIZE)
        client.feed(screen.dump(history=MOST_ROWS))
        assert client.pending() == screen.pending()
        assert seen(client) == seen(screen), f"attached after {cut} bytes"
    client.close()
    screen.close()


# The agents themselves


def start(world: World, api: ScriptedApi, name: str) -> None:
    """Start an agent in a detached session and wait until it can be typed to."""
    agent = launch(name, f"{world.root}/ours", api.url)
    size = ["-x", str(SIZE[0]), "-y", str(SIZE[1])]
    world.new(name, *agent.argv, options=[*agent.options, *size])
    world.shows(name, AGENTS[name].composer, seconds=SLOW)


def attach(world: World, name: str, size: tuple[int, int]) -> Terminal:
    """Attach, and see the terminal show exactly what the session does, once the agent has redrawn."""
    terminal = world.attach(name, size=size)
    wait_until(lambda: world.info(name)["size"] == list(size), what=f"size {size}")
    terminal.shows(AGENTS[name].composer)
    same_as_capture(world, name, terminal)
    return terminal


def same_as_capture(world: World, name: str, terminal: Terminal) -> None:
    quiet(world, name)
    terminal.shows_rows(world.screen(name))


def trimmed(rows: list[str]) -> list[str]:
    return "\n".join(rows).rstrip("\n").split("\n")


def say(terminal: Terminal, name: str, *keys: str) -> None:
    """Type each of ``keys``, and Enter. What arrives together is a paste to some, and Enter in it a line's end."""
    for key in keys:
        terminal.type(key)
        if key.isprintable():
            terminal.shows(key)
        time.sleep(AGENTS[name].pause)
    terminal.type("\r")


def answered(terminal: Terminal, name: str, api: ScriptedApi, prompts: list[str]) -> None:
    """Wait until exactly these prompts have arrived and the agent can be typed to again."""
    wait_until(
        lambda: api.prompts == prompts,
        seconds=SLOW,
        what=lambda: f"{prompts} instead of {api.prompts} in\n{terminal.text()}",
    )
    terminal.shows(AGENTS[name].composer)


def quiet(world: World, name: str) -> int:
    """Return how many bytes an agent has printed, once they are no more for a while."""
    count, since = -1, time.monotonic()

    def rests() -> bool:
        nonlocal count, since
        if (now := int(world.info(name)["recorded_bytes"])) != count:
            count, since = now, time.monotonic()
        return time.monotonic() - since > 1

    wait_until(rests, what=f"silence of {name}")
    return count


def detach(terminal: Terminal) -> None:
    """Press the prefix key and d as the terminal sends them in the mode that it is in, and see it left alone."""
    terminal.rows()
    terminal.type("\x1b[98;5u" if terminal.screen.kitty_flags else "\x02")
    terminal.type("d")
    assert terminal.ended() == 0
    terminal.assert_as_before()


@pytest.mark.prove
@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_is_attached_at_any_size_and_gets_exactly_what_is_typed(
    world: World, api: ScriptedApi, name: str
) -> None:
    skip_without(name)
    start(world, api, name)
    terminal = attach(world, name, (100, 30))
    say(terminal, name, "hello")
    answered(terminal, name, api, ["hello"])
    terminal.shows("Hello from the script.")
    if AGENTS[name].shift_enter:
        assert terminal.screen.kitty_flags  # so the terminal tells Shift+Enter from Enter
        say(terminal, name, "one", KITTY, "two")
        answered(terminal, name, api, ["hello", "one\ntwo"])
    same_as_capture(world, name, terminal)
    detach(terminal)
    attach(world, name, (90, 34))


@pytest.mark.prove
@pytest.mark.parametrize("name", [name for name, agent in AGENTS.items() if agent.shift_enter])
def test_shift_enter_of_a_terminal_without_kittys_protocol_is_translated(
    world: World, api: ScriptedApi, name: str
) -> None:
    skip_without(name)
    start(world, api, name)
    terminal = attach(world, name, SIZE)
    say(terminal, name, "one", XTERM, "two")
    answered(terminal, name, api, ["one\ntwo"])


@pytest.mark.prove
@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_notices_nothing_of_a_client_that_changes_neither_size_nor_focus(
    world: World, api: ScriptedApi, name: str
) -> None:
    skip_without(name)
    start(world, api, name)
    detach(attach(world, name, (100, 30)))
    terminal = attach(world, name, SIZE)

    def printed() -> int:
        before = quiet(world, name)
        detach(attach(world, name, SIZE))
        return quiet(world, name) - before

    assert printed() == 0 or printed() == 0  # once it may do so of itself: to take back a hint
    before = quiet(world, name)
    terminal.resize((100, 30))
    wait_until(lambda: quiet(world, name) > before, what="trace of another size")


@pytest.mark.prove
# Copilot draws boxes where a terminal tells its colours; the bare one does not.
@pytest.mark.parametrize("name", [name for name in AGENTS if name != "copilot"])
def test_an_agent_looks_as_on_a_bare_terminal_after_other_sizes(world: World, api: ScriptedApi, name: str) -> None:
    skip_without(name)
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    size, agent = (90, 34), AGENTS[name]
    start(world, api, name)
    detach(attach(world, name, (100, 30)))
    terminal = attach(world, name, size)
    with bare_tmux(world, api, name, size) as bare:
        say(terminal, name, "hello")
        answered(terminal, name, api, ["hello"])
        bare.type("hello")
        bare.shows("hello")
        time.sleep(agent.pause)
        bare.keys("Enter")
        answered(terminal, name, api, ["hello", "hello"])
        bare.shows("Hello from the script.")
        terminal.shows("Hello from the script.")

        def bottom(rows: list[str]) -> list[str]:
            return [row.rstrip().replace("/bare/", "/ours/") for row in trimmed(rows)[-agent.footer :]]

        wait_until(
            lambda: bottom(terminal.rows()) == bottom(bare.rows()),
            what=lambda: "\n".join(["the same bottom:", *terminal.rows(), "instead of", *bare.rows()]),
        )


@contextmanager
def bare_tmux(world: World, api: ScriptedApi, name: str, size: tuple[int, int]) -> Iterator[Tmux]:
    """Start the same agent without agentmux, in a home of its own."""
    agent = launch(name, f"{world.root}/bare", api.url)
    clean = ["env", "-C", agent.cwd, "-u", "TMUX", "-u", "TMUX_PANE", "-u", "TERM_PROGRAM"]
    argv = [*clean, "TERM=xterm-256color", "COLORTERM=truecolor", *agent.argv]
    tmux = world.tmux(argv=argv, env=agent.env, size=size)
    try:
        tmux.shows(AGENTS[name].composer, seconds=SLOW)
        yield tmux
    finally:  # not every agent ends with its terminal
        world.kill_all([pid for pid in world.pids() if os.path.realpath(f"/proc/{pid}/cwd") == agent.cwd])
