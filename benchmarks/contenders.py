"""Who is measured: how each one starts, lists, attaches and ends, in a private folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys

from .tools import SIZE, Problem, Stage, Terminal, run_timed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Contender:
    """A program that keeps sessions. An argv that it has no command for is empty."""

    name = ""
    detaches = True
    """Whether sessions run without a client."""
    next_keys = b""
    """What shows the next session in an attached client."""
    restores = True
    """Whether a new client is shown what was on the screen."""

    def __init__(self, stage: Stage, program: str, server: str = "main") -> None:
        self.stage = stage
        self.program = program
        self.server = server
        """Name of the server: another one is another, empty world."""
        self.env = stage.environment(self._variables())

    def _variables(self) -> dict[str, str]:
        return {}

    def another(self, server: str) -> Self:
        """Return the same program with a server of that name, not started yet."""
        return type(self)(self.stage, self.program, server)

    def version(self) -> str:
        """Return what it says about itself."""
        return ""

    def new_argv(self, session: str, argv: Sequence[str]) -> list[str]:
        """Return the command that starts a session without attaching."""
        raise NotImplementedError

    def attach_argv(self, session: str) -> list[str]:
        """Return the command that attaches."""
        raise NotImplementedError

    def list_argv(self) -> list[str]:
        """Return the command that lists the sessions."""
        return []

    def has_argv(self, session: str) -> list[str]:
        """Return the command that tells whether a session runs."""
        return []

    def send_argv(self, session: str, text: str) -> list[str]:
        """Return the command that types into a session."""
        return []

    def new(self, session: str, argv: Sequence[str]) -> float:
        """Start a session; return the seconds that the command took."""
        return run_timed(self.new_argv(session, argv), self.env)[0]

    def attach(self, session: str) -> Terminal:
        """Attach in a new terminal."""
        return self.stage.terminal(self.attach_argv(session), self.env)

    def pids(self) -> set[int]:
        """Return the pids of its servers, without the programs in the sessions."""
        return set()

    def stop(self) -> None:
        """End the server and all sessions. What this leaves, ``Stage`` ends."""

    def _asked(self, *words: str) -> str:
        try:
            done = subprocess.run([self.program, *words], env=self.env, capture_output=True, text=True, timeout=30)
        except subprocess.TimeoutExpired:
            raise Problem(f"{self.name} {' '.join(words)}: no answer") from None
        return done.stdout.strip()

    def _tagged(self, command: bytes) -> set[int]:
        """Return the pids of processes of ours that run ``command``, by their name in the process table."""
        found = set()
        for pid in self.stage.processes():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", "rb") as file:
                if file.read().strip() == command:
                    found.add(pid)
        return found


class Agentmux(Contender):
    """What this is about."""

    name = "agentmux"
    next_keys = b"\x02n"

    def _variables(self) -> dict[str, str]:
        return {"XDG_RUNTIME_DIR": self.stage.folder("am")}

    @property
    def python(self) -> str:
        """The interpreter that the console script runs in."""
        with open(self.program, "rb") as file:
            line = file.readline()
        words = line.removeprefix(b"#!").split()
        return os.fsdecode(words[0]) if line.startswith(b"#!/") and words else sys.executable

    def argv(self, *words: str) -> list[str]:
        """Return the command line of any command."""
        return [self.program, "-L", self.server, *words]

    def version(self) -> str:
        return self._asked("--version")

    def new_argv(self, session: str, argv: Sequence[str], *options: str) -> list[str]:
        size = ["-x", str(SIZE[0]), "-y", str(SIZE[1])]
        return self.argv("new", "-d", "-s", session, *size, *options, "--", *argv)

    def unrecorded_argv(self, session: str, argv: Sequence[str]) -> list[str]:
        """Return the command that starts a session of which nothing is kept."""
        return self.new_argv(session, argv, "--no-record")

    def attach_argv(self, session: str) -> list[str]:
        return self.argv("attach", "-t", session)

    def list_argv(self) -> list[str]:
        return self.argv("ls")

    def has_argv(self, session: str) -> list[str]:
        return self.argv("has", "-t", session)

    def send_argv(self, session: str, text: str) -> list[str]:
        return self.argv("send", "-t", session, text)

    def within(self, measure: str, *words: str, timeout: float) -> Any:
        """Have agentmux's interpreter run ``main`` of a measure's file, with these words as arguments.

        Returns:
            What it prints, which is JSON.

        Raises:
            Problem: it failed.
        """
        code = (
            f"import sys; sys.path.append(sys.argv.pop(1)); from benchmarks.measures import {measure}; {measure}.main()"
        )
        argv = [self.python, "-I", "-c", code, ROOT, *words]
        done = subprocess.run(argv, env=self.env, capture_output=True, timeout=timeout)
        if done.returncode:
            raise Problem(f"{measure} {words[0]}: {done.stderr.decode(errors='replace').strip()[-500:]}")
        return json.loads(done.stdout)

    def hook_argv(self) -> list[str]:
        """Return the command that an agent's hook runs."""
        socket = self.facts()["socket"]
        code = "import json, sys; from agentmux.mux.client import hook_argv; print(json.dumps(hook_argv(sys.argv[1])))"
        ran = subprocess.run([self.python, "-I", "-c", code, socket], capture_output=True, check=True, env=self.env)
        return [*json.loads(ran.stdout), "Stop"]

    def facts(self) -> dict[str, Any]:
        """Return what ``server`` says of itself, {} without one."""
        said: dict[str, Any] = json.loads(self._asked("-L", self.server, "server", "--json") or "{}")
        return said

    def pids(self) -> set[int]:
        facts = self.facts()
        return {int(facts[key]) for key in ("server_pid", "keeper_pid") if key in facts}

    def has_dashboard(self) -> bool:
        """Return whether this version has one."""
        argv = self.argv("dashboard", "--help")
        return not subprocess.run(argv, env=self.env, capture_output=True, timeout=30).returncode

    def command(self, *words: str) -> None:
        """Run a command that has to succeed.

        Raises:
            Problem: it did not.
        """
        run_timed(self.argv(*words), self.env)

    def reading(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command whose output is to be read."""
        return subprocess.Popen(self.argv(*words), env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def output(self, *words: str) -> bytes:
        """Return what a command prints."""
        return self.reading(*words).communicate()[0]

    def stop(self) -> None:
        self._asked("-L", self.server, "kill-server")


class Tmux(Contender):
    """tmux with its defaults."""

    name = "tmux"
    next_keys = b"\x02)"

    def _variables(self) -> dict[str, str]:
        return {"TMUX_TMPDIR": self.stage.folder("tm")}

    def _argv(self, *words: str) -> list[str]:
        return [self.program, "-u", "-f", os.devnull, "-L", self.server, *words]

    def version(self) -> str:
        return self._asked("-V")

    def new_argv(self, session: str, argv: Sequence[str]) -> list[str]:
        size = ["-x", str(SIZE[0]), "-y", str(SIZE[1])]
        return self._argv("new-session", "-d", "-s", session, *size, *argv)

    def attach_argv(self, session: str) -> list[str]:
        return self._argv("attach-session", "-t", session)

    def list_argv(self) -> list[str]:
        return self._argv("list-sessions")

    def has_argv(self, session: str) -> list[str]:
        return self._argv("has-session", "-t", session)

    def send_argv(self, session: str, text: str) -> list[str]:
        return self._argv("send-keys", "-t", session, text, "Enter")

    def pids(self) -> set[int]:
        said = self._asked("-L", self.server, "display-message", "-p", "#{pid}")
        return {int(said)} if said.isdigit() else set()

    def stop(self) -> None:
        self._asked("-L", self.server, "kill-server")


class Screen(Contender):
    """GNU screen: one server for each session."""

    name = "screen"

    def _variables(self) -> dict[str, str]:
        config = os.path.join(self.stage.folder("sc"), "rc")
        with open(config, "w") as file:
            file.write("startup_message off\ndefutf8 on\n")
        return {"SCREENDIR": self.stage.folder(f"sc/{self.server}"), "SCREENRC": config}

    def version(self) -> str:
        return self._asked("-v").partition("(")[0].strip()

    def new_argv(self, session: str, argv: Sequence[str]) -> list[str]:
        return [self.program, "-U", "-dmS", session, *argv]

    def attach_argv(self, session: str) -> list[str]:
        return [self.program, "-U", "-x", session]

    def list_argv(self) -> list[str]:
        return [self.program, "-ls"]

    def send_argv(self, session: str, text: str) -> list[str]:
        return [self.program, "-S", session, "-X", "stuff", text + "\\r"]

    def _servers(self) -> list[str]:
        return [name for name in os.listdir(self.env["SCREENDIR"]) if name.partition(".")[0].isdigit()]

    def pids(self) -> set[int]:
        return {int(name.partition(".")[0]) for name in self._servers()}

    def stop(self) -> None:
        for name in self._servers():
            self._asked("-S", name, "-X", "quit")


class Dtach(Contender):
    """dtach: one server for each session, and no emulator: a new client sees only what comes next."""

    name = "dtach"
    restores = False

    def _socket(self, session: str) -> str:
        return os.path.join(self.stage.folder(f"dt/{self.server}"), session)

    def version(self) -> str:
        return self._asked("--version").partition(",")[0]

    def new_argv(self, session: str, argv: Sequence[str]) -> list[str]:
        return [self.program, "-n", self._socket(session), "-Ez", "-r", "none", *argv]

    def attach_argv(self, session: str) -> list[str]:
        return [self.program, "-a", self._socket(session), "-Ez", "-r", "none"]

    def pids(self) -> set[int]:
        return self._tagged(b"dtach")


class Floor(Contender):
    """Nothing in between: a bare interpreter where a command is measured, a bare pty where a terminal is."""

    name = "floor"
    detaches = False
    restores = False

    def __init__(self, stage: Stage, program: str, server: str = "main") -> None:
        super().__init__(stage, program, server)
        self._running: dict[str, Terminal] = {}

    def version(self) -> str:
        return self._asked("-V") + ", bare pty"

    def bare_argv(self) -> list[str]:
        """Return the shortest run of the interpreter that agentmux's console script uses."""
        return [self.program, "-I", "-c", "pass"]

    def new(self, session: str, argv: Sequence[str]) -> float:
        self._running[session] = terminal = self.stage.terminal(argv, self.env)
        return terminal.began

    def attach(self, session: str) -> Terminal:
        return self._running[session]


def gather(stage: Stage, agentmux: str) -> list[Contender]:
    """Return everybody who is installed, agentmux first; who is not is noted."""
    ours = Agentmux(stage, agentmux)
    found: list[Contender] = [ours]
    for kind in (Tmux, Screen, Dtach):
        if path := shutil.which(kind.name):
            found.append(kind(stage, path))
        else:
            stage.notes.append(f"{kind.name} is not installed, and not measured")
    return [*found, Floor(stage, ours.python)]


def install(stage: Stage, checkout: str) -> str:
    """Install agentmux as users get it, not editable, in a new environment; return the console script.

    From a copy: setuptools leaves its build folder beside what it builds.

    Raises:
        SystemExit: it can't be installed; pip's words are on standard error.
    """
    copy = os.path.join(stage.folder("install", lasting=True), "checkout")
    venv = os.path.join(stage.home, "install", "venv")
    os.mkdir(copy)
    for name in ("cli", "mux", "store", "man"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(os.path.join(checkout, name), os.path.join(copy, name), ignore=skipped)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(os.path.join(checkout, name), copy)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    stage.say("making an environment")
    python = os.path.join(venv, "bin", "python")
    for argv in ([sys.executable, "-m", "venv", venv], [python, "-m", "pip", "install", "--quiet", copy]):
        done = subprocess.run(argv, env=env, stdout=sys.stderr)
        if done.returncode:
            raise SystemExit(f"benchmarks: {' '.join(argv)} ended with {done.returncode}")
        stage.say("installing agentmux")
    return os.path.join(venv, "bin", "agentmux")
