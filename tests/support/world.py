"""A place of its own for one test: folders, environment, the console script, and a look at what is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from terminal import Terminal, Tmux

T = TypeVar("T")

AGENTMUX = os.path.join(os.path.dirname(sys.executable), "agentmux")
"""The console script, as users run it."""

PATIENCE = 20.0
"""Seconds for what should take a tenth of one: the machine is shared."""


def wait_until(probe: Callable[[], T], *, seconds: float = PATIENCE, what: str | Callable[[], str]) -> T:
    """Return the first truthy ``probe()``; poll fast, give up loudly."""
    deadline = time.monotonic() + seconds
    while True:
        if found := probe():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still no {what if isinstance(what, str) else what()}")
        time.sleep(0.01)


class Ran:
    """How a command ended."""

    def __init__(self, words: Sequence[str], status: int, out: bytes, err: bytes) -> None:
        self.words = list(words)
        self.status = status
        self.raw = out
        self.out = out.decode("utf-8", "surrogateescape")
        self.err = err.decode("utf-8", "surrogateescape")

    def __repr__(self) -> str:
        return f"agentmux {' '.join(self.words)}: status {self.status}\nout: {self.out[-999:]}\nerr: {self.err[-999:]}"

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def ok(self) -> Ran:
        """Insist on status 0 and an empty standard error."""
        assert self.status == 0 and not self.err, self
        return self

    def failed(self, *lines: str, status: int = 1) -> Ran:
        """Insist on the status, and on these words at the start of each line of standard error."""
        assert self.status == status, self
        assert not self.out, self
        said = self.err.splitlines()
        assert len(said) == len(lines), self
        for line, wanted in zip(said, lines, strict=True):
            assert line.startswith(f"agentmux: {wanted}"), self
        return self


class World:
    """One test's folders, environment and processes."""

    def __init__(self) -> None:
        self.root = tempfile.mkdtemp(dir="/tmp", prefix="am")  # a socket path has 107 bytes
        self.home, self.runtime, self.tmp = (os.path.join(self.root, name) for name in ("home", "run", "tmp"))
        for folder in (self.home, self.runtime, self.tmp):
            os.mkdir(folder, 0o700)
        kept = ("PATH", "COVERAGE_PROCESS_START")
        self.env = {name: os.environ[name] for name in kept if name in os.environ}
        self.env["PATH"] = os.path.dirname(AGENTMUX) + os.pathsep + self.env["PATH"]
        self.env |= {
            "HOME": self.home,
            "XDG_RUNTIME_DIR": self.runtime,
            "XDG_DATA_HOME": f"{self.home}/data",
            "XDG_CONFIG_HOME": f"{self.home}/config",
            "XDG_STATE_HOME": f"{self.home}/state",
            "XDG_CACHE_HOME": f"{self.home}/cache",
            "TMPDIR": self.tmp,
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            "SHELL": "/bin/sh",
            "PS1": "$ ",
            "E2E_WORLD": self.root,
        }
        self.terminals: list[Terminal] = []
        self.tmuxes: list[Tmux] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.sockets = [os.path.join(self.runtime, "agentmux", "default")]
        self.expected_in_log: list[str] = []
        self.leave_modes = False

    # -- commands

    @property
    def socket(self) -> str:
        """The path of the default server's socket."""
        return self.sockets[0]

    @property
    def data(self) -> str:
        """The data folder of the default server."""
        return os.path.join(self.home, "data", "agentmux", "default")

    @property
    def log(self) -> str:
        """The log of keeper and server so far."""
        try:
            with open(os.path.join(self.data, "server.log"), errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def run(
        self,
        *words: str,
        input: bytes | None = None,
        env: Mapping[str, str | None] | None = None,
        cwd: str | None = None,
        timeout: float = 60,
        argv: Sequence[str] = (),
        **popen: Any,
    ) -> Ran:
        """Run ``agentmux *words`` without a terminal and return how it ended. It never shows a traceback."""
        done = subprocess.run(
            [*(argv or (AGENTMUX,)), *words],
            input=b"" if input is None else input,
            capture_output=True,
            env=self.environment(env),
            cwd=cwd or self.home,
            timeout=timeout,
            check=False,
            **popen,
        )
        ran = Ran(words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in ran.err, ran
        return ran

    def start(
        self, *words: str, env: Mapping[str, str | None] | None = None, argv: Sequence[str] = (), **popen: Any
    ) -> subprocess.Popen[bytes]:
        """Start ``agentmux *words`` with pipes, and go on."""
        settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [*(argv or (AGENTMUX,)), *words], env=self.environment(env), cwd=self.home, **{**settings, **popen}
        )
        self.processes.append(process)
        return process

    @staticmethod
    def ended(process: subprocess.Popen[bytes], timeout: float = 60) -> Ran:
        """Wait for what ``start`` started."""
        out, err = process.communicate(timeout=timeout)
        ran = Ran([str(word) for word in process.args[1:]], process.returncode, out or b"", err or b"")  # type: ignore[index]
        assert "Traceback" not in ran.err, ran
        return ran

    def environment(self, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """Return the world's environment with changes; None removes a variable."""
        merged = {**self.env, **(changes or {})}
        return {name: value for name, value in merged.items() if value is not None}

    def new(self, name: str, *command: str, options: Iterable[str] = ()) -> int:
        """Start a detached session and return its id."""
        return int(self.run("new", "-d", "-P", "-s", name, *options, "--", *command).ok().out)

    def python(self, name: str, code: str, *arguments: str, options: Iterable[str] = ()) -> int:
        """Start a detached session that runs Python code, quickly and by itself."""
        return self.new(name, sys.executable, "-I", "-S", "-u", "-c", code, *arguments, options=options)

    def info(self, name: str) -> dict[str, Any]:
        """Return what is known of a session."""
        return dict(self.run("info", "-t", name, "--json").ok().json)

    def status(self) -> dict[str, Any]:
        """Return ``server status``."""
        return dict(self.run("server", "status", "--json").ok().json)

    def names(self, *options: str) -> list[str]:
        """Return the names that ``ls`` lists."""
        return self.run("ls", "-F", "{name}", *options).ok().lines

    def screen(self, name: str) -> list[str]:
        """Return what a session shows, without the empty rows at the end."""
        rows = self.run("capture", "-t", name).ok().lines
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def shows(self, name: str, text: str, seconds: float = PATIENCE) -> list[str]:
        """Wait until a session shows ``text``; return its screen."""
        wait_until(
            lambda: any(text in row for row in self.screen(name)),
            seconds=seconds,
            what=lambda: f"{text!r} in {self.screen(name)}",
        )
        return self.screen(name)

    def does(self, name: str, status: str, seconds: float = PATIENCE) -> None:
        """Wait until a session does that."""
        wait_until(
            lambda: self.info(name)["status"] == status,
            seconds=seconds,
            what=lambda: f"{status} of {self.run('why', '-t', name, '--history').out} {self.screen(name)}",
        )

    def exited(self, name: str, timeout: int = 30) -> int | None:
        """Wait for a session's end and return its exit status."""
        ran = self.run("wait", "-t", name, "--exit", "--timeout", str(timeout))
        assert ran.status in (0, 7), ran
        status = self.info(name)["exit_status"]
        assert status is None or isinstance(status, int)
        return status

    def agent(self, profile: str, program: str) -> str:
        """Put an agent of the user's own, ``ours``, and its profile in their places; return the program's path."""
        folder = os.path.join(self.home, "config", "agentmux", "agents")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "ours.toml"), "w") as file:
            file.write(profile)
        path = os.path.join(self.home, "ours")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o755), "w") as file:
            file.write(program)
        return path

    def configure(self, text: str) -> str:
        """Write the configuration file and return its path."""
        folder = os.path.join(self.home, "config", "agentmux")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        path = os.path.join(folder, "config.toml")
        with open(path, "w") as file:
            file.write(text)
        return path

    # -- terminals

    def terminal(self, *words: str, argv: Sequence[str] = (), **settings: Any) -> Terminal:
        """Run ``agentmux *words`` (or any ``argv``) on a terminal of its own."""
        env = self.environment(settings.pop("env", None))
        terminal = Terminal([*(argv or (AGENTMUX,)), *words], env=env, cwd=self.home, **settings)
        self.terminals.append(terminal)
        return terminal

    def attach(self, name: str, *options: str, **settings: Any) -> Terminal:
        """Return a terminal on which a session is shown."""
        return self.terminal("attach", "-t", name, *options, **settings).attached()

    def tmux(self, *words: str, argv: Sequence[str] = (), **settings: Any) -> Tmux:
        """Run ``agentmux *words`` (or any ``argv``) in a real tmux, which then is the user's terminal."""
        env = self.environment(settings.pop("env", None))
        path = os.path.join(self.root, f"tmux{len(self.tmuxes)}")
        tmux = Tmux(path, [*(argv or (AGENTMUX,)), *words], env=env, cwd=self.home, **settings)
        self.tmuxes.append(tmux)
        return tmux

    # -- processes

    def pids(self) -> dict[int, str]:
        """Return every living process of this world with its command line: by the mark in its environment, by
        its command line, by its open terminal."""
        mark, own = os.fsencode(f"E2E_WORLD={self.root}"), os.getpid()
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == own:
                continue
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    if file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X"):
                        continue
                with open(f"/proc/{entry}/environ", "rb") as file:
                    marked = mark in file.read().split(b"\0")
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    command = file.read()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if marked or os.fsencode(self.root) in command:
                found[int(entry)] = command.replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def session_pids(self, session: int) -> set[int]:
        """Return the living processes of a session, by the mark in their environment."""
        mark = b"AGENTMUX_SESSION=%d" % session
        found = set()
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if mark in file.read().split(b"\0"):
                        found.add(pid)
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    @staticmethod
    def connected(pid: int) -> bool:
        """Whether a client has got as far as its connection to the server, and so handles signals."""
        folder = f"/proc/{pid}/fd"
        return any(_target(f"{folder}/{fd}").startswith("socket:") for fd in _listed(folder))

    # -- the end

    @staticmethod
    def outside() -> set[str]:
        """Return what a careless agentmux could make outside of a world."""
        home = os.path.expanduser("~")
        uid = os.getuid()
        places = (f"/tmp/agentmux-{uid}", f"/run/user/{uid}/agentmux", f"{home}/.local/share/agentmux")
        return {place for place in (*places, f"{home}/.config/agentmux") if os.path.lexists(place)}

    def close(self) -> list[str]:
        """End everything, and return what was wrong with how it was left."""
        complaints: list[str] = []
        for terminal in self.terminals:
            terminal.close()
        for tmux in self.tmuxes:
            tmux.close()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for path in self.sockets:
            if not os.path.lexists(path):
                continue
            try:
                done = self.run("-S", path, "kill-server")
            except (AssertionError, subprocess.TimeoutExpired) as error:
                complaints.append(f"kill-server: {error}")
            else:
                if done.status and "no server running" not in done.err:
                    complaints.append(repr(done))
        if left := self.pids():
            grace = time.monotonic() + 1
            while left and time.monotonic() < grace:  # what was told to go may be on its way
                time.sleep(0.02)
                left = self.pids()
        if left:
            complaints.append(f"processes were left behind: {left}")
            self.kill_all(left)
        log = self.log
        for text in self.expected_in_log:
            log = log.replace(text, "")
        if "Traceback" in log or "internal error" in log:
            complaints.append(f"the server's log has a traceback:\n{log[-6000:]}")
        complaints += self._open_to_others()
        shutil.rmtree(self.root, ignore_errors=True)
        return complaints

    def kill_all(self, pids: Iterable[int]) -> None:
        """End processes of this world for certain."""
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_until(lambda: not set(pids) & set(self.pids()), what="end of killed processes")

    def _open_to_others(self) -> list[str]:
        wrong = []
        ours = (os.path.join(self.home, "data"), os.path.join(self.runtime, "agentmux"))
        for base in () if self.leave_modes else ours:
            for folder, folders, files in os.walk(base):
                for name in [*folders, *files]:
                    path = os.path.join(folder, name)
                    mode = os.lstat(path).st_mode
                    if not stat.S_ISLNK(mode) and stat.S_IMODE(mode) & 0o077:
                        wrong.append(f"{path} has mode {stat.S_IMODE(mode):04o}")
        if left := os.listdir(self.tmp):
            wrong.append(f"left in the temporary folder: {left}")
        return wrong


def cpu_seconds(pid: int) -> float:
    """Return the seconds that a process has worked."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return ""
