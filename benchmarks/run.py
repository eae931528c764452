"""The benchmark: agentmux beside tmux, screen, dtach and the floor, every measure side by side in one run.

    python benchmarks/run.py [--quick] [--json FILE] [--only NAME...] [--agentmux PATH]

``--quick`` takes about eight minutes, all of it half an hour. ``--only`` takes names of measures: commands start
attach echo answers throughput memory stalled frames status dashboard remembered curve. Unless ``--agentmux`` names a
console script, the checkout is installed into a temporary environment the way users get it: what start-up costs depends
on console script and compiled files.

The floor is what nothing in between costs: for commands ``python3 -I -c pass``, run by the interpreter that the
console script uses; for terminals the same program on a bare pty that the benchmark holds itself.

tmux, screen and dtach are measured where they are installed (``apt install tmux screen dtach``). zellij, shpool and
herdr are not: neither Debian 12 nor PyPI nor npm had them in November 2026, only crates.io and pages of releases.

How to read it

- Figures of one run can be compared with each other, figures of two runs can't: the contenders take turns, in
  short slices, so that they share what else the machine does. Look at ratios; targets are ratios where they can be.
- Each value is a median of rounds, or the percentile that the line names. ``-``: it can't do that, or failed (see the
  notes below the table).
- ``commands``: from posix_spawn to the end of the process, output to /dev/null, five sessions in the server.
- ``start``: cold means no server, and a server name never used before, so data folders are made as well.
- ``attach``: from fork to the session's last line on a new terminal, or from the keys that switch to the next one. The
  sessions have printed nothing for 5 s, as those that wait for their user. The floor is a bare interpreter. dtach shows
  nothing until the program prints.
- ``echo``: one byte typed on the client's terminal, and the time until the raw-mode program's answer is there.
  Floods are ``yes`` in other sessions of the same server; those of contenders who are not measured are stopped.
- ``answers``: from a program's question to its terminal (DA1) to the answer, with nobody attached.
- ``throughput``: what the program sees: bytes that its terminal took, by its own clock. Attached, the benchmark reads
  the client's terminal as fast as it can; "until the end is seen" is the rate up to the last line on that terminal.
  Servers that drop what a client can't keep up with may be seen ending late, never wrong. "Recorded / not" compares two
  agentmux servers, in turns: the median of the rounds' ratios.
- ``memory``: what sessions cost is private memory. PSS counts a page that n processes share as 1/n, whoever they
  are: it moves with other interpreters on the machine. agentmux is server and keeper, screen and dtach are the
  processes of all sessions. Ticks are utime + stime as the kernel accounts them, 10 ms each.
- ``stalled``: a client is attached to a printing session, and its terminal is never read. The session's rate, the
  server's growth (the slope of the second half) and the echo in a third session, each beside what it is while a
  session that nobody is attached to prints, in turns. Somebody types all the time: a server may favour the typist.
- ``status``: what a server with a profile for 100 programs uses more than one that does not know them; all of them
  paint what an agent paints, 20 or none of them at work.
- ``dashboard``: from fork to the first session's name on the terminal, beside an interpreter that imports
  prompt_toolkit; from a key to the marker's new place on an emulated screen, while 20 of 200 sessions flood; CPU of the
  dashboard alone.
- ``remembered``: the first ``ls`` of a server with a thousand ended sessions in its database and of one with none, in
  turns; searches of all kinds in an index of 300 MB, by the interpreter of agentmux.
- ``curve``: the same server with ever more sessions. ``benchmarks/plot.py`` draws it. What sessions cost an hour long
  is ``benchmarks/load.py``'s matter.
- ``frames``: CPU of drawing a changed 120 x 40 screen for a viewer of another size, in agentmux's interpreter.

It runs in private folders, with an environment of its own, and ends everything it started, whatever happens:
processes are found by a variable in their environment. The status is 0 when the run came to its end, also with
targets missed; 1 when something was left behind or failed; what failed is noted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if not __package__:
    sys.path[0] = ROOT

from benchmarks import contenders, table, tools  # noqa: E402
from benchmarks.measures import (  # noqa: E402
    answers,
    attach,
    commands,
    curve,
    dashboard,
    echo,
    frames,
    memory,
    remembered,
    stalled,
    start,
    status,
    throughput,
)

MEASURES = {
    "commands": commands.run,
    "start": start.run,
    "attach": attach.run,
    "echo": echo.run,
    "answers": answers.run,
    "throughput": throughput.run,
    "memory": memory.run,
    "stalled": stalled.run,
    "frames": frames.run,
    "status": status.run,
    "dashboard": dashboard.run,
    "remembered": remembered.run,
    "curve": curve.run,
}


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds: eight minutes")
    parser.add_argument("--json", metavar="FILE", help="write everything to FILE, too (- for standard output only)")
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=MEASURES, help=", ".join(MEASURES))
    parser.add_argument("--agentmux", metavar="PATH", help="an installed console script instead of this checkout")
    options = parser.parse_args()
    tools.end_cleanly()
    lines: list[table.Line] = []
    load = os.getloadavg()
    with tools.Stage(quick=options.quick) as stage:
        script = os.path.abspath(options.agentmux) if options.agentmux else contenders.install(stage, ROOT)
        everybody = contenders.gather(stage, script)
        facts = {
            "date": tools.now(),
            "machine": tools.machine(),
            "quick": options.quick,
            "versions": {one.name: one.version() for one in everybody},
            "folders": [stage.runtime, stage.home],
            "load": [load, load],
        }
        for name in options.only or MEASURES:
            stage.begin(name)
            lines += MEASURES[name](stage, everybody)
        facts["load"] = [load, os.getloadavg()]
    result = json.dumps({**facts, "lines": table.as_json(lines), "notes": stage.notes}, indent=1) + "\n"
    if options.json == "-":
        sys.stdout.write(result)
    else:
        if options.json:
            with open(options.json, "w") as file:
                file.write(result)
        versions = ", ".join(f"{name}: {version}" for name, version in facts["versions"].items())
        sys.stdout.write(f"{facts['machine']}, load {load[0]:.1f}; {versions}\n\n{table.as_text(lines)}\n")
        missed = [f"{line.group}: {line.name}" for line in lines if line.good is False]
        judged = sum(line.good is not None for line in lines)
        sys.stdout.write(f"{judged - len(missed)} of {judged} targets met\n")
        sys.stdout.write("".join(f"missed: {name}\n" for name in missed))
        sys.stdout.write("".join(f"note: {note}\n" for note in stage.notes))
    return 1 if stage.left_behind or any("agentmux" in note for note in stage.notes) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
