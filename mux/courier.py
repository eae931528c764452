"""Delivers prompts: takes each session's queue in its order, one at a time, and writes down what became of each.

What to do next is delivery.py's matter. Here it is seen what there is to see, typed what is to be typed, and made sure
that a server that is killed at any moment types nothing twice. A session without prompts costs nothing.
"""

from __future__ import annotations

from typing import Protocol

from agentmux.store.errors import StoreError
from agentmux.store.ledger import NOTE
from agentmux.store.messages import Role, Source
from agentmux.store.queue import Phase, Queued

from .agentlog import Says
from .delivery import Delivery, Do, Seen, Stage, deliverable, same
from .sessionerrors import InputFull, NoSuchPrompt, NothingToSend, NotRunning
from .verdict import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable, Sequence

    from agentmux.store.stores import Stores

    from .agentlog import Entry
    from .config import Config
    from .memory import Memory
    from .profiles import Profile
    from .session import Session

SOON = 0.015
"""Seconds from a change to the look at it: what belongs together has mostly come by then."""

PROVING = 0.1
"""Most seconds between two looks at the agent's log while a prompt waits for proof, PROOF seconds at most."""

BEGINS = 1.0
"""Seconds for which an agent that has taken a prompt may still look idle."""

MOMENT = 1.5
"""Seconds that count as a moment: whoever sends waits for as long to hear more than that it is queued."""

BEFORE = 2.0
"""Seconds by which the agent's clock may be behind ours."""

AFTER_TROUBLE = 5.0
"""Seconds until it is tried again when the disk refused something."""

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

    def profile(self, session: Session, argv: Sequence[str] | None) -> Profile | None:
        """Return the profile of a session's agent."""
        ...

    def publish(self, kind: str, session: Session, **facts: str | int | None) -> None:
        """Tell whoever follows."""
        ...


class Courier:
    """The queues of all sessions of one server."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._posts: dict[int, Post] = {}
        self._watchers: dict[int, list[Callable[[], None]]] = {}
        self._begun: dict[int, float] = {}  # when a session last took a prompt: Unix seconds

    def knows(self, session: Session) -> bool:
        """Whether it can be seen what becomes of a prompt to this session's program."""
        profile = self._owner.profile(session, None)
        return profile is not None and profile.composer.known

    def send(
        self, session: Session, text: str, *, at_once: bool, not_before: float = 0.0, after: Session | None = None
    ) -> Queued:
        """Queue a prompt, and deliver it now if nothing is in the way; return what is then known of it.

        Raises:
            NotRunning: there is nobody to read it.
            NothingToSend: nothing of it can be typed.
            StoreError: it can't be written down. It is not queued.
        """
        profile = self._owner.profile(session, None)
        if not session.live:
            raise NotRunning(session.name, session.state.shown)
        try:
            text = deliverable(text, profile.composer.newline if profile else "\n")
        except ValueError:
            raise NothingToSend from None
        queue = self._owner.stores.queue
        added = queue.add(
            session.id,
            self._owner.now(),
            text,
            at_once=at_once,
            not_before=not_before,
            after=after.id if after else None,
        )
        self.told(session, added, "queued")
        self._post(session).step()
        prompt = queue.get(added.id)
        if prompt.phase is Phase.QUEUED and not prompt.why:
            queue.waits(prompt.id, "others come first")
            return queue.get(prompt.id)
        return prompt

    def get(self, number: int) -> Queued:
        """Return a prompt by its number.

        Raises:
            NoSuchPrompt: there is none.
        """
        try:
            return self._owner.stores.queue.get(number)
        except KeyError:
            raise NoSuchPrompt(number) from None

    def drop(self, session: Session, prompt: Queued, why: str = "") -> bool:
        """Take a prompt out of its queue; False if it is not queued any more."""
        if self._owner.stores.queue.get(prompt.id).phase is not Phase.QUEUED:
            return False
        self.ended(session, prompt, Phase.DROPPED, why)
        return True

    def pause(self, session: Session, paused: bool) -> None:
        """Deliver nothing to a session any more, or go on."""
        self._owner.stores.queue.pause(session.id, paused)
        if not paused:
            self.kick(session)

    def kick(self, session: Session) -> None:
        """Something about a session's queue has changed."""
        if session.live:
            self._post(session).step()

    def soon(self, prompt: Queued) -> bool:
        """Whether a queued prompt is the next, and what it waits for is over in a moment by itself."""
        post = self._posts.get(prompt.session)
        return post is not None and post.soon == prompt.id

    def woken(self, prompt: int) -> None:
        """Something about a prompt is another than it was."""
        for wake in self._watchers.pop(prompt, ()):
            wake()

    def took(self, session: Session) -> None:
        """A session's agent has taken a prompt: its turn begins."""
        self._begun[session.id] = self._owner.now()

    def begins(self, session: Session) -> float:
        """Return for how many seconds more a session that looks idle may be about to show that it works."""
        begun, verdict = self._begun.get(session.id), session.verdict
        if begun is None or verdict.status is not Status.IDLE or verdict.since > begun:
            return 0.0
        return max(0.0, begun + BEGINS - self._owner.now())

    def interrupted(self, session: Session) -> None:
        """A session's turn is about to be stopped: what is queued waits until somebody says so."""
        if session.id in self._posts:
            self.pause(session, True)
            self._posts[session.id].interrupted()

    def begin(self, sessions: Sequence[Session]) -> None:
        """Take up what the server before us left."""
        left = set(self._owner.stores.queue.sessions())
        for session in sessions:
            if session.id in left:
                self._owner.memory.logs.read(session)
                self._post(session).recover()

    def logged(self, session: Session, entries: Sequence[Entry]) -> None:
        """A session's agent has written something down."""
        if any(entry.says is Says.REPLY for entry in entries):
            self._begun.pop(session.id, None)  # so it has begun, and shows whether it goes on
        prompts = [entry for entry in entries if entry.says is Says.PROMPT]
        if not prompts:
            return
        post = self._posts.get(session.id)
        if post is not None:
            post.logged(prompts)
        for doubtful in self._owner.stores.queue.doubtful(session.id, RECENT):
            found = same([one.text for one in prompts if one.at >= (doubtful.typed or 0) - BEFORE], doubtful.text or "")
            if found is not None:
                self.ended(session, doubtful, Phase.ACCEPTED, "", f"record {prompts.pop(found).id}")

    def over(self, session: Session) -> None:
        """A session has ended: nobody will read what is queued."""
        self._begun.pop(session.id, None)
        post = self._posts.get(session.id)
        if post is not None:
            post.step()
        for prompt in self._owner.stores.queue.waiting(session.id):
            if prompt.phase is Phase.QUEUED:
                self.ended(session, prompt, Phase.REFUSED, "exited")

    def when(self, number: int, wake: Callable[[], None]) -> None:
        """Call ``wake`` once, when something becomes of a prompt."""
        self._watchers.setdefault(number, []).append(wake)

    def told(self, session: Session, prompt: Queued, state: str, why: str = "") -> None:
        """Write down and tell what becomes of a prompt."""
        evidence = {"prompt": prompt.id, "step": state, "why": why}
        try:
            self._owner.stores.ledger.add(session.id, self._owner.now(), NOTE, evidence)
        except StoreError as error:
            session.warn(f"prompt {prompt.id}: not written down that it is {state}: {error}")
        self._owner.publish("prompt", session, prompt=prompt.id, state=state, why=why or None)
        self.woken(prompt.id)

    def ended(self, session: Session, prompt: Queued, phase: Phase, why: str, proof: str = "") -> None:
        """Write what became of a prompt."""
        self._owner.stores.queue.end(prompt.id, phase, self._owner.now(), why, proof)
        self.told(session, prompt, phase.value, why or proof)

    def close(self) -> None:
        """Deliver nothing more: the next server goes on."""
        for post in self._posts.values():
            post.close()
        self._posts.clear()

    def finished(self, session: int) -> None:
        """A session's queue is empty."""
        self._posts.pop(session, None)

    def _post(self, session: Session) -> Post:
        post = self._posts.get(session.id)
        if post is None:
            post = self._posts[session.id] = Post(self, self._owner, session)
        return post


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
        self._why: dict[int, str] = {}
        self.soon = 0  # the prompt whose hurdle will be over in a moment, 0 for none
        self._rows: list[str] = []
        self._shown = self._loop.time()
        self._timer: TimerHandle | None = None
        self._due = 0.0
        self._others: list[Session] = []
        session.watchers.append(self._changed)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        for session in (self._session, *self._others):
            if self._changed in session.watchers:
                session.watchers.remove(self._changed)

    def interrupted(self) -> None:
        """Somebody stops the agent. What was typed and not submitted is left where it stands."""
        if self._prompt is not None and self._delivery is not None and self._delivery.stage is Stage.TYPED:
            prompt, self._prompt, self._delivery = self._prompt, None, None
            self._courier.ended(self._session, prompt, Phase.UNCERTAIN, "interrupted before it was submitted")
        self._look_at(self._loop.time())

    def recover(self) -> None:
        """Go on with the prompt that the server before us was typing, as if it were just typed: not again."""
        waiting = self._owner.stores.queue.waiting(self._session.id)
        prompt = next((one for one in waiting if one.phase is Phase.TYPING), None)
        if prompt is not None and self._take(prompt):
            assert self._delivery is not None
            self._delivery.resume(self._loop.time())
            turns = self._owner.stores.messages.of(self._session.id, RECENT)
            since = (prompt.typed or 0.0) - BEFORE
            known = [
                one for one in turns if one.role is Role.USER and one.source is Source.TRANSCRIPT and one.at >= since
            ]
            found = same([one.text or "" for one in known], prompt.text or "")
            if found is not None:
                self._record = str(known[found].proof.get("id", "")) or "record"
        self.step()

    def logged(self, entries: list[Entry]) -> None:
        """The agent has written prompts down."""
        if self._prompt is None or self._prompt.typed is None:
            return
        since = self._prompt.typed - BEFORE
        found = same([one.text if one.at >= since else "" for one in entries], self._prompt.text or "")
        if found is not None:
            self._record = entries.pop(found).id or "record"
            self._look_at(self._loop.time())

    def step(self) -> None:
        """Look, and do what there is to do."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._go()
        except StoreError as error:
            self._session.warn(f"its prompts are not delivered: {error}")
            self._look_at(self._loop.time() + AFTER_TROUBLE)

    def _go(self) -> None:
        while True:
            if self._delivery is None and not self._choose():
                return
            assert self._delivery is not None and self._prompt is not None
            if self._delivery.stage is Stage.SUBMITTED:
                self._owner.memory.logs.read(self._session)
            now = self._loop.time()
            seen = self._seen(now)
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
            self._note(waiting[0], "the queue is paused")
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
            self._look_at(self._loop.time() + soonest - now)
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
        profile = self._owner.profile(self._session, None)
        if prompt.text is None or profile is None:
            self._courier.ended(self._session, prompt, Phase.REFUSED, "its text is damaged")
            return False
        self._prompt, self._record = prompt, ""
        hands = self._owner.config().seconds("typing-pause")
        self._delivery = Delivery(prompt.text, profile.composer, at_once=prompt.at_once, hands=hands)
        return True

    def _seen(self, now: float) -> Seen:
        session = self._session
        profile = self._owner.profile(session, None)
        verdict = session.verdict
        status, about, composer = verdict.status, verdict.about, None
        if session.master is not None and profile is not None:
            screen = session.screen
            rows = screen.text_rows(0, screen.size[1], styled=True)
            if rows != self._rows:
                self._rows, self._shown = rows, now
            fresh = session.look()
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
            session.typed_at,
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
            profile = self._owner.profile(session, None)
            assert profile is not None
            session.type_in(session.screen.keys(profile.composer.submit))
            self._courier.told(session, prompt, "submitted")
            return True
        phase = {Do.ACCEPT: Phase.ACCEPTED, Do.REFUSE: Phase.REFUSED, Do.DOUBT: Phase.UNCERTAIN}[do]
        if phase is Phase.ACCEPTED:
            self._courier.took(session)
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
            self._look_at(at)

    def _changed(self) -> None:
        self._look_at(self._loop.time() + SOON)

    def _look_at(self, due: float) -> None:
        if self._timer is not None:
            if due >= self._due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self.step)
