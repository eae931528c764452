"""The mux: the one place that owns every session of a socket.

Everybody else names a session by its id and asks here. It speaks with the
keeper, which forks and holds the programs, and with the store, which remembers
them; it decides nothing about terminals (session.py) or clients (peer.py). It is
long because what spawns, hands over and recovers a session has to agree on who
holds its terminal, and is easier to check on one page.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import time
from dataclasses import dataclass, field, replace

from agentmux.store import search
from agentmux.store.errors import NameTaken as RowNameTaken
from agentmux.store.errors import NoSuchSession, StoreError
from agentmux.store.inbox import Inbox, unsaved
from agentmux.store.inbox import Phase as InboxPhase
from agentmux.store.sessions import UNKNOWN, SessionRow
from agentmux.store.stores import Stores
from agentmux.store.usage import Used

from . import authsock, opening, programs, sweep, targets
from . import size as sizes
from .answers import Answers
from .branches import Branches
from .client import hook_argv
from .config import Config, File
from .courier import Courier
from .environment import child_environment
from .events import FREQUENT, Bus, Happened
from .interrupter import Interrupter
from .keeperlink import (
    Exited,
    Failed,
    KeeperGone,
    KeeperLink,
    Listener,
    Pane,
    Ping,
    Replaced,
    Settled,
    Spawned,
    Welcome,
    start_keeper,
)
from .killer import Killer
from .lifecycle import State
from .memory import Memory
from .notes import clean
from .opening import Opening
from .paths import log_file
from .profiles import Profile, Profiles
from .roster import Roster
from .screen import DEFAULT_COLOURS, Colours
from .session import READ, SHARE, Session
from .sessionerrors import NameTaken, NoConversation, NoSession, NotRunning, SpawnFailed, StillRunning, UpgradeRefused
from .size import Size
from .statuses import Statuses
from .usercommands import UserCommands
from .verdict import Status, over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .agentlog import Entry
    from .clientterminal import ClientTerminal
    from .verdict import Reading, Source, Verdict

Record = SessionRow
"""A session's record, by the name under which the command line knows it."""

HIT, HIT_END = search.HIT, search.HIT_END
"""Around what was found, in the snippets of a search."""

ACTIVITY = 1.0
"""Least seconds between two ``output-activity`` events of one session."""

ROOM = 24
"""Descriptors that must be left for another program: it takes three, and clients who come to end one need some."""

CRASHES = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE}
"""Ends of a server that point at the emulator, when it was being fed."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What to start.

    Attributes:
        argv: the program and its arguments; empty for the default command.
        env: the requesting client's environment.
        extra: what the user added to it.
        size: None for the default.
        umask: None for that of whoever started the keeper.
        record: how much is remembered: all, screen or off; empty for what the configuration says.
        parent: the session whose conversation it goes on from, None for none.
        opening: how that goes on; None: ``argv`` as the profile says.
    """

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    name: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    size: Size | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    umask: int | None = None
    record: str = ""
    parent: int | None = None
    opening: Opening | None = None


class Mux:
    """All sessions of one socket. One per server."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        link: KeeperLink,
        stores: Stores,
        inbox: Inbox,
        *,
        socket: str,
        config: File,
        profiles: Profiles,
        argv: tuple[list[str], list[str]],
        on_listener: Callable[[int], None],
        on_keeper: Callable[[int], None],
        on_replaced: Callable[[], None],
        log: Callable[[str], None],
    ) -> None:
        self.loop = loop
        self.stores = stores
        self.rows = stores.sessions
        self.inbox = inbox
        self.socket = socket
        self.bus = Bus()
        self.keeper_pid = 0
        self.colours = DEFAULT_COLOURS  # those of the client's terminal that told them last
        self._link = link
        self._sessions = Roster()
        self.memory = Memory(
            loop,
            stores,
            now=self.now,
            config=self.config,
            opened=self._sessions.get,
            profile=lambda session: self.profile(session, None),
            said=lambda session, role: self.publish("message", session, role=role.value),
            logged=self._logged,
            log=log,
        )
        self.commands = UserCommands(loop, log)
        self.branches = Branches(loop, self._branches_changed)
        self._config = config
        self.statuses = Statuses(self, profiles)
        self.courier = Courier(self)
        self.answers = Answers(self)
        self.interrupter = Interrupter(self)
        self.killer = Killer(self)
        self._server_argv, self._keeper_argv = argv
        self._on_listener = on_listener
        self._on_keeper = on_keeper
        self._on_replaced = on_replaced
        self._log = log
        self._spawning: dict[int, asyncio.Future[None]] = {}
        self._recovered: set[int] = set()
        self._turn: set[int] = set()
        self._busy = 1
        self._told: dict[int, float] = {}
        self._shown: list[int] = []  # ids, most recently shown or started first
        self._listener = -1
        self._serving = False
        self._stopping = False
        self._upgrade: asyncio.Future[None] | None = None

    # -- what a session asks (session.Host)

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time()

    def config(self) -> Config:
        """Return the configuration as the file is now."""
        return self._config.config()

    def warn(self, text: str) -> None:
        """Write a line to the log."""
        self._log(text)

    def share(self, session: int) -> int:
        """Return how much ``session`` may read at this turn: less when others are as busy."""
        if not self._turn:
            self.loop.call_soon(self._turn_over)
        self._turn.add(session)
        return READ if max(self._busy, len(self._turn)) == 1 else SHARE

    def _turn_over(self) -> None:
        self._busy = len(self._turn)
        self._turn.clear()

    def publish(self, kind: str, session: Session | SessionRow, **facts: str | int | None) -> None:
        """Tell whoever follows, and run the user's command for it."""
        if kind not in FREQUENT and (command := self.config().hooks.get(kind)):
            happened = Happened(self.now(), kind, session.id, session.name, facts)
            self.commands.run(command, happened.values())
        if not self.bus.followed:
            return
        if kind == "output-activity":
            now = self.loop.time()
            if now - self._told.get(session.id, -ACTIVITY) < ACTIVITY:
                return
            self._told[session.id] = now
        self.bus.publish(Happened(self.now(), kind, session.id, session.name, facts))

    def finished(self, session: Session) -> None:
        """A session ended: the keeper need not hold its pane any more."""
        authsock.remove(authsock.link_of(self.socket, session.id))
        self._link.forget(session.id)
        self.flush()
        self.memory.ended(session)
        self.answers.over(session)
        self.courier.over(session)
        self._told.pop(session.id, None)
        self.statuses.ended(session)

    def closed(self, session: Session) -> None:
        """A segment of a session's journal is full."""
        self.memory.indexer.printed(session)

    def rests(self, session: Session) -> None:
        """A session has printed, and now nothing for a moment."""
        self.memory.rests(session)
        self.branches.soon(session.row.cwd)

    def profile(self, session: Session, argv: Sequence[str] | None) -> Profile | None:
        """Return the profile of what a command line starts, None: of what the session was started with."""
        return self.statuses.profile(session.row.argv if argv is None else argv)

    def looked(self, session: Session) -> None:
        """A session has shown something, a moment ago."""
        self.memory.logs.soon(session)

    def converses(self, session: Session, conversation: str) -> None:
        """A session's agent has another conversation open."""
        self.statuses.converses(session, conversation)

    def judged(self, session: Session, before: Status, verdict: Verdict, readings: Mapping[Source, Reading]) -> None:
        """A session does something else now."""
        self.statuses.judged(session, before, verdict, readings)
        self.memory.logs.read(session)  # which conversation it has may be known just now

    def typed(self, session: Session) -> None:
        """Something is typed into a session."""
        self.statuses.typed(session)

    def answering(self, session: Session) -> bool:
        """Whether a dialog of a session's is being answered."""
        return self.answers.busy(session)

    def _logged(self, session: Session, entries: Sequence[Entry]) -> None:
        self.courier.logged(session, entries)
        self.answers.logged(session, entries)
        if any(entry.usage is not None for entry in entries):
            self.publish("usage", session)

    def _branches_changed(self, folders: set[str]) -> None:
        for session in self.live():
            if session.row.cwd in folders:
                self.publish("branch", session, branch=self.branches.of(session.row.cwd))

    # -- the keeper

    def connect(self) -> None:
        """Begin: greet the keeper, which then hands over what it holds."""
        self.loop.add_reader(self._link.fileno(), self._on_link)
        self._link.hello(self._server_argv)
        self.flush()

    def flush(self) -> None:
        """Send what is queued for the keeper, now or when its socket takes it."""
        try:
            self._link.flush()
        except KeeperGone:
            return  # the next read tells
        if self._link.wants_write:
            self.loop.add_writer(self._link.fileno(), self._on_link_writable)

    @property
    def stopping(self) -> bool:
        """Whether another server takes over, or none."""
        return self._stopping

    def listens(self, listener: int) -> None:
        """Have the keeper hold another listening socket, which takes the place of the first.

        Raises:
            OSError: it does not answer.
        """
        self._link.listener(listener, self.socket)
        self._listener = listener
        self.flush()

    def _on_link_writable(self) -> None:
        self.loop.remove_writer(self._link.fileno())
        self.flush()

    def _on_link(self) -> None:
        try:
            events = self._link.receive()
        except KeeperGone:
            self._keeper_died()
            return
        for event in events:
            match event:
                case Ping(n=n):
                    self._link.pong(n)
                case Welcome():
                    self.keeper_pid = event.pid
                    self._on_keeper(event.pid)
                    self._recover_inbox(event.died)
                case Listener(fd=fd):
                    self._listener = fd
                case Pane():
                    self._recover(event)
                case Settled():
                    self._settled()
                case Spawned():
                    self._spawned(event)
                case Failed():
                    self._failed(event)
                case Exited():
                    session = self._sessions.get(event.pane)
                    if session is not None and session.state is State.RUNNING:
                        session.exited(event.status)
                case Replaced():
                    self._replaced()
                    return
        self.flush()

    def _replaced(self) -> None:
        """Another server takes over: read nothing more, or two would split the output."""
        self._stopping = True
        self.answers.close()
        self.courier.close()
        self.memory.close()  # the next server does not expect files to go
        self.loop.remove_reader(self._link.fileno())
        self.statuses.close()
        for session in self.live():
            session.close()
        if self._upgrade is not None and not self._upgrade.done():
            self._upgrade.set_result(None)
        # The task that waits for it answers its client in the next turn of the loop.
        self.loop.call_soon(self.loop.call_soon, self._on_replaced)

    def _recover_inbox(self, died: int | None) -> None:
        """Finish what the server before us was doing when it died."""
        recovered = self.inbox.recover()
        if recovered is None:
            return
        try:
            row = self.rows.get(recovered.pane)
        except NoSuchSession:
            self.inbox.done()
            return
        session = self._session(row)
        if recovered.phase is InboxPhase.READING:
            session.record(unsaved(recovered, session.journal.end))
        elif died in CRASHES or (died is None and recovered.attempts > 1):
            start, stop = recovered.offset, recovered.offset + len(recovered.data)
            self._log(f"session {row.name!r}: output {start}..{stop} crashed the emulator, not fed again")
            self.rows.add_poison(row.id, start, stop)
        else:
            session.screen  # noqa: B018 - fed once more while the inbox names it: a second crash is the batch's
        self.inbox.done()

    def _recover(self, pane: Pane) -> None:
        """Take up a pane that outlived the server before us."""
        try:
            row = self.rows.get(pane.pane)
        except NoSuchSession:
            row = self._found(pane)
        if row.argv == UNKNOWN:
            row = self._found(pane)
        session = self._session(row)
        self._recovered.add(row.id)
        session.begin(pane.fd, pane.pid)
        if session.state is not State.RUNNING:
            # STARTING: the server died between spawn and record. LOST, EXITED: it was given up
            # too early. In each case the keeper knows better.
            session.found(pane.started)
        self.statuses.found(session, pane.started)
        if pane.exited:
            session.exited(pane.status)

    def _found(self, pane: Pane) -> SessionRow:
        """Return a new record for a program that runs and lost its own, with the database or to an older backup."""
        argv = sweep.command_line(pane.pid) or UNKNOWN
        profile = self.statuses.profile(argv)
        agent = profile.name if profile else None
        cwd = sweep.working_folder(pane.pid)
        row = self.rows.add_found(pane.pane, created=pane.started, argv=argv, cwd=cwd, agent=agent)
        self._log(f"pane {pane.pane} (pid {pane.pid}) had no record: its session is {row.name!r} now")
        return row

    def _settled(self) -> None:
        """Everything was handed over: what else should run is lost."""
        for row in self.rows.running():
            if row.id not in self._recovered and row.id not in self._spawning:
                self._session(row).vanished()
        self._recovered.clear()
        if not self._serving:  # not before: a client would see half of the sessions
            self._serving = True
            self._on_listener(self._listener)
            self.memory.begin(self.live, self._ended, lambda number: self.find(str(number)))
            self.courier.begin(self.live())
        self._link.ready()

    def _ended(self) -> list[int]:
        return [row.id for row in self.rows.all() if not row.live]

    def _keeper_died(self) -> None:
        """Start another keeper and give it all we hold; the programs notice nothing."""
        self.loop.remove_reader(self._link.fileno())
        self.loop.remove_writer(self._link.fileno())
        self._link.close()
        if self._stopping:
            return
        self._log("the keeper died: starting another")
        python_and_file = self._keeper_argv
        self._link = start_keeper(
            self.socket, self._server_argv, log_file(self.socket), python_and_file[0], python_and_file[-1]
        )
        self.loop.add_reader(self._link.fileno(), self._on_link)
        self._link.hello(self._server_argv)
        self._link.listener(self._listener, self.socket)
        for session in self._sessions:
            if session.master is not None:
                self._recovered.add(session.id)
                self._link.adopt(
                    session.id,
                    session.pid,
                    label=str(session.id),
                    status=session.row.exit_status,
                    exited=session.state is State.DRAINING,
                    started=session.row.started or 0.0,
                    fd=session.master,
                )
        for future in self._spawning.values():
            if not future.done():
                future.set_exception(SpawnFailed("the program", "the keeper died", "try again"))
        self.flush()

    # -- finding

    def _session(self, row: SessionRow) -> Session:
        session = self._sessions.asked(row.id)
        if session is None:
            journal, marks = self.stores.recording(row.id, self.config().number("journal-bytes"))
            session = Session(row, journal, marks, self)
            self._sessions.add(session)
        return session

    def row(self, target: str) -> SessionRow:
        """Return the record of the session that a user's target means, as it is now.

        Raises:
            UnknownSession, AmbiguousTarget: see ``targets.find``.
        """
        if target.isdecimal():
            try:
                return self.rows.get(int(target))
            except NoSuchSession:
                pass
        return self.find(target).row

    def all_rows(self) -> list[SessionRow]:
        """Return the record of every session there is, oldest first."""
        return self.rows.all()

    def live(self) -> list[Session]:
        """Return the running sessions, oldest first."""
        return self._sessions.live()

    def find(self, target: str) -> Session:
        """Return the session that a user's target means.

        Raises:
            UnknownSession, AmbiguousTarget: see ``targets.find``.
        """
        live = self.live()
        for session in live:  # the common case costs no query
            if target in (session.name, str(session.id)):
                return session
        found = targets.find(target, self.rows.all())
        assert isinstance(found, SessionRow)
        return self._session(found)

    def latest(self) -> Session:
        """Return the live session that was shown or started last.

        Raises:
            NoSession: none is live.
        """
        live = {session.id: session for session in self.live()}
        for number in self._shown:
            if number in live:
                return live[number]
        if live:
            return live[max(live)]
        raise NoSession

    def shown(self, session: Session, env: Mapping[str, str]) -> None:
        """Remember that somebody with environment ``env`` looks at ``session``."""
        link = authsock.link_of(self.socket, session.id)
        deleted = not os.path.islink(link) and sweep.variables(session.pid).get(authsock.NAME) == link
        authsock.point(link, env, create=deleted)
        if session.id in self._shown:
            self._shown.remove(session.id)
        self._shown.insert(0, session.id)
        del self._shown[100:]

    def learn_colours(self, terminal: ClientTerminal) -> None:
        """Tell programs from now on that their terminal has the colours of this client's."""
        if terminal.foreground is None or terminal.background is None:
            return
        cursor = terminal.cursor or terminal.foreground
        palette = () if None in terminal.palette else tuple(colour for colour in terminal.palette if colour)
        colours = Colours(terminal.foreground, terminal.background, cursor, palette)
        if colours != self.colours:
            self.colours = colours
            for session in self.live():
                session.recolour()

    def verdict(self, row: SessionRow) -> Verdict:
        """Return what a session does."""
        found = self._sessions.get(row.id)
        return found.verdict if found is not None else over(State(row.state), row.ended or row.created)

    def resumes(self, row: SessionRow) -> float | None:
        """Return when a session goes on by itself after a usage limit (Unix seconds), None for not at all."""
        found = self._sessions.get(row.id)
        return None if found is None else self.statuses.resumes(found)

    def known(self, session: int) -> Session | None:
        """Return a session by its id, if it runs or was asked for lately."""
        return self._sessions.get(session)

    def used(self, session: int) -> Used:
        """Return what a session's agent has taken in all."""
        return self.stores.usage.total(session)

    def queued(self, session: int) -> int:
        """Return how many prompts wait in a session's queue."""
        return self.stores.queue.length(session)

    def said(self, session: int) -> str | None:
        """Return the first line of what a session's agent has said last, None for nothing."""
        line = self.stores.messages.said(session)
        return (line and clean(line)) or None

    def title(self, session: int) -> str | None:
        """Return what a session's program calls itself, as far as that is known without making its screen."""
        found = self._sessions.get(session)
        return (found.title or None) if found is not None else None

    def attached(self, session: int) -> int:
        """Return how many clients watch a session."""
        found = self._sessions.get(session)
        return len(found.viewers) if found else 0

    def pid(self, session: int) -> int | None:
        """Return the pid of a live session's first process."""
        found = self._sessions.get(session)
        return found.pid if found is not None and found.master is not None else None

    # -- doing

    async def create(self, spec: Spec) -> Session:
        """Record a session, start its program, return it once exec is confirmed.

        Raises:
            NameTaken, BadName: the name can't be had.
            SpawnFailed: the program did not start; the record stays.
        """
        argv = spec.argv or self._default_command(spec.env)
        taken = {session.name for session in self.live()}
        name = targets.checked_name(spec.name) if spec.name else targets.free_name(argv[0], taken)
        size = sizes.clamped(spec.size or sizes.parsed(self.config().text("default-size")))
        profile = self.statuses.profile(argv)
        begins = spec.opening or opening.started(profile, argv)
        try:
            row = self.rows.add(
                name,
                argv,
                spec.cwd,
                created=self.now(),
                size=size,
                env=spec.extra,
                labels=spec.labels,
                agent=profile.name if profile else None,
                parent=spec.parent,
                conversation=begins.conversation,
                record=spec.record or (profile.record if profile else "") or self.config().text("record"),
            )
        except RowNameTaken:
            raise NameTaken(name) from None
        try:
            session = self._session(row)
        except StoreError:
            self.rows.set_exited(row.id, 126, self.now())
            raise
        self.publish("created", session)
        await self._spawn(session, begins.argv, spec.env, spec.umask)
        return session

    async def restart(
        self,
        session: Session,
        env: Mapping[str, str],
        size: Size | None,
        umask: int | None = None,
        *,
        afresh: bool = False,
    ) -> None:
        """Run an ended session's command again, in the same record.

        Its conversation goes on if it is known and anything was said in it, unless ``afresh``.

        Raises:
            StillRunning, NameTaken, SpawnFailed.
        """
        if session.live:
            raise StillRunning(session.name)
        profile = self.profile(session, None)
        begins = None if afresh or not self.statuses.spoken(session) else opening.resumed(profile, session.row)
        try:
            row = self.rows.restarting(session.id, size=size and sizes.clamped(size))
        except RowNameTaken:
            raise NameTaken(session.name) from None
        if begins is None:
            begins = opening.started(profile, row.argv)
            self.rows.set_conversation(session.id, begins.conversation)
            row = replace(row, conversation=begins.conversation)
        session.restarting(row)
        self._sessions.add(session)  # it lives: nothing asked for later may replace it
        await self._spawn(session, begins.argv, env, umask)

    def not_resumable(self, session: Session) -> str:
        """Return why a session's conversation can't be opened again, "" if it can."""
        if opening.resumed(self.profile(session, None), session.row) is None:
            return "no conversation is known that its agent could open again"
        return "" if self.statuses.spoken(session) else "nothing was said in it"

    async def fork(self, session: Session, name: str, env: Mapping[str, str], umask: int | None) -> Session:
        """Start a session whose conversation begins with that of another.

        Raises:
            NoConversation: that is not known, or its agent can't.
            NameTaken, BadName, SpawnFailed: as ``create``.
        """
        forked = opening.forked(self.profile(session, None), session.row)
        if forked is None or not self.statuses.spoken(session):
            raise NoConversation(session.name, self.not_resumable(session) or "its agent has no way to fork one")
        row = session.row
        spec = Spec(
            row.argv,
            row.cwd,
            env,
            name,
            extra=row.env,
            size=row.size,
            labels=row.labels,
            umask=umask,
            record=row.record,
            parent=row.id,
            opening=forked,
        )
        return await self.create(spec)

    def _default_command(self, env: Mapping[str, str]) -> tuple[str, ...]:
        command = self.config().text("default-command")
        return tuple(shlex.split(command)) or (env.get("SHELL") or "/bin/sh",)

    async def _spawn(self, session: Session, argv: Sequence[str], env: Mapping[str, str], umask: int | None) -> None:
        row = session.row
        child = child_environment(env, session=str(row.id), socket=self.socket, pid=self.keeper_pid, extra=row.env)
        child["PWD"] = row.cwd
        link = authsock.link_of(self.socket, row.id)
        if authsock.NAME not in row.env and authsock.point(link, child, create=True):
            child[authsock.NAME] = link
        problem, status = "", 127
        if self.config().text("agent-hooks") == "on":
            argv = opening.hooked(self.profile(session, None), argv, hook_argv(self.socket))
            argv = self.statuses.following.prepare(session, argv, child)
        program = programs.find(argv[0], row.cwd, child.get("PATH", os.defpath))
        if not programs.is_folder(row.cwd):
            problem = f"folder {row.cwd!r} does not exist"
        elif program is None:
            problem = "no such command"
        elif not programs.descriptors_left(ROOM):
            problem, status = "too many open files", 126
        else:
            future = self._spawning[row.id] = self.loop.create_future()
            try:
                self._link.spawn(
                    row.id,
                    argv=argv,
                    cwd=row.cwd,
                    env=child,
                    size=row.size,
                    label=str(row.id),
                    program=program,
                    umask=umask,
                )
                self.flush()
                await future
            except SpawnFailed as error:
                problem, status = str(error.hint), error.status
            except OSError as error:  # too long for the system, or the keeper does not read
                problem, status = str(error.strerror), 126
            finally:
                del self._spawning[row.id]
        if problem:
            self.statuses.following.ended(session)
            if session.state is State.STARTING:
                session.start_failed(status)
            raise SpawnFailed(row.argv[0], problem)
        self.shown(session, env)

    def _spawned(self, event: Spawned) -> None:
        session = self._sessions.get(event.pane)
        assert session is not None, event
        session.begin(event.fd, event.pid)
        session.started(self.now())
        self.statuses.following.started(session)
        future = self._spawning.get(event.pane)
        if future is not None and not future.done():
            future.set_result(None)

    def _failed(self, event: Failed) -> None:
        if event.pane == 0:
            self._log(f"upgrade refused: {event.problem}")
            if self._upgrade is not None and not self._upgrade.done():
                self._upgrade.set_exception(UpgradeRefused(event.problem))
            return
        future = self._spawning.get(event.pane)
        if future is not None and not future.done():
            failed = SpawnFailed("", "", event.problem)
            failed.status = 126 if event.errno in (13, 8) else 127  # EACCES, ENOEXEC, as shells say
            future.set_exception(failed)

    def signal(self, session: Session, *numbers: int) -> None:
        """Have the keeper send signals to a session's groups, in this order."""
        for number in numbers:
            self._link.signal(session.id, number, group=True)
        self.flush()

    def rename(self, session: Session, name: str) -> None:
        """Give a session another name.

        Raises:
            NameTaken, BadName.
        """
        try:
            self.rows.rename(session.id, targets.checked_name(name))
        except RowNameTaken:
            raise NameTaken(name) from None
        old = session.name
        session.refresh(self.rows.get(session.id))
        self.publish("renamed", session, old=old)

    def label(self, session: Session, labels: Mapping[str, str]) -> None:
        """Replace a session's labels."""
        self.rows.set_labels(session.id, labels)
        session.refresh(self.rows.get(session.id))
        self.publish("labelled", session)
        self.statuses.labelled(session)

    def drop(self, session: Session) -> None:
        """Let go of an ended session that is about to be forgotten."""
        self.memory.drop(session)
        self._sessions.drop(session)
        if session.id in self._shown:
            self._shown.remove(session.id)
        self.publish("forgotten", session)

    async def upgraded(self, server: Sequence[str], keeper: Sequence[str]) -> None:
        """Have the keeper replace this server, then itself; return when this server is about to go.

        Args:
            server: argv that starts one, less the socket's path.
            keeper: argv up to the keeper's file.

        Raises:
            UpgradeRefused: we tried, or the keeper did, and all goes on as it is.
        """
        if self._upgrade is None or self._upgrade.done():
            self._upgrade = self.loop.create_future()
            if problem := await programs.dry_run([*server, "--check"]):
                self._upgrade.set_exception(UpgradeRefused(problem))
            else:
                self._link.upgrade(list(keeper), [*server, self.socket])
                self.flush()
        await asyncio.shield(self._upgrade)

    async def end(self) -> None:
        """Kill every session, then have the keeper end. Goes on when the caller is gone: it may run in one of them."""
        await asyncio.shield(self.loop.create_task(self._end()))

    async def _end(self) -> None:
        try:
            await self.killer.kill_all(self.live())
        except NotRunning:
            pass  # it ended by itself meanwhile
        finally:
            self.stop()

    def stop(self) -> None:
        """End the keeper too. Every session should be killed before."""
        self._stopping = True
        self._link.stop()
        self.flush()

    def close(self) -> None:
        """Let go of everything; the keeper holds it for the next server."""
        self.answers.close()
        self.courier.close()
        self.statuses.close()
        self.commands.close()
        self.branches.close()
        self.memory.close()
        for session in self._sessions:
            session.close()
        self.loop.remove_reader(self._link.fileno())
        self.loop.remove_writer(self._link.fileno())
        self._link.close()
        self.inbox.close()
