"""How long a user looks at nothing: from starting the client until the session's last line is on the terminal."""

from __future__ import annotations

from ..contenders import Contender
from ..programs import SHOWN
from ..table import Line
from ..tools import Stage, median


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Attach, leave, attach again: to a short session, and to one with a long scrollback."""
    lines: list[Line] = []
    for title, length in (("", 0), (", 10 000 lines above", 10_000)):
        first: dict[str, list[float]] = {}
        again: dict[str, list[float]] = {}
        servers = [one.another("attach") for one in contenders if one.restores]
        sessions = stage.numbers(2, 5)
        for number in range(sessions):
            stage.say(f"{number}/{sessions}{title}")
            for one in servers:
                if not stage.takes_part(one.name):
                    continue
                with stage.trying(one.name):
                    name = f"show{number}-{length}"
                    one.new(name, stage.program("show", f"{one.name}-{name}", str(length)))
                    stage.actor(f"{one.name}-{name}").close()
                    for turn in range(stage.numbers(4, 6)):
                        terminal = one.attach(name)
                        took = terminal.wait_for(SHOWN) * 1000
                        (again if turn else first).setdefault(one.name, []).append(took)
                        terminal.quiet()
                        terminal.close()
        for one in servers:
            with stage.trying(one.name):
                one.stop()
        lines += [
            Line("attach", f"attach{title}", "ms", {name: median(got) for name, got in first.items()}),
            Line("attach", f"reattach{title}", "ms", {name: median(got) for name, got in again.items()}),
        ]
    return lines
