"""Takes prompts for all sessions, and writes down and tells what becomes of each.

How one gets into its agent is post.py's matter, one session at a time. A session without prompts costs nothing.
"""

from __future__ import annotations

from dataclasses import replace

from agentmux.store.errors import StoreError
from agentmux.store.ledger import NOTE
from agentmux.store.queue import Phase, Queued

from .agentlog import Says
from .delivery import deliverable, same
from .post import BEFORE, RECENT, Post
from .sessionerrors import NoSuchPrompt, NothingToSend, NotRunning
from .verdict import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .agentlog import Entry
    from .post import Owner
    from .session import Session

BEGINS = 1.0
"""Seconds for which an agent that has taken a prompt may still look idle."""

SETTLES = 0.4
"""Seconds from an answer of an agent's until it shows whether it goes on, or asks."""


class Courier:
    """The queues of all sessions of one server."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._posts: dict[int, Post] = {}
        self._watchers: dict[int, list[Callable[[], None]]] = {}
        # By session, when it last took a prompt, and until when that may not show.
        self._begun: dict[int, tuple[float, float]] = {}

    def knows(self, session: Session) -> bool:
        """Whether it can be seen what becomes of a prompt to this session's program."""
        profile = session.runs
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
        profile = session.runs
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

    def send_now(self, session: Session, text: str) -> bool:
        """Deliver a prompt of our own, now or never; False if something is in the way.

        Raises:
            NotRunning, NothingToSend, InputFull, StoreError.
        """
        if not self.knows(session):
            self.type_blindly(session, text)
            return True
        return self.send(session, text, at_once=True).phase is not Phase.REFUSED

    def type_blindly(self, session: Session, text: str) -> None:
        """Type a prompt and Enter at once, into a program of which it can't be seen what becomes of it.

        What comes of it is remembered; a password is typed and not remembered.

        Raises:
            NotRunning, InputFull: nothing was typed, nothing is remembered.
        """
        data = text.encode("utf-8", "surrogateescape")
        session.check_room(len(data))
        if session.recorded and not session.secret:
            self._owner.memory.turns.sent(session, text)
            session.prompted(data)
        session.type_in(data)
        session.type_in(session.screen.keys(["Enter"]))

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
        session.row = replace(session.row, paused=paused)
        self._owner.publish("queue", session, paused=paused)
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

    def typing(self, session: Session) -> bool:
        """Whether a prompt stands in a session that is not submitted yet."""
        return session.id in self._posts and self._posts[session.id].typing

    def took(self, session: Session, *, replied: bool) -> None:
        """A session's agent has taken a prompt: its turn begins. ``replied``: it has answered already."""
        now = self._owner.now()
        self._begun[session.id] = now, now + (SETTLES if replied else BEGINS)

    def begins(self, session: Session) -> float:
        """Return for how many seconds more a session that looks idle may be about to show that it works, or asks."""
        begun, until = self._begun.get(session.id, (0.0, 0.0))
        verdict = session.verdict
        now = self._owner.now()
        if not begun or verdict.status is not Status.IDLE or verdict.since > begun or now < begun:
            return 0.0  # the last: somebody has set the clock back
        return max(0.0, until - now)

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
        replied = any(entry.says is Says.REPLY for entry in entries)
        if replied and session.id in self._begun:
            begun, until = self._begun[session.id]
            self._begun[session.id] = begun, min(until, self._owner.now() + SETTLES)
        prompts = [entry for entry in entries if entry.says is Says.PROMPT]
        if not prompts:
            return
        post = self._posts.get(session.id)
        if post is not None:
            post.logged(prompts, replied=replied)
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
