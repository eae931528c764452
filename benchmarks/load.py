"""The load: many sessions, clients and dashboards on one server for a long time, and whether anything grows or is lost.

    python benchmarks/load.py [--sessions 300] [--minutes 60] [--clients 20] [--dashboards 3] [--agents N]
                              [--every SECONDS] [--out FILE] [--agentmux PATH]

It runs in private folders and ends everything that it started. Unless ``--agentmux`` names a console script, the
checkout is installed into a temporary environment. Real agents need AGENTMUX_TEST_AGENTS (see CONTRIBUTING.md) and the
test dependencies; without ``--agents`` there are as many as half of the free memory takes, 30 at most. Dashboards are
left out of a version that has none.

Who is there:

- shells, to one of which, in turns, ``echo`` is sent every second or so;
- programs that replay what real agents printed (``tests/recordings``), with signs by which their state is known;
- programs that print hundreds of KB of numbered lines in bursts;
- agents, given a prompt now and then by ``send --wait``;
- clients, a third of which only watch, in a smaller terminal; now and then one leaves and comes back;
- readers of all events, dashboards, and two sessions for the probes;
- at each sample, a session that prints some lines and ends.

FILE, ``load.jsonl`` by default, gets a line of JSON for the run, one for each sample and one for the end, and a picture
of it is put beside it (``benchmarks/plot.py`` draws one of a run that is not over, too); memory is in MiB, what is on
disk in MB, latency in milliseconds, CPU in percent of a core. The scrollback of a session is limited to ``SCROLLBACK``
bytes, so that it is full long before a slope is drawn, through all but the first quarter.

The status is 0 if nothing was lost: each session's log has what its program wrote, byte for byte (in shells: each line
sent, once, in order); the API has seen each prompt once; nobody who looked on died; server and keeper are the ones they
were, have no more descriptors open than at the start when all sessions are gone, and leave no process.

The file is long because whatever a run starts it has to compare and to end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from dataclasses import asdict, dataclass, field
from time import monotonic, sleep

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if not __package__:
    sys.path[0] = ROOT

from benchmarks import contenders, plot, tools  # noqa: E402
from benchmarks.measures import status  # noqa: E402
from benchmarks.underload import crowd, players, probes, prompting, sampler, trends  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RECORDINGS = os.path.join(ROOT, "tests", "recordings")

SCROLLBACK = 20_000
"""Bytes of memory for a session's scrollback: the emulator keeps two pages at least, some hundred rows, and
all that the players begin with is more than that."""

PASSING = 200
"""Lines that a session prints that comes and goes."""

SMALLER = (100, 30)
"""Columns and rows of clients that only watch."""

PROMPTS = 9.0
"""Seconds between two prompts to any of the agents, one after the other: a turn takes up to a second of CPU."""

SETTLED = 30.0
"""Seconds for what should be in a log, or closed, and is not yet."""


@dataclass(slots=True)
class Session:
    """A session whose output is known."""

    name: str
    kind: str
    seed: int = 0
    recording: str = ""
    actor: tools.Actor | None = None
    said: list[int] = field(default_factory=list)
    """Numbers sent to a shell."""


class Load:
    """One run."""

    def __init__(self, stage: tools.Stage, ours: contenders.Agentmux, options: argparse.Namespace) -> None:
        self.stage = stage
        self.ours = ours
        self.options = options
        self.lost: list[str] = []
        self.notes: list[str] = []
        self.samples: list[dict[str, Any]] = []
        self.sessions = mix(options.sessions)
        self.every = options.every or max(1.0, min(10.0, options.minutes))
        self.prompting: prompting.Prompting | None = None
        self.dashboards: list[sampler.Watch] = []
        self._sent = 0
        self._passed = 0

    # -- the beginning

    def start(self) -> None:
        """Start the server, and note what it is with nothing to do; then everybody."""
        self._configure()
        self.ours.new("first", ["cat"])
        self.ours.command("kill", "-t", "first")
        facts = self.ours.facts()
        self.server, self.keeper = facts["server_pid"], facts["keeper_pid"]
        sleep(1.0)  # what starting and ending a session leaves to do
        self.open_at_first = {pid: sampler.descriptors(pid) for pid in (self.server, self.keeper)}
        self.folder = os.path.dirname(facts["log"])
        if self.options.agents:
            self.stage.say(f"starting {self.options.agents} agents")
            self.prompting = prompting.Prompting(self.stage, self.ours, PROMPTS)
            self.prompting.start(self.options.agents)
        for number, session in enumerate(self.sessions):
            self.stage.say(f"starting session {number}/{len(self.sessions)}")
            self._begin(session)
        if self.prompting:
            self.stage.say("waiting for agents")
            self.prompting.ready()
        self.probes = probes.Probes(self.stage, self.ours)
        self.stage.say("starting clients")
        self.crowd = crowd.Crowd(self._watchers(), self.ours.env, max(1.0, self.every))
        self.watched = [sampler.Watch(self.server), sampler.Watch(self.keeper)]

    def _configure(self) -> None:
        folder = self.stage.folder("config/agentmux/agents")
        self.ours.env["XDG_CONFIG_HOME"] = self.stage.folder("config")
        bytes_each = int(2 * self.options.minutes * 60 * 100_000)  # twice what the busiest print
        with open(os.path.join(folder, "..", "config.toml"), "w") as file:
            file.write(f"scrollback-bytes = {SCROLLBACK}\njournal-bytes = {max(1 << 28, bytes_each)}\n")
            file.write("store-bytes = 0\n")  # what is deleted can't be compared
        for recording in recordings():
            with open(os.path.join(folder, f"replayed-{recording}.toml"), "w") as file:
                file.write(status.profile(recording, f"replayed-{recording}"))
            os.symlink(players.__file__, os.path.join(self.stage.folder("players"), f"replayed-{recording}"))

    def _begin(self, session: Session) -> None:
        if session.kind == "shell":
            self.ours.new(session.name, ["/bin/sh", "-c", f"seq {players.PAST[1]}; exec /bin/sh"])
            return
        file, more = players.__file__, [str(session.seed)]
        if session.recording:
            file = os.path.join(self.stage.folder("players"), f"replayed-{session.recording}")
            more.append(path_of(session.recording))
        argv = self.stage.program(session.kind, session.name, *more, file=file)
        self.ours.new(session.name, argv)
        session.actor = self.stage.actor(session.name)

    def _watchers(self) -> list[crowd.Watcher]:
        found = []
        shown = [*(self.prompting.names if self.prompting else []), *(one.name for one in self.sessions)]
        for number in range(self.options.clients):
            argv = self.ours.attach_argv(shown[number * len(shown) // self.options.clients])
            watches = number % 3 == 2
            size = SMALLER if watches else tools.SIZE
            argv += ["--read-only"] if watches else []
            found.append(crowd.Watcher(f"client{number}", argv, size, comes_back=True))
        found.append(crowd.Watcher("events", self.ours.argv("events", "--json")))
        if self.options.dashboards and not self.ours.has_dashboard():
            self.notes.append("this version has no dashboard: none was started")
        elif self.options.dashboards:
            argv = self.ours.argv("dashboard")
            found += [crowd.Watcher(f"dashboard{n}", argv) for n in range(self.options.dashboards)]
        return found

    # -- the run

    def run(self, out: Any) -> None:
        """Let them work; write a line for each sample."""
        began = monotonic()
        end = began + self.options.minutes * 60
        due = began + self.every
        shells = [one for one in self.sessions if one.kind == "shell"]
        while (now := monotonic()) < end:
            if self.prompting:
                self.prompting.step()
            if now >= due:
                due = max(due + self.every, monotonic())
                sample = self._sample(now - began)
                self.samples.append(sample)
                out.write(json.dumps({"kind": "sample", **sample}) + "\n")
                out.flush()
                left = (end - monotonic()) / 60
                self.stage.say(f"{len(self.samples)} samples, {left:.0f} minutes left, {len(self.lost)} complaints")
            if shells:
                self._tell(shells[self._sent % len(shells)])
            sleep(max(0.05, min(1.0, due - monotonic())))

    def _sample(self, at: float) -> dict[str, Any]:
        server, keeper = (one.held() for one in self.watched)
        state = self.crowd.state()
        pids = {pid for name, pid in state["pids"].items() if name.startswith("dashboard")}
        if pids != {one.pid for one in self.dashboards}:
            self.dashboards = [sampler.Watch(pid) for pid in pids]
        sample: dict[str, Any] = {
            "at": at,
            "server": server,
            "keeper": keeper,
            "dashboards": sampler.busiest(self.dashboards),
            "disk": sampler.on_disk(self.folder),
            "seen": {key: state[key] for key in ("bytes", "visits")},
            "load": os.getloadavg()[0],
        }
        try:
            sample["latency"] = self.probes.latency()
        except tools.Problem as problem:
            self.lost.append(f"after {at:.0f} s: {problem}")
        self._pass()
        return sample

    def _tell(self, shell: Session) -> None:
        """Have a shell print a line."""
        try:
            self.ours.command("send", "-t", shell.name, f"echo said-{self._sent}")
        except tools.Problem as problem:
            self.lost.append(str(problem))
        else:
            shell.said.append(self._sent)
        self._sent += 1

    def _pass(self) -> None:
        """Start a session that ends by itself, and see that its output is there."""
        name = f"pass{self._passed}"
        self._passed += 1
        try:
            self.ours.new(name, ["seq", "-f", f"{name} line %g", str(PASSING)])
            self.ours.command("wait", "-t", name, "--exit", "--timeout", "30")
        except tools.Problem as problem:
            self.lost.append(str(problem))
            return
        printed = b"".join(b"%s line %d\r\n" % (name.encode(), n + 1) for n in range(PASSING))
        if self.ours.output("log", "-t", name) != printed:
            self.lost.append(f"{name}: its log is not what it printed")

    # -- the end

    def finish(self) -> None:
        """Stop all, and compare what was written with what is remembered."""
        if self.prompting:
            self.stage.say("waiting for the last replies")
            self.lost += self.prompting.finish()
        for session in self.sessions:
            if session.actor is not None:
                with contextlib.suppress(OSError):  # it is gone, as its answer will show
                    session.actor.order(stop=1)
        self.settled = monotonic() + SETTLED
        for number, session in enumerate(self.sessions):
            self.stage.say(f"comparing {number}/{len(self.sessions)}")
            self.lost += self._compared(session)
        state = self.crowd.state()
        self.lost += [f"{name} died: {words}" for name, words in state["died"].items()]
        self.probes.close()
        self.crowd.close()
        facts = self.ours.facts()
        if (facts["server_pid"], facts["keeper_pid"]) != (self.server, self.keeper):
            self.lost.append(f"server or keeper was replaced; the end of the log: {self._log()!r}")
        self.stage.say("ending all sessions")
        try:
            self.ours.command("kill", "--all")
        except tools.Problem as problem:
            self.lost.append(f"{problem}; the end of the log: {self._log()!r}")
        self.lost += self._still_open()
        self.ours.stop()
        with contextlib.suppress(tools.Problem):
            tools.until(lambda: not self.stage.processes(), "the end of all processes", SETTLED)
        if left := self.stage.processes():
            self.lost.append(f"{len(left)} processes are left: {sorted(left)}")

    def _log(self) -> str:
        return self.ours.output("server", "log")[-1000:].decode(errors="replace")

    def close(self) -> None:
        """End what would keep this process from ending."""
        if self.prompting:
            self.prompting.close()

    def _compared(self, session: Session) -> list[str]:
        """Return what is wrong with a session's log."""
        if session.actor is None:
            return self._heard(session)
        try:
            said = session.actor.said()
        except tools.Problem as problem:
            return [f"{session.name}: {problem}"]
        session.actor.close()
        while True:
            written = players.printed(session.kind, session.name, session.seed, path_of(session.recording))
            process = self.ours.reading("log", "-t", session.name)
            assert process.stdout is not None
            with process.stdout:
                wrong = difference(process.stdout, (next(written)[0] for _ in range(said["blocks"])))
            process.wait()
            if not wrong:
                return []
            if monotonic() > self.settled:
                return [f"{session.name} printed {said['bytes']} bytes; {wrong}"]
            sleep(0.2)

    def _heard(self, shell: Session) -> list[str]:
        while True:
            log = self.ours.output("log", "-t", shell.name)
            found = [int(line[5:]) for line in log.split(b"\r\n") if line.startswith(b"said-") and line[5:].isdigit()]
            if found == shell.said:
                return []
            if monotonic() > self.settled:
                return [f"{shell.name} was to say {shell.said[-3:]} and {len(shell.said)} in all; said {found[-3:]}"]
            sleep(0.2)

    def _still_open(self) -> list[str]:
        """Return which descriptors server and keeper have besides those that they had with nothing to do."""

        def more(pid: int) -> list[str]:
            left = sampler.descriptors(pid)
            for one in self.open_at_first[pid]:
                if one in left:
                    left.remove(one)
            return left

        with contextlib.suppress(tools.Problem):
            tools.until(lambda: not more(self.server) and not more(self.keeper), "descriptors to be closed", SETTLED)
        found = {"server": more(self.server), "keeper": more(self.keeper)}
        return [f"{who} has {len(left)} more open: {left[:10]}" for who, left in found.items() if left]

    def summary(self) -> dict[str, Any]:
        """Return what the last line says."""
        counts = {kind: sum(one.kind == kind for one in self.sessions) for kind in ("shell", "replay", "burst")}
        asked = self.prompting
        return {
            "kind": "summary",
            "sessions": {**counts, "agents": len(asked.names) if asked else 0, "passed": self._passed},
            "prompts": {"sent": len(asked.sent), "answered": asked.answered} if asked else {},
            "said": self._sent,
            "lost": self.lost,
            "notes": self.notes,
            "trends": [asdict(one) for one in trends.trends(self.samples)],
        }


def recordings() -> list[str]:
    """Return the names of the recordings."""
    return sorted(name.removesuffix(".raw.gz") for name in os.listdir(RECORDINGS) if name.endswith(".raw.gz"))


def path_of(recording: str) -> str:
    """Return where a recording is."""
    return os.path.join(RECORDINGS, f"{recording}.raw.gz")


def mix(count: int) -> list[Session]:
    """Return that many sessions: of ten three shells, of thirty one that prints in bursts, replays besides."""
    names = recordings()
    found = []
    for number in range(count):
        if number % 30 == 1:
            found.append(Session(f"burst{number}", "burst", number))
        elif number % 10 in (0, 4, 7):
            found.append(Session(f"shell{number}", "shell"))
        else:
            found.append(Session(f"replay{number}", "replay", number, names[number % len(names)]))
    return found


def difference(log: Any, written: Any) -> str:
    """Return where what ``log``, a file, has differs from the pieces that were written, "" for nowhere."""
    at = 0
    for piece in written:
        got = log.read(len(piece))
        if got != piece:
            same = next((n for n, (one, other) in enumerate(zip(got, piece, strict=False)) if one != other), len(got))
            return f"from byte {at + same} on the log has {got[same : same + 40]!r}, not {piece[same : same + 40]!r}"
        at += len(piece)
    more = log.read(41)
    return f"the log goes on after byte {at}: {more!r}" if more else ""


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks/load.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=300, help="sessions besides the agents'")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--dashboards", type=int, default=3)
    parser.add_argument("--agents", type=int, help="real agents; by default as many as there is memory for, 30 at most")
    parser.add_argument("--every", type=float, help="seconds between samples; by default 10, less in a short run")
    parser.add_argument("--out", metavar="FILE", default="load.jsonl", help="where everything goes (%(default)s)")
    parser.add_argument("--agentmux", metavar="PATH", help="an installed console script instead of this checkout")
    options = parser.parse_args()
    if options.agents is None:
        options.agents = prompting.available()
    tools.end_cleanly()
    with tools.Stage(quick=False) as stage, open(options.out, "w") as out:
        script = os.path.abspath(options.agentmux) if options.agentmux else contenders.install(stage, ROOT)
        ours = contenders.Agentmux(stage, script, "load")
        facts = {"kind": "run", "date": tools.now(), "machine": tools.machine(), "version": ours.version()}
        facts |= vars(options)
        out.write(json.dumps(facts) + "\n")
        load = Load(stage, ours, options)
        try:
            load.start()
            load.run(out)
            load.finish()
        finally:
            load.close()
        summary = load.summary()
        if stage.processes():
            stage.left_behind = True
        out.write(json.dumps(summary) + "\n")
    with open(os.path.splitext(options.out)[0] + ".svg", "w") as file:
        file.write(plot.of_load([facts, *({"kind": "sample", **sample} for sample in load.samples)]))
    show(summary)
    return 1 if load.lost or stage.left_behind else 0


def show(summary: dict[str, Any]) -> None:
    """Print the end of a run."""
    lines = [f"sessions: {summary['sessions']}; prompts: {summary['prompts'] or 'none'}", "", trends.HEAD]
    lines += [str(trends.Trend(**one)) for one in summary["trends"]]
    lines += ["", f"lost: {len(summary['lost'])}", *(f"  {line}" for line in summary["lost"])]
    lines += [f"note: {line}" for line in summary["notes"]]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
