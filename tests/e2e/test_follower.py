"""A list of sessions that is kept by events alone is the list that there is: whatever changes is told."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from typing import Any

import composing
import pytest
from programs import server_pid
from terminal import signal_and_wait
from world import World, wait_until

from agentmux.mux.client import Connection
from agentmux.mux.protocol import Kind, Request

PROFILE = (
    composing.PROFILE.replace(
        "[prompt]", '[log.entries.usage]\ninput = ["used.in"]\noutput = ["used.out"]\n[prompt]', 1
    )
    + '[hooks]\nconversation = "session_id"\n[hooks.events]\nTell = ""\n'
)


class Follower:
    """Asks for the list once; then for those sessions only of which an event tells, and never otherwise."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.new("begin", "cat")
        self.process = world.start("events", "--json", stdin=subprocess.PIPE)
        self.kinds: list[str] = []
        self._rest = b""
        self.rows: dict[int, dict[str, Any]] = {}
        wait_until(lambda: world.run("label", "-t", "begin", "a=b").ok() and self._read(), what="the first event")
        self.rows = {row["id"]: row for row in self._listed("-a")}

    def _listed(self, *words: str) -> list[dict[str, Any]]:
        ran = self.world.run("ls", "--json", *words)
        assert ran.status in (0, 1), ran
        return list(ran.json)

    def _read(self) -> list[dict[str, Any]]:
        assert self.process.stdout is not None
        fd = self.process.stdout.fileno()
        while select.select([fd], [], [], 0)[0]:
            data = os.read(fd, 1 << 16)
            assert data, "it ended"
            self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        events = [json.loads(line) for line in lines]
        self.kinds += [event["event"] for event in events]
        return events

    def follow(self) -> None:
        told = {event["session"] for event in self._read() if event["event"] not in ("input", "output-activity")}
        if told:
            found = {row["id"]: row for row in self._listed(*(word for one in told for word in ("-t", str(one))))}
            for number in told:
                self.rows.pop(number, None)
            self.rows |= found

    def agrees(self) -> None:
        """Wait until the list that is kept is the list that there is."""
        wrong: list[object] = []

        def same() -> bool:
            self.follow()
            truth = {row["id"]: row for row in self._listed("-a")}
            wrong[:] = [
                (number, key, self.rows.get(number, {}).get(key), truth.get(number, {}).get(key))
                for number in truth.keys() | self.rows.keys()
                for key in (truth.get(number) or self.rows[number])
                if key != "age" and self.rows.get(number, {}).get(key) != truth.get(number, {}).get(key)
            ]
            return not wrong

        wait_until(same, seconds=8, what=lambda: f"event for {wrong}")

    def changed(self, session: int, **facts: object) -> None:
        """Wait until a session has these facts, and insist that whoever follows has them too."""

        def there() -> bool:
            [row] = self._listed("-t", str(session))
            return all(row[key] == value for key, value in facts.items())

        wait_until(there, what=lambda: f"{facts} in {self._listed('-t', str(session))}")
        self.agrees()


ANOTHER = "11111111-2222-3333-4444-555555555555"
"""A conversation, as the agent names them."""


def hook(world: World, session: int, **told: object) -> None:
    inside = {"AGENTMUX": f"{world.socket},1", "AGENTMUX_SESSION": str(session)}
    world.run("hook", "Tell", input=json.dumps(told).encode(), env=inside).ok()


def test_a_list_is_kept_live_without_polling(world: World) -> None:
    follower = Follower(world)
    repo = f"{world.home}/repo"
    subprocess.run(["git", "init", "-q", "-b", "main", repo], env=world.env, check=True)
    program = f'#!/bin/sh\nexec {sys.executable} -I -S {composing.__file__} "$@"\n'
    env = [word for one in (f"TRUTH={world.root}/truth", f"OURS_LOG={world.root}") for word in ("-e", one)]
    one = world.new("one", world.agent(PROFILE, program), options=[*env, "-c", repo])
    follower.changed(one, status="idle", state="running", branch="main", queued=0, said=None, tokens_in=0)

    terminal = world.attach("one", size=(90, 30))
    follower.changed(one, attached=1, size=[90, 30])
    terminal.type("\x02d")
    assert terminal.ended() == 0
    follower.changed(one, attached=0, unread=False)

    world.run("send", "-t", "one", "echo first").ok()
    follower.changed(one, said="you said echo first", tokens_in=10, tokens_out=2, queued=0, status="idle")
    world.run("send", "-t", "one", "work 60").ok()
    follower.changed(one, status="working")
    for text in ("second", "third"):
        assert world.run("send", "-t", "one", "--json", text).json["state"] == "queued"
    follower.changed(one, queued=2)
    world.run("queue", "-t", "one", "pause").ok()
    follower.changed(one, paused=True)
    world.run(
        "queue", "-t", "one", "drop", str(world.run("queue", "-t", "one", "--json").json["prompts"][0]["id"])
    ).ok()
    follower.changed(one, queued=1)
    world.run("interrupt", "-t", "one").ok()
    follower.changed(one, status="idle", unread=True)
    world.run("capture", "--seen", "-t", "one").ok()
    follower.changed(one, unread=False)
    world.run("queue", "-t", "one", "resume").ok()
    follower.changed(one, paused=False, queued=0, said="you said third")
    world.run("send", "-t", "one", "ask").ok()
    follower.changed(one, status="waiting", about="approval", unread=True)
    world.run("capture", "--seen", "-t", "one").ok()
    world.run("send", "-t", "one", "--no-enter", "2").ok()
    follower.changed(one, status="idle", unread=False, about=None)

    hook(world, one, session_id=ANOTHER)
    follower.changed(one, conversation=ANOTHER)
    world.run("rename", "-t", "one", "other").ok()
    follower.changed(one, name="other")
    world.run("label", "-t", "other", "team=red").ok()
    follower.changed(one, labels={"team": "red"})
    world.run("resize", "-t", "other", "70x20").ok()
    follower.changed(one, size=[70, 20])

    titles = r"stty -echo; while read x; do printf '\033]2;%s\007' " + '"$x"; done'
    two = world.new("two", "sh", "-c", titles, options=["-c", repo])
    world.run("send", "-t", "two", "a title").ok()
    follower.changed(two, title="a title", state="running")
    subprocess.run(["git", "-C", repo, "switch", "-q", "-c", "fix"], env=world.env, check=True)
    world.run("send", "-t", "two", "more").ok()
    wait_until(lambda: (follower.follow(), follower.rows[two]["branch"] == "fix")[1], what="the branch, by itself")
    follower.changed(one, branch="fix")

    world.run("kill", "-t", "other", "--now").ok()
    follower.changed(one, state="exited", unread=False, pid=None)
    world.run("restart", "-t", str(one)).ok()
    follower.changed(one, state="running", status="idle", starts=2, ended=None)
    os.kill(world.info("other")["pid"], 9)
    follower.changed(one, state="exited", unread=True)
    world.run("capture", "--seen", "-t", str(one)).ok()
    follower.changed(one, unread=False)
    assert world.run("new", "-d", "-s", "none", "--", "/none").status == 1
    follower.agrees()
    world.run("forget", "-t", str(one)).ok()
    follower.agrees()
    assert one not in follower.rows
    assert {"message", "usage", "conversation", "queue", "unread", "branch"} <= set(follower.kinds)


def test_unread_outlives_the_server_and_being_attached_counts_as_reading(world: World) -> None:
    world.new("one", "sh", "-c", r"read x; printf '\a'; read x; printf '\a'; read x; printf '\a'; read x; exit 3")
    assert world.info("one")["unread"] is False
    world.run("send", "-t", "one", "").ok()
    wait_until(lambda: world.info("one")["unread"], what="a bell")
    signal_and_wait(server_pid(world))
    assert world.info("one")["unread"] is True
    terminal = world.attach("one")
    assert world.info("one")["unread"] is False
    world.run("send", "-t", "one", "").ok()
    terminal.type("\x02d")
    assert terminal.ended() == 0
    watch = world.start("capture", "--watch", "--seen", "--json", "-t", "one")
    assert watch.stdout is not None
    watch.stdout.readline()
    events = world.start("events", "--json", "-t", "one")
    wait_until(lambda: world.connected(events.pid), what="a connection")
    world.run("label", "-t", "one", "a=b").ok()
    world.run("send", "-t", "one", "").ok()
    assert events.stdout is not None
    while json.loads(events.stdout.readline())["event"] != "bell":
        pass
    assert world.info("one")["unread"] is False
    watch.terminate()
    events.terminate()
    world.ended(watch)
    world.ended(events)
    wait_until(lambda: world.run("send", "-t", "one", "").status == 0, what="room")
    assert world.exited("one") == 3
    assert world.info("one")["unread"] is True
    world.run("capture", "--seen", "-t", "one").ok()
    assert world.info("one")["unread"] is False


def test_some_sessions_can_be_listed(world: World) -> None:
    ids = [world.new(name, "cat") for name in ("one", "two", "three")]
    world.run("kill", "-t", "two", "--now").ok()
    listed = world.run("ls", "--json", "-t", str(ids[2]), "-t", "two", "-t", "two").ok().json
    assert [row["name"] for row in listed] == ["two", "three"]
    ran = world.run("ls", "-q", "-t", "one", "-t", "nobody")
    assert (ran.status, ran.out) == (1, f"{ids[0]}\n")
    assert ran.err == "agentmux: no session named 'nobody'\n"


@pytest.mark.parametrize("words", [["ls", "--watch", "-q"], ["inbox", "--watch", "--json"]], ids=" ".join)
def test_what_changes_right_after_the_first_list_is_seen(world: World, words: list[str]) -> None:
    world.new("one", "cat")
    watch = world.start(*words)
    assert watch.stdout is not None
    assert watch.stdout.readline()
    world.run("label", "-t", "one", "a=b").ok()
    assert select.select([watch.stdout], [], [], 10)[0], "it is not listed again"
    watch.terminate()
    world.ended(watch)


def test_whoever_was_accepted_misses_nothing(world: World) -> None:
    """A follower that asks for the list when its request for events was accepted need not ask again."""
    world.new("one", "cat")
    events, other = Connection.open(world.socket), Connection.open(world.socket)
    events.hello(0, Request(["events", "--json"], "/", {}, (0, 0), (False, False, False)).pack())
    frames = events.frames()
    while next(frames)[0] != Kind.ACCEPTED:
        pass
    other.hello(0, Request(["label", "-t", "one", "a=b"], "/", {}, (0, 0), (False, False, False)).pack())
    kind, body = next(frames)
    assert kind == Kind.STDOUT and json.loads(body)["event"] == "labelled"
    signal_and_wait(server_pid(world))
    assert [kind for kind, _ in frames if kind == Kind.EXIT] == [], "the connection ends: another server is there"
    events.close()
    other.close()
