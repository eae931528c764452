"""Prompts to real agents, by the hundred: what the model's API saw, beside what the senders were told."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import statistics
import threading
import time
from collections import Counter
from contextlib import closing
from typing import Any

import pytest
from agents import distrust, launch, prompt, skip_without, without_more_than_a_terminal
from scripted_api import ScriptedApi
from world import World, wait_until

pytestmark = pytest.mark.prove

SLOW = 90.0
SENDERS = 5
AT_ONCE = 100
"""Prompts in one session: the conversation goes into each request, and agents shorten one that is too long."""

COUNTS = {"claude": 1000, "codex": 1000, "gemini": 200, "opencode": 200, "aider": 200}
LIMIT = int(os.environ.get("AGENTMUX_TEST_PROMPTS", "1000000"))
"""Fewer prompts, for a quick look."""

LETTERS = "abcdefghij  ÄÖ€漢字é\U0001f389"


def begin(world: World, api: ScriptedApi, name: str, session: str = "one", *options: str) -> None:
    start = launch(name, f"{world.root}/{session}", api.url)
    world.new(session, *start.argv, options=[*start.options, "-x", "100", "-y", "30", *options])
    world.does(session, "idle", SLOW)


def prompts(chosen: random.Random, sender: int, count: int) -> list[str]:
    """Return texts of 1 byte to 200 KB: of several lines, with marks of bracketed paste and control characters."""
    texts = []
    for number in range(count):
        size = chosen.choice((1, 5, 40, 40, 200, 200, 900, 3000, 12_000)) if number or sender else 200_000
        text = "".join(chosen.choices(LETTERS, k=size)).encode()[:size].decode("utf-8", "ignore")
        text = text if text.strip() else "x"
        if size > 40 and number % 3 == 0:
            text = re.sub("(.{37})", "\\1\n", text)
        if number % 7 == 0:
            text = "\n" + text
        if number % 11 == 0:
            text += " \x1b[201~ \x1b[200~ \x03\x04\x7f"
        texts.append(text if size == 1 and number % 7 and number % 11 else f"{sender}.{number}: {text}.")
    return texts


def normal(text: str) -> str:
    """Return a prompt as agents hand on what a person pastes: without control characters, and blanks at its ends."""
    text = re.sub(
        r"\n*<pasted_content id=\"\w+\">\n(.*?)\n</pasted_content id=\"\w+\">\n?", r"\1", text, flags=re.DOTALL
    )
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", text).strip()


def difference(sent: list[str], seen: list[str]) -> str:
    """Return what was lost, and what came that nobody sent, or twice; "" for nothing."""
    missing, extra = Counter(sent) - Counter(seen), Counter(seen) - Counter(sent)
    lost, more = ([f"{len(one)}: {one[:60]!r}" for one in found] for found in (missing, extra))
    return f"lost {lost[:5]}, too much {more[:5]}" if lost or more else ""


@pytest.mark.parametrize("name", COUNTS)
def test_each_prompt_arrives_once_and_receipts_agree(world: World, name: str) -> None:
    skip_without(name)
    seed = random.randrange(1 << 32)
    chosen, total, took = random.Random(seed), min(COUNTS[name], LIMIT), time.monotonic()
    states: Counter[str] = Counter()
    for part in range(0, total, AT_ONCE):
        each = min(AT_ONCE, total - part) // SENDERS
        texts = [prompts(chosen, sender, each) for sender in range(SENDERS)]
        states += one_session(world, name, f"s{part}", texts, f"{name}, seed {seed}")
    print(f"{name}: {total} prompts, {dict(states)}, {time.monotonic() - took:.0f} s, seed {seed}")  # noqa: T201
    assert states == {"accepted": total}


def one_session(world: World, name: str, session: str, texts: list[list[str]], what: str) -> Counter[str]:
    """Have an agent get what several send at once; return how many receipts there are of each kind in the end."""
    receipts: list[list[Any]] = [[] for _ in texts]
    with closing(ScriptedApi()) as api:
        api.keep = False
        begin(world, api, name, session)
        threads = [
            threading.Thread(
                target=sends, args=(world, session, texts[sender], random.Random(sender), receipts[sender])
            )
            for sender in range(SENDERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(
            lambda: not world.run("queue", "-t", session, "--json").ok().json["prompts"],
            seconds=AT_ONCE * 3,
            what=lambda: world.run("queue", "-t", session).out[:500] + "\n".join(world.screen(session)),
        )
        final = {one["id"]: one for one in ended(world, session)}
        took = sum(one["state"] == "accepted" for one in final.values())
        # Some agents have written a prompt down before they show that they work.
        wait_until(lambda: len(api.prompts) >= took, seconds=SLOW, what=lambda: f"{took} prompts: {api.prompts}")
        world.does(session, "idle", SLOW)
        seen = [normal(one) for one in api.prompts]
        taken = []
        for mine, given in zip(texts, receipts, strict=True):
            assert {one["state"] for one in given} <= {"accepted", "queued"}, given
            arrived = [normal(text) for text, one in zip(mine, given, strict=True) if accepted(final, one)]
            taken += arrived
            tagged = [text for text in arrived if re.match(r"\d+\.\d+: ", text)]
            assert [text for text in seen if text in set(tagged)] == tagged, f"{what}: out of order"
        assert not difference(taken, seen), f"{what}: {difference(taken, seen)}"
        world.run("kill", "-t", session, "--now").ok()
    return Counter(one["state"] for one in final.values())


def sends(world: World, session: str, texts: list[str], chosen: random.Random, receipts: list[Any]) -> None:
    """Send prompts with pauses of up to a second between them."""
    for text in texts:
        time.sleep(chosen.random() * chosen.choice((0, 0, 1)))
        ran = world.run("send", "-t", session, "--json", "-f", "-", input=text.encode())
        receipts.append(ran.json)


def ended(world: World, session: str) -> list[Any]:
    prompts_: list[Any] = world.run("queue", "-t", session, "-a", "--json").ok().json["prompts"]
    return prompts_


def accepted(final: dict[int, Any], receipt: Any) -> bool:
    return bool(final[receipt["prompt"]]["state"] == "accepted")


@pytest.mark.parametrize("name", ["claude", "codex"])
def test_a_draft_is_unharmed(world: World, api: ScriptedApi, name: str) -> None:
    skip_without(name)
    world.configure("typing-pause = 0\n")
    begin(world, api, name)
    time.sleep(1.5)
    api.keep = False
    for number in range(min(200, LIMIT)):
        draft = f"half a thought {number}"
        world.run("send", "-t", "one", "--no-enter", draft).ok()
        if number % 2:
            world.shows("one", draft)
        when = ["--when", "now"] if number % 3 == 0 else []
        ran = world.run("send", "-t", "one", "--json", *when, f"prompt {number}")
        assert ran.json["state"] in ("queued", "refused"), ran
        world.shows("one", draft)
        world.run("send", "-t", "one", "-k", "C-u").ok()
        if ran.json["state"] == "queued":
            wait_until(lambda n=number: f"prompt {n}" in api.prompts, seconds=SLOW, what="the prompt behind the draft")
            world.does("one", "idle", SLOW)
        assert draft not in " ".join(api.prompts)
    wanted = [f"prompt {number}" for number in range(min(200, LIMIT)) if number % 3]
    assert api.prompts == wanted


KINDS = [
    *((name, "tool") for name in ("claude", "codex", "gemini", "opencode")),
    *((name, "ask") for name in ("claude", "gemini", "opencode")),
    *((name, "trust") for name in ("claude", "gemini")),
    ("opencode", "unknown"),
]
"""Agents, and what makes each show a dialog; of the last one's no rule is known."""


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_into_a_dialog_nothing_is_typed(world: World, api: ScriptedApi, name: str, kind: str) -> None:
    skip_without(name)
    if kind == "unknown":
        without_dialogs(world, name)
    start = launch(name, f"{world.root}/one", api.url)
    if kind == "trust":
        distrust(name, f"{world.root}/one/home")
    world.new("one", *start.argv, options=[*start.options, "-x", "100", "-y", "30"])
    if kind != "trust":
        world.does("one", "idle", SLOW)
        time.sleep(1.5)
        prompt(world, "one", name, "tool" if kind == "unknown" else kind)
    world.does("one", "unknown" if kind == "unknown" else "waiting", SLOW)
    asked = len(api.turns)
    for number in range(min(50, LIMIT)):
        ran = world.run("send", "-t", "one", "--json", "--when", "now" if number % 2 else "idle", f"typed {number}")
        assert ran.json["state"] == ("refused" if number % 2 else "queued"), ran
        assert not any("typed" in row for row in world.screen("one"))
    assert len(api.turns) == asked
    assert not os.path.exists(f"{world.root}/one/work/approved.txt")
    assert world.info("one")["status"] == ("unknown" if kind == "unknown" else "waiting")


def without_dialogs(world: World, name: str) -> None:
    """Leave out all that tells of dialogs: rules, and what the agent says of itself but on the screen."""
    without_more_than_a_terminal(world, name)
    path = f"{world.home}/config/agentmux/agents/{name}.toml"
    with open(path, encoding="utf-8") as file:
        tables = re.split(r"^(?=\[)", file.read(), flags=re.MULTILINE)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(table for table in tables if 'says = "waiting"' not in table)


@pytest.mark.parametrize("name", ["claude", "codex"])
def test_a_turn_is_stopped_within_half_a_second(world: World, api: ScriptedApi, name: str) -> None:
    skip_without(name)
    begin(world, api, name)
    time.sleep(1.5)
    api.keep = False
    took: list[float] = []
    terminal = world.terminal("attach", "-t", "one")
    for number in range(min(200, LIMIT)):
        if number == min(200, LIMIT) // 2:
            terminal.type(b"\x02d")
            terminal.shows("[detached")
        count = len(api.turns)
        world.run("queue", "-t", "one", "resume").ok()
        ran = world.run("send", "-t", "one", "--json", f"slow 100 {number}")
        assert ran.json["state"] == "accepted", ran
        wait_until(lambda n=count: len(api.turns) > n, seconds=SLOW, what="the turn")
        time.sleep(random.random())
        began = time.monotonic()
        world.run("interrupt", "-t", "one", "--wait").ok()
        took.append(time.monotonic() - began)
        assert world.info("one")["status"] in ("idle", "working")
        world.does("one", "idle", SLOW)
        world.run("send", "-t", "one", "-k", "C-u").ok()  # Claude Code puts back what it has not answered
    for _ in range(20):
        world.run("interrupt", "-t", "one").ok()
    assert world.info("one")["status"] == "idle"
    p95 = statistics.quantiles(took, n=20)[-1]
    print(f"{name}: interrupt p50 {statistics.median(took):.3f} p95 {p95:.3f} s")  # noqa: T201
    assert p95 <= 0.5


def test_a_server_that_is_killed_delivers_nothing_twice(world: World) -> None:
    name = "claude"
    skip_without(name)
    rounds, final = min(100, LIMIT), dict[int, Any]()
    with closing(ScriptedApi()) as api:
        api.keep = False
        begin(world, api, name)
        time.sleep(1.5)
        for number in range(rounds):
            texts = [f"prompt {number}.{part}" for part in range(3)]
            senders = [world.start("send", "-t", "one", "--json", text) for text in texts]
            time.sleep(random.random() * 0.8)
            os.kill(world.status()["server_pid"], signal.SIGKILL)
            for sender in senders:
                sender.communicate(timeout=60)
            wait_until(
                lambda: settled(world), seconds=60, what=lambda: world.run("queue", "-t", "one", "-a").out[-600:]
            )
            final |= {one["id"]: one for one in ended(world, "one")}  # which lists the newest only
        world.does("one", "idle", SLOW)
        final |= {one["id"]: one for one in ended(world, "one")}
        counts = Counter(one["state"] for one in final.values())
        seen = [normal(text) for text in api.prompts]
        assert len(seen) == len(set(seen)), [text for text, times in Counter(seen).items() if times > 1]
        for one in final.values():
            assert (one["text"] in seen) or one["state"] != "accepted", one
            assert (one["text"] not in seen) or one["state"] in ("accepted", "uncertain"), one
        print(f"{name}: {rounds} kills, {dict(counts)}, {len(seen)} seen")  # noqa: T201
        assert set(counts) <= {"accepted", "uncertain"}


def settled(world: World) -> bool:
    """Whether nothing is under way. What a killed server has left to be submitted is cleared, as by a person."""
    open_ones = world.run("queue", "-t", "one", "--json").ok().json["prompts"]
    if open_ones and all(one["why"] in ("a draft is there", "others come first") for one in open_ones):
        world.run("send", "-t", "one", "-k", "C-u").ok()
    return not open_ones


@pytest.mark.parametrize("name", ["claude", "codex"])
def test_a_proof_costs_little(world: World, api: ScriptedApi, name: str) -> None:
    skip_without(name)
    begin(world, api, name)
    time.sleep(1.5)
    api.keep = False
    floors, ours = [], []
    for number in range(min(30, LIMIT)):
        for into, by_hand in ((floors, True), (ours, False)):
            world.does("one", "idle", SLOW)
            time.sleep(1.2)
            count, text = len(api.turns), f"measure {number} {by_hand}"
            began = time.time()
            if by_hand:
                world.run("send", "-t", "one", "--no-enter", f"\x1b[200~{text}\x1b[201~").ok()
                world.run("send", "-t", "one", "-k", "Enter").ok()
            else:
                world.run("send", "-t", "one", text).ok()
            wait_until(lambda n=count: len(api.turns) > n, seconds=SLOW, what="the turn")
            into.append(api.turns[count][0] - began)
    over = statistics.median(ours) - statistics.median(floors)
    print(f"{name}: by hand {statistics.median(floors):.3f}, send {statistics.median(ours):.3f}, {over:+.3f} s")  # noqa: T201
    assert over <= 0.15


def test_what_was_said_is_in_messages_and_history(world: World, api: ScriptedApi) -> None:
    skip_without("claude")
    begin(world, api, "claude")
    time.sleep(1.5)
    reply = world.run("send", "-t", "one", "--wait", "remember this").ok().out
    assert reply == "Hello from the script.\n"
    said = world.run("messages", "-t", "one", "--json").ok().json
    assert [(one["role"], one["source"]) for one in said] == [("user", "transcript"), ("agent", "transcript")]
    assert json.loads(world.run("history", "--json").ok().out)[0]["text"] == "remember this"
