"""The prompts of one session on their way: what there is to see is seen, and what is to be typed is typed.

What to do next is delivery.py's matter. Before a byte of a prompt is typed that is on the disk, so that a server which
is killed at any moment types nothing twice: the next one goes on from what stands on the screen and in the agent's log.
"""

from __future__ import annotations

from typing import Protocol

from agentmux.store.errors import StoreError
from agentmux.store.messages import Role, Source
from agentmux.store.queue import Phase, Queued

from .alarm import Alarm
from .delivery import Delivery, Do, Seen, Stage, same
from .sessionerrors import InputFull, NotRunning
from .verdict import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from agentmux.store.stores import Stores

    from .agentlog import Entry
    from .config import Config
    from .courier import Courier
    from .memory import Memory
    from .session import Session

SOON = 0.015
"""Seconds from a change to the look at it: what belongs together has mostly come by then."""

DRAWN = 0.3
"""Least seconds from what somebody or a script types to a prompt: by then the screen shows it."""

PAUSE = 0.1
"""Least seconds between two looks while nothing is being typed."""

PROVING = 0.1
"""Most seconds between two looks at the agent's log while a prompt waits for proof, PROOF seconds at most."""

LOOK = 60.0
"""Most seconds until it is looked whether a prompt's time has come: clocks are set, and machines sleep."""

MOMENT = 1.5
"""Seconds that count as a moment: whoever sends waits for as long to hear more than that it is queued."""

BEFORE = 2.0
"""Seconds by which the agent's clock may be behind ours."""

AFTER_TROUBLE = 5.0
"""Seconds until it is tried again when the disk refused something."""

PAUSED = "the queue is paused"
"""Why a prompt waits, or is refused, while nothing is delivered."""

ANSWERING = "an answer is under way"
"""Why a prompt waits, or is refused, while a dialog is being answered."""

RECENT = 50
"""Turns and prompts that are looked through after a restart for what was under way."""


class Owner(Protocol):
    """What is needed of the mux."""

    loop: AbstractEventLoop
    stores: Stores
    memory: Memory

    def now(self) -> float:
        """Return Unix seconds."""
        ...

    def config(self) -> Config:
        """Return the configuration."""
        ...

    def known(self, session: int) -> Session | None:
        """Return a session by its id, if it runs or was asked for lately."""
        ...

    def answering(self, session: Session) -> bool:
        """Whether a dialog of a session's is being answered."""
        ...

    def publish(self, kind: str, session: Session, **facts: str | int | None) -> None:
        """Tell whoever follows."""
        ...


class Post:
    """The queue of one session while there is something in it."""

    def __init__(self, courier: Courier, owner: Owner, session: Session) -> None:
        self._courier = courier
        self._owner = owner
        self._loop = owner.loop
        self._session = session
        self._prompt: Queued | None = None
        self._delivery: Delivery | None = None
        self._record = ""
        self._replied = False
        self._why: dict[int, str] = {}
        self.soon = 0  # the prompt whose hurdle will be over in a moment, 0 for none
        self._rows: list[str] = []
        self._shown = self._loop.time()
        self._alarm = Alarm(owner.loop, self.step)
        self._last = 0.0
        self._does: tuple[Status, str] | None = None
        self._others: list[Session] = []
        session.watchers.append(self._changed)

    def close(self) -> None:
        """Look no more."""
        self._alarm.stop()
        for session in (self._session, *self._others):
            if self._changed in session.watchers:
                session.watchers.remove(self._changed)

    @property
    def typing(self) -> bool:
        """Whether its prompt was typed and not submitted."""
        return self._delivery is not None and self._delivery.stage is Stage.TYPED

    def interrupted(self) -> None:
        """Somebody stops the agent. What was typed and not submitted is left where it stands."""
        if self._prompt is not None and self.typing:
            prompt, self._prompt, self._delivery = self._prompt, None, None
            self._courier.ended(self._session, prompt, Phase.UNCERTAIN, "interrupted before it was submitted")
        self._alarm.at(self._loop.time())

    def recover(self) -> None:
        """Go on with the prompt that the server before us was typing, as if it were just typed: not again."""
        waiting = self._owner.stores.queue.waiting(self._session.id)
        prompt = next((one for one in waiting if one.phase is Phase.TYPING), None)
        if prompt is not None and self._take(prompt):
            assert self._delivery is not None
            self._delivery.resume(self._loop.time())
            turns = self._owner.stores.messages.of(self._session.id, RECENT)
            since = (prompt.typed or 0.0) - BEFORE
            used = {one.proof for one in self._owner.stores.queue.of(self._session.id, RECENT)}
            known = [
                one
                for one in turns
                if one.role is Role.USER and one.source is Source.TRANSCRIPT and one.at >= since
                if f"record {one.proof.get('id')}" not in used
            ]
            found = same([one.text or "" for one in known], prompt.text or "")
            if found is not None:
                self._record = str(known[found].proof.get("id", "")) or "record"
        self.step()

    def logged(self, entries: list[Entry], *, replied: bool) -> None:
        """The agent has written prompts down. ``replied``: and an answer."""
        if self._prompt is None or self._prompt.typed is None:
            return
        since = self._prompt.typed - BEFORE
        found = same([one.text if one.at >= since else "" for one in entries], self._prompt.text or "")
        if found is not None:
            self._record = entries.pop(found).id or "record"
            self._replied = replied
            self._alarm.at(self._loop.time())

    def step(self) -> None:
        """Look, and do what there is to do."""
        self._alarm.stop()
        self._last = self._loop.time()
        try:
            self._go()
        except StoreError as error:
            self._session.warn(f"its prompts are not delivered: {error}")
            self._alarm.at(self._loop.time() + AFTER_TROUBLE)

    def _go(self) -> None:
        while True:
            if self._delivery is None and not self._choose():
                return
            assert self._delivery is not None and self._prompt is not None
            if self._delivery.stage is Stage.SUBMITTED:
                self._owner.memory.logs.read(self._session)
            now = self._loop.time()
            seen = self._seen(now)
            if self._delivery.stage is Stage.WAITS and self._owner.answering(self._session):
                if self._prompt.at_once:
                    self._done(Do.REFUSE, ANSWERING)
                    continue
                self._wait(ANSWERING, None)
                return
            begins = self._courier.begins(self._session)
            if begins and self._delivery.stage is Stage.WAITS:
                self._wait("its turn has just begun", now + begins)
                return
            following = self._delivery.next(seen)
            if following.do is Do.WAIT:
                at = following.at
                if self._delivery.stage is Stage.SUBMITTED:
                    at = min(at or now + PROVING, now + PROVING)
                self._wait(following.why, at)
                return
            if not self._done(following.do, following.why):
                return

    def _choose(self) -> bool:
        """Take the next prompt that may go; False if there is none now."""
        queue, now = self._owner.stores.queue, self._owner.now()
        waiting = [one for one in queue.waiting(self._session.id) if one.phase is Phase.QUEUED]
        if not waiting or not self._session.live:
            self.close()
            self._courier.finished(self._session.id)
            return False
        if queue.paused(self._session.id):
            for prompt in waiting:
                if prompt.at_once:
                    self._courier.ended(self._session, prompt, Phase.REFUSED, PAUSED)
                else:
                    self._note(prompt, PAUSED)
            return False
        soonest = None
        for prompt in sorted(waiting, key=lambda one: not one.at_once):  # now means before all that may wait
            if prompt.not_before > now:
                soonest = min(soonest or prompt.not_before, prompt.not_before)
                self._note(prompt, "its time has not come")
            elif prompt.after is not None and not self._at_rest(prompt.after):
                self._note(prompt, f"session {prompt.after} is not done")
            elif self._take(prompt):
                return True
        if soonest is not None:
            self._alarm.at(self._loop.time() + min(soonest - now, LOOK))
        return False

    def _at_rest(self, other: int) -> bool:
        session = self._owner.known(other)
        if session is None or not session.live:
            return True
        if session not in self._others:
            self._others.append(session)
            session.watchers.append(self._changed)
        return session.verdict.status is Status.IDLE and not self._owner.stores.queue.waiting(other)

    def _take(self, prompt: Queued) -> bool:
        """Begin with a prompt; False if there is no way."""
        profile = self._session.runs
        if prompt.text is None:
            self._courier.ended(self._session, prompt, Phase.REFUSED, "its text is damaged")
            return False
        if profile is None:
            if prompt.phase is Phase.TYPING:
                self._courier.ended(self._session, prompt, Phase.UNCERTAIN, "its agent is gone")
            elif prompt.at_once:
                self._courier.ended(self._session, prompt, Phase.REFUSED, "no agent is there")
            else:
                self._note(prompt, "no agent is there")
            return False
        self._prompt, self._record, self._replied = prompt, "", False
        self._delivery = Delivery(prompt.text, profile.composer, at_once=prompt.at_once)
        return True

    def _seen(self, now: float) -> Seen:
        session = self._session
        verdict = session.verdict
        status, about, composer = verdict.status, verdict.about, None
        fresh = session.look()  # also at what runs there now
        if session.master is not None and (profile := session.runs) is not None:
            screen = session.screen
            rows = screen.text_rows(0, screen.size[1], styled=True)
            if rows != self._rows:
                self._rows, self._shown = rows, now
            if fresh.status in (Status.WAITING, Status.WORKING):
                status, about = fresh.status, fresh.about
            composer = profile.composer.text(rows)
            assert self._prompt is not None
            if "\n" in (self._prompt.text or "") and not screen.bracketed_paste:
                composer = None  # it would take each line for a prompt
        return Seen(
            now,
            session.master is not None,
            status,
            about,
            composer,
            self._shown,
            max(
                session.typed_at + max(self._owner.config().seconds("typing-pause"), DRAWN), session.scripted_at + DRAWN
            ),
            session.rested_at if session.rested_at is not None else now,
            self._record,
            self._owner.memory.logs.expected(session),
        )

    def _done(self, do: Do, why: str) -> bool:
        """Do it; return whether there may be more to do at once."""
        session, prompt = self._session, self._prompt
        assert prompt is not None
        if do is Do.TYPE:
            return self._type(prompt)
        if do is Do.SUBMIT:
            assert self._delivery is not None
            session.type_in(session.screen.keys(self._delivery.composer.submit))
            self._courier.told(session, prompt, "submitted")
            return True
        phase = {Do.ACCEPT: Phase.ACCEPTED, Do.REFUSE: Phase.REFUSED, Do.DOUBT: Phase.UNCERTAIN}[do]
        if phase is Phase.ACCEPTED:
            self._courier.took(session, replied=self._replied)
        proof = f"{why} {self._record}".strip() if phase is Phase.ACCEPTED else ""
        self._prompt = self._delivery = None
        self._why.pop(prompt.id, None)
        self._courier.ended(session, prompt, phase, "" if proof else why, proof)
        return True

    def _type(self, prompt: Queued) -> bool:
        session, text = self._session, prompt.text or ""
        data = session.screen.paste(text.encode("utf-8", "replace"))
        try:
            session.check_room(len(data))
        except (NotRunning, InputFull) as error:
            self._prompt = self._delivery = None
            self._courier.ended(session, prompt, Phase.REFUSED, error.problem)
            return True
        try:
            self._owner.stores.queue.typing(prompt.id, self._owner.now())
        except StoreError:
            self._prompt = self._delivery = None  # not a byte was typed: it is queued as before
            raise
        self._prompt = self._owner.stores.queue.get(prompt.id)
        if session.recorded:
            self._owner.memory.turns.sent(session, text)
            session.prompted(text.encode("utf-8", "replace"))
        session.type_in(data)
        self._courier.told(session, prompt, "typing")
        return True

    def _note(self, prompt: Queued, why: str) -> None:
        if self._why.get(prompt.id) != why:
            self._why[prompt.id] = why
            self._owner.stores.queue.waits(prompt.id, why)
            self._courier.woken(prompt.id)

    def _wait(self, why: str, at: float | None) -> None:
        assert self._prompt is not None and self._delivery is not None
        if self._delivery.stage is Stage.WAITS:
            self.soon = self._prompt.id if at is not None and at - self._loop.time() <= MOMENT else 0
            self._note(self._prompt, why)
            self._prompt = self._delivery = None  # another may be first by then
        if at is not None:
            self._alarm.at(at)

    def _changed(self) -> None:
        """The session has printed, or does something else: while it works at something its output tells nothing new."""
        verdict = self._session.verdict
        does = verdict.status, verdict.about
        if self._delivery is None and does == self._does and verdict.status is not Status.IDLE:
            return
        self._does = does
        self._alarm.at(
            self._loop.time() + SOON
            if self._delivery is not None
            else max(self._last + PAUSE, self._loop.time() + SOON)
        )
