"""What becomes of what sessions do: it is written down, told to whoever follows and to people, and remembered.

How it is found out is detector.py's matter, one session at a time; here they meet. The same for what the hooks of
agents tell, and for the conversations that agents have open.
"""

from __future__ import annotations

import time
from typing import Protocol

from agentmux.store.errors import StoreError

from . import evidence, hooks, opening
from .following import Following
from .notes import clean
from .notifier import Notice, Notifier
from .programs import desktop_command
from .published import LONGEST_ID
from .resumer import Resumer
from .screen import Notification
from .verdict import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Mapping, Sequence

    from agentmux.store.stores import Stores

    from .config import Config
    from .courier import Courier
    from .memory import Memory
    from .profiles import Profile, Profiles
    from .session import Session
    from .usercommands import UserCommands
    from .verdict import Reading, Source, Verdict


OVER = "limit_over"
"""What the ledger has of a limit after which nothing is to be done by itself any more."""


class Owner(Protocol):
    """What is needed of the mux."""

    loop: AbstractEventLoop
    stores: Stores
    commands: UserCommands
    courier: Courier
    memory: Memory

    def now(self) -> float:
        """Return Unix seconds."""
        ...

    def config(self) -> Config:
        """Return the configuration."""
        ...

    def live(self) -> list[Session]:
        """Return the running sessions."""
        ...

    def known(self, session: int) -> Session | None:
        """Return a session by its id, if it runs or was asked for lately."""
        ...

    def publish(self, kind: str, session: Session, **facts: str | int | None) -> None:
        """Tell whoever follows."""
        ...


class Statuses:
    """The statuses and conversations of all sessions of one server.

    Attributes:
        following: the event streams of their agents.
    """

    def __init__(self, owner: Owner, profiles: Profiles) -> None:
        self._owner = owner
        self._profiles = profiles
        self._resumer = Resumer(owner, self._settled)
        self._notifier = Notifier(owner.loop, config=owner.config, minute=_minute, tell=self._tell)
        self.following = Following(owner, profile=self.profile, named=self.converses, logs=owner.memory.logs)

    def profile(self, argv: Sequence[str]) -> Profile | None:
        """Return the profile of what a command line starts."""
        return self._profiles.of(argv)

    def profiles(self) -> list[Profile]:
        """Return all profiles, the user's first."""
        return self._profiles.all()

    def judged(self, session: Session, before: Status, verdict: Verdict, readings: Mapping[Source, Reading]) -> None:
        """A session does something else now than ``before``."""
        self._write(session, verdict, readings)
        resets = None if verdict.resets is None else int(verdict.resets)
        self._owner.publish("status", session, status=verdict.status.value, about=verdict.about or None, resets=resets)
        if (profile := self.profile(session.row.argv)) is not None:
            rows = session.screen.text_rows
            self.converses(session, opening.learned(profile, session.pid, lambda: rows(0, session.size[1])))
        self.following.judged(session)
        self._notifier.changed(session, before, verdict)
        self._resumer.changed(session)

    def found(self, session: Session, started: float) -> None:
        """A session outlived the server before us: go on from what that knew since the program started."""
        last = self._owner.stores.ledger.last(session.id)
        known = last and evidence.recalled(last.status, last.at, last.evidence)
        if known and last and last.at >= started:
            session.resume_verdict(*known)
            self._resumer.found(session, over=bool(last.evidence.get(OVER)))
        self.following.found(session)

    def ended(self, session: Session) -> None:
        """A session is over."""
        self.following.ended(session)
        self._notifier.ended(session)
        self._resumer.ended(session)

    def typed(self, session: Session) -> None:
        """Somebody types into a session."""
        self._resumer.typed(session)

    def labelled(self, session: Session) -> None:
        """A session has other labels."""
        self._resumer.changed(session)

    def resumes(self, session: Session) -> float | None:
        """Return when a session goes on by itself after a usage limit (Unix seconds), None for not at all."""
        return self._resumer.due(session)

    def spoken(self, session: Session) -> bool:
        """Whether its agent was ever seen at work: what was never begun can't be opened again."""
        return self._owner.stores.ledger.has(session.id, Status.WORKING.value)

    def hooked(self, number: int, event: str, told: str) -> None:
        """Take what a hook of session ``number`` tells; of another one, if that has the conversation that it names."""
        values = hooks.told(told)
        live = {session.id: session for session in self._owner.live()}
        session = next((one for one in live.values() if self._is_of(one, values)), live.get(number))
        profile = None if session is None else self.profile(session.row.argv)
        if session is None or profile is None or event not in profile.hooks.events:
            return
        self.converses(session, values.get(profile.hooks.conversation))
        if reading := profile.hooks.reading(event, values, self._owner.now()):
            session.hook(reading)
        self._owner.publish("hook", session, hook=event)

    def converses(self, session: Session, conversation: str | None) -> None:
        """Remember the conversation that an agent has open, if it is another one now.

        What its profile says that no id looks like is none: it would stand on a command line and in paths.
        """
        profile = self.profile(session.row.argv)
        if not conversation or conversation == session.row.conversation or profile is None:
            return
        if len(conversation) > LONGEST_ID or not profile.conversations.names(conversation):
            return
        rows = self._owner.stores.sessions
        try:
            rows.set_conversation(session.id, conversation)
            session.refresh(rows.get(session.id))
            self._owner.publish("conversation", session, conversation=conversation)
        except StoreError as error:
            session.warn(f"its conversation is not written down: {error}")

    def close(self) -> None:
        """Tell nothing more."""
        self._notifier.close()
        self._resumer.close()
        self.following.close()

    def _settled(self, session: Session) -> None:
        """A session's limit needs nothing any more, whatever the label says: a server after us is to know."""
        self._write(session, session.verdict, session.readings)

    def _write(self, session: Session, verdict: Verdict, readings: Mapping[Source, Reading]) -> None:
        kept = evidence.recorded(verdict, readings, texts=session.recorded)
        if self._resumer.over(session):
            kept[OVER] = True
        try:
            self._owner.stores.ledger.add(session.id, verdict.since, verdict.status.value, kept)
        except StoreError as error:
            session.warn(f"status not written down: {error}")

    def _is_of(self, session: Session, told: Mapping[str, str]) -> bool:
        """Whether a hook told of the conversation of ``session``."""
        profile = self.profile(session.row.argv)
        named = told.get(profile.hooks.conversation) if profile is not None else None
        return bool(named) and named == session.row.conversation

    def _tell(self, notice: Notice) -> None:
        """Tell people: on the terminals of those who lead a session, on the desktop, and whoever follows."""
        event = Notification(clean(notice.title), clean(notice.body))
        for session in self._owner.live():
            session.forward(event)
        if self._owner.config().text("notify-desktop") == "on":
            self._owner.commands.run(desktop_command(event.title, event.body), {})
        for number in notice.sessions:
            if (found := self._owner.known(number)) is not None:
                self._owner.publish("notified", found, about=notice.kind, title=event.title, body=event.body)


def _minute() -> int:
    now = time.localtime()
    return now.tm_hour * 60 + now.tm_min
