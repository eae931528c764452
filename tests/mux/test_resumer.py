"""Who goes on after a usage limit: the test is the mux and the session, and its clock is the loop's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import pytest
from clocked import Loop, strict

from agentmux.mux.config import DEFAULT, Config
from agentmux.mux.limits import LABEL, Resumption
from agentmux.mux.resumer import CATCH_UP, LOOK, Owner, Resumer
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


class Walled(Host):
    """A mux whose clock on the wall is set, while the loop's goes on."""

    ahead = 0.0

    def now(self) -> float:
        return self.loop.clock + self.ahead


@pytest.mark.parametrize("asleep", [8 * LOOK, 3600.0, 3.2e8])
def test_after_a_sleep_or_a_jump_ahead_a_session_goes_on_at_the_next_look_and_once(loop: Loop, asleep: float) -> None:
    """The loop's clock stood still meanwhile; that the clock goes back then changes nothing."""
    host, session = Walled(loop, None), Limited(loop.clock + 8 * LOOK)
    resumer = Resumer(cast(Owner, host), lambda _: None)
    resumer.changed(cast(Session, session))
    host.ahead = asleep
    loop.advance(LOOK)
    loop.advance(CATCH_UP)
    assert host.told == ["scheduled", "acted"]
    for ahead in (0.0, asleep, -asleep):
        host.ahead = ahead
        for _ in range(5):
            resumer.changed(cast(Session, session))
            loop.advance(LOOK)
    assert (host.told, host.sent) == (["scheduled", "acted"], ["continue"])


@pytest.mark.parametrize("back", [30.0, 1800.0])
def test_a_clock_that_was_set_back_delays_until_it_says_so_again_and_no_longer(loop: Loop, back: float) -> None:
    host, session = Walled(loop, None), Limited(loop.clock)
    resumer = Resumer(cast(Owner, host), lambda _: None)
    resumer.changed(cast(Session, session))
    host.ahead = -back
    for _ in range(int((60 + back) // 10) - 1):
        loop.advance(10.0)
    assert host.sent == []
    loop.advance(10.0)
    loop.advance(CATCH_UP)
    assert (host.told, host.sent) == (["scheduled", "acted"], ["continue"])


def test_a_clock_that_is_right_again_before_anybody_looked_fires_nothing_early(loop: Loop) -> None:
    host, session = Walled(loop, None), Limited(loop.clock)
    session.verdict = Limited(loop.clock + 4 * LOOK).verdict
    resumer = Resumer(cast(Owner, host), lambda _: None)
    resumer.changed(cast(Session, session))
    loop.advance(LOOK / 2)
    host.ahead = 3.2e8
    loop.advance(LOOK / 4)
    host.ahead = 0.0
    for _ in range(3):
        loop.advance(LOOK)
    assert host.sent == []
    loop.advance(2 * LOOK)
    loop.advance(CATCH_UP)
    assert host.sent == ["continue"]
