"""Who goes on after a usage limit: the test is the mux and the session, and its clock is the loop's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import pytest
from clocked import Loop, strict

from agentmux.mux.config import DEFAULT, Config
from agentmux.mux.limits import LABEL, Resumption
from agentmux.mux.resumer import Owner, Resumer
from agentmux.mux.session import Session
from agentmux.mux.sessionerrors import InputFull, NothingToSend, NotRunning
from agentmux.mux.verdict import Reading, Source, Status, Verdict
from agentmux.store.errors import StoreError


class Limited:
    """A session at a limit that ends in a minute; its place for prompts is there."""

    id = 1
    live = True
    takes_prompt = True
    resumption = Resumption(prompt="continue", margin=0.0)

    def __init__(self, now: float) -> None:
        self.labels = {LABEL: "on"}
        self.watchers: list[Callable[[], None]] = []
        reading = Reading(Source.SCREEN, Status.WAITING, "limit", now, "limit", resets=now + 60)
        self.verdict = Verdict(Status.WAITING, now, reading)

    def look(self) -> Verdict:
        return self.verdict


class Host:
    """The mux, and its courier."""

    def __init__(self, loop: Loop, fails: Exception | None) -> None:
        self.loop = loop
        self.courier = self
        self.told: list[object] = []
        self.sent: list[str] = []
        self._fails = fails

    def now(self) -> float:
        return self.loop.clock

    def config(self) -> Config:
        return DEFAULT

    def publish(self, kind: str, session: Session, **facts: str | int | None) -> None:
        self.told.append(facts["what"])

    def send_now(self, session: Session, text: str) -> bool:
        if self._fails is not None:
            raise self._fails
        self.sent.append(text)
        return True


@pytest.fixture
def loop() -> Iterator[Loop]:
    with strict() as made:
        yield made


@pytest.mark.parametrize(
    "fails",
    [None, StoreError("the disk is full"), NotRunning("one", "exited"), InputFull("one", 1 << 23), NothingToSend()],
    ids=lambda error: type(error).__name__,
)
def test_a_prompt_that_fails_cancels_and_the_next_limit_counts(loop: Loop, fails: Exception | None) -> None:
    host, session = Host(loop, fails), Limited(loop.clock)
    settled: list[Session] = []
    resumer = Resumer(cast(Owner, host), settled.append)
    for number in (1, 2):
        resumer.changed(cast(Session, session))
        loop.advance(61.0)
        loop.advance(1.0)
        assert host.told == ["scheduled", "cancelled" if fails else "acted"] * number
        assert len(settled) == number and host.sent == ["continue"] * (0 if fails else number)
        session.verdict = Limited(loop.clock).verdict
