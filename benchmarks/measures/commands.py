"""What a command costs, console script and all, and what a hook costs an agent: beside a bare interpreter."""

from __future__ import annotations

from statistics import median

from ..contenders import Agentmux, Contender, Floor
from ..table import Line, against
from ..tools import Stage, percentile, run_timed

SESSIONS = 5


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Run every command in turn, many times."""
    commands: dict[tuple[str, str], tuple[list[str], dict[str, str]]] = {}
    everybody = [one.another("commands") for one in contenders]
    for one in everybody:
        if isinstance(one, Floor):
            commands["floor", "bare"] = one.bare_argv(), one.env
        if not one.detaches:
            continue
        with stage.trying(one.name):
            for n in range(SESSIONS):
                one.new(f"s{n}", ["cat"])
            for what, argv in (
                ("ls", one.list_argv()),
                ("has", one.has_argv("s1")),
                ("send", one.send_argv("s1", "hello")),
            ):
                if argv:
                    commands[one.name, what] = argv, one.env
            if isinstance(one, Agentmux):
                commands[one.name, "hook"] = one.hook_argv(), {**one.env, "AGENTMUX_SESSION": "1"}
    times: dict[tuple[str, str], list[float]] = {key: [] for key in commands}
    used: dict[tuple[str, str], list[float]] = {key: [] for key in commands}
    rounds = stage.numbers(40, 150)
    for number in range(-2, rounds):
        stage.say(f"{max(number, 0)}/{rounds}")
        for key, (argv, env) in commands.items():
            if stage.takes_part(key[0]):
                with stage.trying(key[0]):
                    took, cpu = run_timed(argv, env, statuses=(0, 1) if key == ("screen", "ls") else (0,))
                    if number >= 0:  # the first ones load what is loaded once
                        times[key].append(took * 1000)
                        used[key].append(cpu * 1000)
    for one in everybody:
        with stage.trying(one.name):
            one.stop()
    lines = []
    for what in ("ls", "has", "send"):
        counts = {who: len(got) for (who, which), got in times.items() if which in (what, "bare")}
        lines.append(against("commands", what, "ms", _middle(times, what), factor=1.5, of="floor", samples=counts))
        lines.append(Line("commands", f"{what}, CPU of the client", "ms", _middle(used, what), samples=counts))
    late = {who: percentile(got, 0.95) for (who, which), got in times.items() if which in ("hook", "bare") and got}
    lines.append(against("commands", "hook, p95", "ms", late, factor=1.6, of="floor"))
    return lines


def _middle(found: dict[tuple[str, str], list[float]], what: str) -> dict[str, float]:
    return {who: median(got) for (who, which), got in found.items() if which in (what, "bare") and got}
