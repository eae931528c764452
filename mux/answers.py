"""Answers dialogs: one at a time in each session, and writes down what became of each.

What to do next is answering.py's matter. Here it is seen what there is to see, and pressed what is to be pressed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Protocol

from agentmux.store.errors import StoreError
from agentmux.store.ledger import NOTE

from . import dialog
from .agentlog import Says
from .alarm import Alarm
from .answering import Answering, Do, Next, Seen, Stage
from .delivery import deliverable
from .errors import AgentmuxError
from .sessionerrors import NothingToSend, NotRunning
from .verdict import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence

    from agentmux.store.stores import Stores

    from .agentlog import Entry
    from .answering import Choice
    from .config import Config
    from .courier import Courier
    from .memory import Memory
    from .session import Session

SOON = 0.015
"""Seconds from a change to the look at it: what belongs together has mostly come by then."""

PROVING = 0.1
"""Most seconds between two looks at the agent's log while its record is waited for."""

RECORDS = 20
"""Records of an agent's that are looked at, the newest: one answers a few questions at most."""

BEFORE = 0.1
"""Seconds by which the agent's clock may be behind ours."""


class End(enum.Enum):
    """What became of an answer. The values are what users see."""

    ANSWERED = "answered"
    REFUSED = "refused"  # nothing was picked
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an answer.

    Attributes:
        number: of the answer that was to be picked, from 1; 0 where there is none.
        option: its words.
        why: why it was refused, or what was seen.
        proof: what shows that it was taken.
        prompt: the number of the prompt that its text has become; 0 for none.
    """

    end: End
    number: int = 0
    option: str = ""
    why: str = ""
    proof: str = ""
    prompt: int = 0


class Owner(Protocol):
    """What is needed of the mux."""

    loop: AbstractEventLoop
    stores: Stores
    memory: Memory
    courier: Courier

    def now(self) -> float:
        """Return Unix seconds."""
        ...

    def config(self) -> Config:
        """Return the configuration."""
        ...

    def publish(self, kind: str, session: Session, **facts: str | int | None) -> None:
        """Tell whoever follows."""
        ...


class Answers:
    """The answers that are under way in all sessions of one server."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._rounds: dict[int, Round] = {}

    def busy(self, session: Session) -> bool:
        """Whether an answer is under way: nothing else is to be typed."""
        return session.id in self._rounds

    def begin(self, session: Session, choice: Choice, seen: str, done: Callable[[Outcome], None]) -> None:
        """Answer a session's dialog, and call ``done`` with what became of it. ``seen``: its token, "" for any.

        Raises:
            NotRunning: there is nobody to answer.
            NothingToSend: nothing of its text can be typed.
        """
        if not session.live:
            raise NotRunning(session.name, session.state.shown)
        text = ""
        if choice.text:
            try:
                text = " ".join(deliverable(choice.text, " ").split())
            except ValueError:
                raise NothingToSend from None
        if session.id in self._rounds:
            done(Outcome(End.REFUSED, why="another answer is under way"))
            return
        if self._owner.courier.typing(session):
            done(Outcome(End.REFUSED, why="a prompt is being typed"))
            return
        profile = session.watched_as
        if profile is None:
            done(Outcome(End.REFUSED, why="nothing is known of its program's dialogs"))
            return
        hands = self._owner.config().seconds("typing-pause")
        machine = Answering(replace(choice, text=text), profile.answer, seen=seen, hands=hands)
        self._rounds[session.id] = Round(self, self._owner, session, machine, text, done)
        self._rounds[session.id].step()

    def logged(self, session: Session, entries: Sequence[Entry]) -> None:
        """A session's agent has written something down."""
        if session.id in self._rounds:
            self._rounds[session.id].logged([entry for entry in entries if entry.says is Says.ANSWER])

    def over(self, session: Session) -> None:
        """A session has ended."""
        if session.id in self._rounds:
            self._rounds[session.id].step()

    def ended(self, session: Session, outcome: Outcome) -> None:
        """An answer is no more under way."""
        self._rounds.pop(session.id, None)
        words = outcome.why or outcome.proof
        self.note(session, outcome.number, outcome.option, outcome.end.value, words)
        if outcome.end is not End.REFUSED:
            facts = {"answer": outcome.number, "option": outcome.option, "state": outcome.end.value}
            self._owner.publish("answered", session, **facts, why=outcome.why or None, proof=outcome.proof or None)
        self._owner.courier.kick(session)

    def note(self, session: Session, number: int, option: str, step: str, why: str = "") -> None:
        """Write down what is done, before it is."""
        evidence = {"answer": number, "option": option if session.recorded else "", "step": step, "why": why}
        try:
            self._owner.stores.ledger.add(session.id, self._owner.now(), NOTE, evidence)
        except StoreError as error:
            session.warn(f"not written down that an answer is {step}: {error}")

    def close(self) -> None:
        """Press no more keys: this server ends."""
        for one in list(self._rounds.values()):
            one.close()
        self._rounds.clear()


class Round:
    """One answer while it is under way."""

    def __init__(
        self,
        answers: Answers,
        owner: Owner,
        session: Session,
        machine: Answering,
        text: str,
        done: Callable[[Outcome], None],
    ) -> None:
        self._answers = answers
        self._owner = owner
        self._loop = owner.loop
        self._session = session
        self._machine = machine
        self._text = text
        self._done = done
        self._records: list[str] = []
        self._pressed: float | None = None  # when the first key was, Unix seconds
        self._alarm = Alarm(owner.loop, self.step)
        session.watchers.append(self._changed)

    def close(self) -> None:
        """Look no more."""
        self._alarm.stop()
        if self._changed in self._session.watchers:
            self._session.watchers.remove(self._changed)

    def logged(self, entries: Sequence[Entry]) -> None:
        """The agent has written answers down."""
        if self._pressed is None:
            return
        since = self._pressed - BEFORE
        found = [entry.text for entry in entries if entry.at >= since or not entry.at]
        if found:
            self._records = [*self._records, *found][-RECORDS:]
            self._alarm.at(self._loop.time())

    def step(self) -> None:
        """Look, and do what there is to do."""
        self._alarm.stop()
        while True:
            if self._machine.stage in (Stage.LOOKS, Stage.GONE):
                self._owner.memory.logs.read(self._session)
            now = self._loop.time()
            following = self._machine.next(self._seen(now))
            if following.do is Do.WAIT:
                at = following.at
                if self._machine.stage is Stage.GONE:
                    at = min(at or now + PROVING, now + PROVING)
                if at is not None:
                    self._alarm.at(at)
                return
            if following.do in (Do.PRESS, Do.PASTE):
                try:
                    self._type(following)
                except AgentmuxError as error:
                    self._end(Outcome(End.REFUSED, why=error.problem))
                    return
            else:
                ends = {Do.ACCEPT: End.ANSWERED, Do.REFUSE: End.REFUSED, Do.DOUBT: End.UNCERTAIN}
                accepted = following.do is Do.ACCEPT
                number = self._machine.wanted + 1 if self._machine.option else 0
                words = {"proof": following.why} if accepted else {"why": following.why}
                prompt = self._prompted() if accepted and self._machine.prompts else 0
                self._end(Outcome(ends[following.do], number, self._machine.option, **words, prompt=prompt))
                return

    def _prompted(self) -> int:
        """Queue the text, which the dialog did not take, as a prompt; return its number."""
        try:
            return self._owner.courier.send(self._session, self._text, at_once=False).id
        except (AgentmuxError, StoreError) as error:
            self._session.warn(f"the text of an answer is not queued: {error}")
            return 0

    def _seen(self, now: float) -> Seen:
        session = self._session
        live = session.master is not None
        verdict = session.verdict
        shown = session.dialog_now() if live else None
        name = ""
        if shown is not None and verdict.status is Status.WAITING and verdict.reason is not None:
            reading = shown.reading
            if (verdict.about, verdict.reason.text, verdict.reason.options) == (
                reading.about,
                reading.text,
                reading.options,
            ):
                name = dialog.token(session.id, verdict)
        profile = session.watched_as
        recorded = bool(profile and session.recorded and profile.log.answers)
        return Seen(
            now,
            live,
            verdict.status is Status.WAITING,
            shown,
            name,
            self._owner.now() - verdict.since if name else 0.0,
            session.typed_at,
            tuple(self._records),
            recorded,
        )

    def _type(self, following: Next) -> None:
        session = self._session
        if following.do is Do.PASTE:
            data = session.screen.paste(self._text.encode("utf-8", "replace"))
        else:
            data = session.screen.keys(following.keys)
        session.check_room(len(data))
        if self._pressed is None:
            self._answers.note(session, self._machine.wanted + 1, self._machine.option, "picking")
            self._pressed = self._owner.now()
        session.type_in(data)

    def _end(self, outcome: Outcome) -> None:
        self.close()
        self._answers.ended(self._session, outcome)
        self._done(outcome)

    def _changed(self) -> None:
        self._alarm.at(self._loop.time() + SOON)
