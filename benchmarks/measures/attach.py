"""How long a user looks at nothing: from starting the client until the session's last line is on the terminal.

Likewise from the keys that switch to the next session. A Python program can't be faster than its interpreter, so the
limit is what tmux takes and one start of a bare one.
"""

from __future__ import annotations

from statistics import median
from time import sleep

from ..contenders import Contender, Floor
from ..programs import SHOWN
from ..table import Line
from ..tools import Stage, Terminal, rotated, run_timed

REST = 5.0
"""Seconds from the session's last output to the first attach: a user comes to one that waits for him."""

Found = dict[str, dict[str, list[float]]]


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Attach, switch, leave, attach again: to a short session, and to one with a long scrollback."""
    lines: list[Line] = []
    for title, length in (("", 0), (", 10 000 lines above", 10_000)):
        found: Found = {"attach": {}, "reattach": {}, "switch to the next": {}}
        servers = [one.another("attach") for one in contenders if one.restores and one.detaches]
        floor = next((one for one in contenders if isinstance(one, Floor)), None)
        sessions = stage.numbers(2, 20)
        for number in range(sessions):
            stage.say(f"{number}/{sessions} started{title}")
            for one in servers:
                if not stage.takes_part(one.name):
                    continue
                with stage.trying(one.name):
                    for name in (f"show{number}-{length}", f"other{number}-{length}"):
                        one.new(name, stage.program("show", f"{one.name}-{name}", str(length)))
                        stage.actor(f"{one.name}-{name}").close()
        sleep(REST)
        for number in range(sessions):
            stage.say(f"{number}/{sessions}{title}")
            for turn in range(stage.numbers(4, 3)):  # in turns: what else the machine does is shared
                for one in rotated(servers, number + turn):
                    if not stage.takes_part(one.name):
                        continue
                    with stage.trying(one.name):
                        terminal = one.attach(f"show{number}-{length}")
                        took = terminal.wait_for(SHOWN)
                        found["reattach" if turn else "attach"].setdefault(one.name, []).append(took * 1000)
                        terminal.quiet()
                        if one.next_keys:
                            found["switch to the next"].setdefault(one.name, []).append(_switch(terminal, one) * 1000)
                        terminal.close()
                if floor is not None:
                    bare = run_timed(floor.bare_argv(), floor.env)[0] * 1000
                    for values in found.values():
                        values.setdefault("floor", []).append(bare)
        for one in servers:
            with stage.trying(one.name):
                one.stop()
        lines += [_line(what + title, values) for what, values in found.items()]
    return lines


def _switch(terminal: Terminal, one: Contender) -> float:
    """Have the client show the next session; return the seconds until it does."""
    terminal.forget()
    start = terminal.age()
    terminal.type(one.next_keys)
    took = terminal.wait_for(SHOWN) - start
    terminal.quiet()
    return took


def _line(what: str, values: dict[str, list[float]]) -> Line:
    middle = {name: median(got) for name, got in values.items()}
    good = None
    if {"agentmux", "tmux", "floor"} <= set(middle):
        good = middle["agentmux"] <= middle["tmux"] + middle["floor"]
    counts = {name: len(got) for name, got in values.items()}
    return Line("attach", what, "ms", middle, "<= tmux + floor", good, counts)
