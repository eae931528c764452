"""How long things take while all that goes on: an echo, a list, a key that is sent, a change until its event.

Beside the echo stands that of the same program on a bare terminal: what it takes is the machine's, not the server's.
"""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
from time import monotonic, perf_counter

from ..contenders import Agentmux
from ..measures.echo import KEYS, type_keys
from ..tools import Problem, Stage, percentile, run_timed

ECHOES = 40
"""Keys typed for one sample."""

PATIENCE = 10.0
"""Seconds after which a probe counts as failed."""

STATES = ("working", "idle")


class Probes:
    """Two sessions that nothing else uses: one that echoes, with a client, and one that tells what it does."""

    def __init__(self, stage: Stage, ours: Agentmux) -> None:
        self._ours = ours
        ours.new("probe-echo", stage.program("echo", "probe-echo"))
        stage.actor("probe-echo").close()
        ours.new("probe-status", stage.program("agent", "probe-status"))
        self._actor = stage.actor("probe-status")
        self._terminal = ours.attach("probe-echo")
        self._terminal.quiet(0.5)
        type_keys(self._terminal, 5)
        self._bare = stage.terminal(stage.program("echo", "bare-echo"), ours.env)
        stage.actor("bare-echo").close()
        self._turn = 0
        self._events = ours.reading("events", "--json", "-t", "probe-status")
        assert self._events.stdout is not None
        self._fd = self._events.stdout.fileno()
        os.set_blocking(self._fd, False)

    def latency(self) -> dict[str, float]:
        """Return the milliseconds of one sample.

        Raises:
            Problem: something took more than PATIENCE, or its process has ended.
        """
        bare = type_keys(self._bare, ECHOES)
        echoes = type_keys(self._terminal, ECHOES)
        return {
            "bare_p50": percentile(bare, 0.5),
            "bare_p95": percentile(bare, 0.95),
            "echo_p50": percentile(echoes, 0.5),
            "echo_p95": percentile(echoes, 0.95),
            "echo_worst": max(echoes),
            "ls": run_timed(self._ours.list_argv(), self._ours.env)[0] * 1000,
            "send": self._sent() * 1000,
            "event": self._event() * 1000,
        }

    def _sent(self) -> float:
        """Return the seconds from starting ``send`` until its key is on an attached terminal."""
        key = random.choice(KEYS)
        self._terminal.quiet(0.02)
        self._terminal.forget()
        argv = [*self._ours.send_argv("probe-echo", key.decode()), "--no-enter"]
        start = perf_counter()
        process = subprocess.Popen(argv, env=self._ours.env, stdin=subprocess.DEVNULL)
        try:
            self._terminal.wait_for(key, PATIENCE)
            return perf_counter() - start
        finally:
            if process.wait(PATIENCE):
                raise Problem(f"send ended with {process.returncode}")

    def _event(self) -> float:
        """Return the seconds from the order to change what a program says of itself until an event tells of it."""
        self._read()
        self._turn += 1
        start = perf_counter()
        self._actor.order(state=STATES[self._turn % 2])
        until, data = monotonic() + PATIENCE, b""
        while monotonic() < until:
            select.select([self._fd], [], [], until - monotonic())
            data += self._read()
            whole = data.split(b"\n")[:-1]
            if any(json.loads(line)["event"] in ("status", "program-status") for line in whole):
                return perf_counter() - start
        raise Problem("no event tells of a change")

    def _read(self) -> bytes:
        try:
            data = os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return b""
        if not data:
            raise Problem("the reader of events has ended")
        return data

    def close(self) -> None:
        """Leave; the sessions stay."""
        self._terminal.close()
        self._bare.close()
        self._actor.close()
        self._events.terminate()
        self._events.wait()
        if self._events.stdout is not None:
            self._events.stdout.close()
