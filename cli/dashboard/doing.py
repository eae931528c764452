"""What each action does: questions to the user, commands to the server, and one line about how it went.

It is long because there are many actions, a few lines each; the table says which is which.
"""

from __future__ import annotations

import base64
import os
import shlex
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

from prompt_toolkit.completion import Completer, PathCompleter, WordCompleter

from agentmux.api.model import Info
from agentmux.mux.errors import AgentmuxError, BadUsage, NoServer, ServerSilent
from agentmux.mux.foreign import safe

from ..cells import wrapped
from . import lines
from .bar import Harmless
from .dialogs import Choice, Field
from .keymap import ACTIONS, BY_NAME, Action, Needs, Section, keys_of
from .lines import Piece
from .link import loaded
from .model import Group, Grouping, Order, ended, group_of
from .preview import Tab

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .app import View

COPIED = 100_000
"""Characters that are copied at most: terminals drop what is much longer."""

FORMATS = ("html", "text", "asciicast", "asciicast-v3", "json", "raw")
_ENDINGS = {"asciicast": "cast", "asciicast-v3": "cast", "text": "txt"}

FOUND = 50
"""Results of a search that are shown, the best."""

UNDONE = 100
"""Kills that can be undone, the last ones."""

NAMED = 12
"""Sessions that a question names; of more it says how many."""

NOTIFY, OFF = "notify", "off"
"""The label that mutes a session, see agentmux.conf(5)."""


class Doing:
    """The actions of one view."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._killed: deque[Sequence[Info]] = deque(maxlen=UNDONE)  # the last kill last
        self._sought = ""
        self.table: Mapping[str, Callable[[], Awaitable[None] | None]] = {
            "down": lambda: self._view.move(1),
            "up": lambda: self._view.move(-1),
            "first": lambda: self._view.move(-(1 << 30)),
            "last": lambda: self._view.move(1 << 30),
            "next-needing": self._next,
            "filter": view.begin_filter,
            "sort": self._sort,
            "group": self._group,
            "find": self._find,
            "screen": lambda: self._view.preview.show(Tab.SCREEN),
            "messages": lambda: self._view.preview.show(Tab.MESSAGES),
            "why": lambda: self._view.preview.show(Tab.WHY),
            "queue": lambda: self._view.preview.show(Tab.QUEUE),
            "page-down": lambda: self._view.preview.scroll(-1),
            "page-up": lambda: self._view.preview.scroll(1),
            "find-in-preview": self._find_in_preview,
            "zoom": view.zoom,
            "grid": view.show_grid,
            "prompt": self._prompt,
            "answer": self._answer,
            "interrupt": self._interrupt,
            "copy-reply": self._copy,
            "pause-queue": self._pause_queue,
            "drop-prompt": self._drop,
            "attach": self._attach,
            "new": self._new,
            "mark": self._mark,
            "mark-all": lambda: self._view.sessions.mark_shown(),
            "unmark": lambda: self._view.sessions.marked.clear(),
            "rename": self._rename,
            "label": self._label,
            "detach-others": self._detach,
            "restart": self._restart,
            "resume": self._resume,
            "fork": self._fork,
            "kill": self._kill,
            "undo": self._undo,
            "forget": self._forget,
            "export": self._export,
            "mute": self._mute,
            "close": self._close,
            "palette": self._palette,
            "help": self._help,
            "redraw": view.redraw,
            "suspend": view.suspend,
            "quit": view.leave,
        }

    def do(self, name: str) -> Coroutine[None, None, None] | None:
        """Do an action, or begin it and return what is left of it; what goes wrong is said in a line."""
        try:
            self._check(BY_NAME[name])
            work = self.table[name]()
        except AgentmuxError as error:
            self._view.say(error.problem, error.hint, wrong=True)
            return None
        return None if work is None else self.attempt(work)

    async def attempt(self, work: Awaitable[object]) -> None:
        """Do something; what goes wrong is said in a line."""
        try:
            await work
        except AgentmuxError as error:
            self._view.say(error.problem, error.hint, wrong=True)

    def _check(self, action: Action) -> None:
        if action.needs is Needs.NOTHING:
            return
        chosen = self._chosen(action)
        if not chosen:
            raise BadUsage(f"{action.name}: there is no session", hint="n starts one")
        for info in chosen:
            if action.needs is Needs.RUNNING and ended(info):
                raise BadUsage(f"session {info.name!r} has ended", hint="R starts it again, c resumes its conversation")
            if action.needs is Needs.ENDED and not ended(info):
                raise BadUsage(f"session {info.name!r} still runs", hint="x kills it")

    def _chosen(self, action: Action) -> Sequence[Info]:
        if action.many:
            return self._view.sessions.chosen()
        return [info] if (info := self._view.sessions.selected) is not None else []

    def _one(self) -> Info:
        info = self._view.sessions.selected
        assert info is not None  # _check has seen to it
        return info

    async def _each(self, infos: Sequence[Info], *words: str, said: str) -> None:
        """Run a command for each of some sessions: for all of them, whatever goes wrong with one."""
        async with self._view.working(f"{words[0]} {_names(infos)}"):
            problems = await self._try(infos, lambda _: words)
        self._tell(infos, problems, said)

    async def _try(self, infos: Sequence[Info], words: Callable[[Info], Sequence[str]]) -> list[AgentmuxError]:
        problems = []
        for info in infos:
            name, *rest = words(info)
            try:
                await self._view.link.done(name, "-t", str(info.id), *rest)
            except (NoServer, ServerSilent):
                raise  # there is nobody to ask about the others
            except AgentmuxError as error:
                problems.append(error)
        return problems

    def _tell(self, infos: Sequence[Info], problems: Sequence[AgentmuxError], said: str) -> None:
        if not problems:
            self._view.say(f"{_names(infos)}: {said}")
        elif len(infos) == 1:
            raise problems[0]
        else:
            done = f"{len(infos) - len(problems)} of {len(infos)} sessions: {said}"
            self._view.say(f"{done}; {problems[0].problem}", problems[0].hint, wrong=True)

    # -- looking

    def _sort(self) -> None:
        orders = list(Order)
        sessions = self._view.sessions
        sessions.order = orders[(orders.index(sessions.order) + 1) % len(orders)]
        self._view.say(f"sorted by {sessions.order.value}")

    def _group(self) -> None:
        groupings = list(Grouping)
        sessions = self._view.sessions
        sessions.grouping = groupings[(groupings.index(sessions.grouping) + 1) % len(groupings)]
        self._view.say(f"grouped by {sessions.grouping.value}")

    def _mark(self) -> None:
        self._view.sessions.mark()
        self._view.move(1)

    async def _find(self) -> None:
        answer = await self._view.dialogs.fill("Search all that was said and shown", [Field("words")])
        if not answer or not answer[0].strip():
            return
        async with self._view.working("searching"):
            found = await self._view.link.ask("search", "--json", "-n", str(FOUND), "--", *answer[0].split())
            found.check(1)
        results = loaded(found.out) if found.status == 0 else []
        if not results:
            self._view.say(f"nothing found for {answer[0]!r}")
            return
        choices = [
            Choice(f"{safe(one['name'])}  {one['in']}  {_snippet(one['snippet'])}", str(one["session"]))
            for one in results
        ]
        picked = await self._view.dialogs.choose(f"{len(results)} found", choices, filtering=True)
        if picked is not None:
            self._view.go_to(int(picked))
            self._view.preview.show(Tab.MESSAGES)

    async def _find_in_preview(self) -> None:
        answer = await self._view.dialogs.fill("Search upwards in what is shown", [Field("text", self._sought)])
        if answer and answer[0]:
            self._sought = answer[0]
            if not await self._view.preview.find(answer[0]):
                self._view.say(f"no {answer[0]!r} there")

    # -- talking

    async def _prompt(self) -> None:
        await self._view.begin_prompt([info.id for info in self._chosen(BY_NAME["prompt"])])

    async def send(self, targets: Sequence[int], text: str) -> None:
        """Deliver a prompt; what becomes of it is told as it happens."""
        words = [word for number in targets for word in ("-t", str(number))]
        try:
            async with self._view.working("sending"):
                answer = await self._view.link.ask("send", *words, "--json", "-", stdin=text.encode("utf-8", "replace"))
            if not answer.out:
                answer.check()
            receipts = loaded(answer.out)
        except AgentmuxError as error:
            self._view.say(error.problem, error.hint, wrong=True)
            written = self._view.bar.text
            self._view.bar.text = f"{text}\n{written}" if written else text  # not lost
            return
        self._view.receipts.begin(receipts if isinstance(receipts, list) else [receipts])
        self._view.say(self._view.receipts.line, wrong=self._view.receipts.wrong)

    async def _next(self) -> None:
        info = self._view.sessions.next_that_needs()
        if info is None:
            self._view.say("nobody needs you")
            return
        if not self._view.sessions.query:
            self._view.filter.text = ""  # it hid who needs us
        self._view.selection_changed()
        await self._answer()

    async def _answer(self) -> None:
        info = self._one()
        if group_of(info) is not Group.NEEDS:
            self._view.say(f"{safe(info.name)} asks nothing")
            return
        asked = next((one for one in await self._view.link.json("inbox") if one["session"] == info.id), None)
        self._view.ahead.drop()  # nobody has seen yet what they would answer
        if asked is None:
            self._view.say(f"{safe(info.name)} asks nothing any more")
            return
        if not asked["options"] or not asked["token"]:
            self._view.preview.show(Tab.WHY)
            self._view.say(f"{safe(info.name)} {lines.status(info)}", "Enter attaches, to answer by hand")
            return
        text = [line for part in (asked["wants"], asked["question"]) if part for line in safe_lines(part)]
        choices = [Choice(safe(one["text"]), str(one["number"]), _key(one["number"])) for one in asked["options"]]
        takes_text = any(one["means"] == "text" for one in asked["options"])
        if takes_text:
            choices.append(Choice("write an answer", "text", "t"))
        picked = await self._view.dialogs.choose(f"{safe(info.name)}: {safe(lines.status(info))}", choices, text=text)
        if picked is None:
            return
        words = [picked]
        if picked == "text":
            written = await self._view.dialogs.fill(f"Answer to {safe(info.name)}", [Field("text")])
            if not written or not written[0]:
                return
            words = ["--text", written[0]]
        async with self._view.working(f"answering {safe(info.name)}"):
            answer = await self._view.link.ask("answer", "-t", str(info.id), "--json", "--seen", asked["token"], *words)
        if not answer.out:
            answer.check()
        outcome = loaded(answer.out)
        why = f": {safe(outcome['why'])}" if outcome["why"] else ""
        option = f" {safe(outcome['option'])!r}" if outcome.get("option") else ""
        self._view.say(f"{safe(info.name)}: {outcome['state']}{option}{why}", wrong=answer.status != 0)

    async def _interrupt(self) -> None:
        await self._each(self._view.sessions.chosen(), "interrupt", said="interrupted")

    async def _copy(self) -> None:
        info = self._one()
        reply = (await self._view.link.done("last", "-t", str(info.id))).removesuffix("\n")
        self._view.copy(base64.b64encode(reply[:COPIED].encode()).decode())
        self._view.say(f"copied the last reply of {safe(info.name)}: {len(reply[:COPIED])} characters")

    async def _pause_queue(self) -> None:
        info = self._one()
        word = "resume" if info.paused else "pause"
        await self._view.link.done("queue", "-t", str(info.id), word)
        self._view.say(f"{safe(info.name)}: the queue {'goes on' if info.paused else 'is held'}")

    async def _drop(self) -> None:
        info = self._one()
        queue = await self._view.link.json("queue", "-t", str(info.id))
        if not queue["prompts"]:
            self._view.say(f"nothing is queued for {safe(info.name)}")
            return
        choices = [
            Choice(safe(" ".join(str(one["text"] or "").split())[:200]), str(one["id"])) for one in queue["prompts"]
        ]
        picked = await self._view.dialogs.choose("Take out of the queue", choices)
        if picked is not None:
            await self._view.link.done("queue", "-t", str(info.id), "drop", picked)
            self._view.say(f"{safe(info.name)}: prompt {picked} is out of the queue")

    # -- sessions

    async def _attach(self) -> None:
        info = self._one()
        if ended(info) and (problems := await self._bring_back([info])):
            raise problems[0]
        self._view.attach(info.id)

    async def _bring_back(self, infos: Sequence[Info]) -> list[AgentmuxError]:
        async with self._view.working("starting"):
            return await self._try(
                infos, lambda info: ("resume", "-d") if info.agent and info.conversation else ("restart",)
            )

    async def _new(self) -> None:
        form = [
            Field("command", completer=WordCompleter(self._view.agents())),
            Field("folder", folder(), _folders()),
            Field("name"),
            Field("labels"),
            Field("prompt"),
        ]
        answer = await self._view.dialogs.fill("Start a session", form)
        if answer is None:
            return
        command, place, name, labels, prompt = (text.strip() for text in answer)
        words = ["new", "-d", "--json"]
        words += ["-s", name] if name else []
        words += ["-c", _path(place)] if place else []
        words += [word for label in _words(labels) for word in ("--label", label)]
        async with self._view.working("starting"):
            made = loaded(await self._view.link.done(*words, "--", *_words(command)))
        self._view.go_to(int(made["id"]))
        self._view.say(f"started {safe(made['name'])}")
        if prompt:
            await self.send([int(made["id"])], prompt)

    async def _rename(self) -> None:
        info = self._one()
        answer = await self._view.dialogs.fill(f"Rename {safe(info.name)}", [Field("name", info.name)])
        if answer and answer[0].strip() not in ("", info.name):
            await self._view.link.done("rename", "-t", str(info.id), "--", answer[0].strip())
            self._view.say(f"{safe(info.name)} is now {safe(answer[0].strip())}")

    async def _label(self) -> None:
        infos = self._view.sessions.chosen()
        before = dict(infos[0].labels)
        text = shlex.join(f"{key}={value}" for key, value in before.items())
        hint = "key=value key=value   Enter: done   Esc: cancel"
        answer = await self._view.dialogs.fill(f"Labels of {_names(infos)}", [Field("labels", text)], hint=hint)
        if answer is None:
            return
        words = _words(answer[0])
        kept = {word.partition("=")[0] for word in words}
        words += [f"{key}=" for key in before if key not in kept]
        if words:
            await self._each(infos, "label", "--", *words, said="labels set")

    async def _detach(self) -> None:
        await self._each(self._view.sessions.chosen(), "detach", said="detached")

    async def _restart(self) -> None:
        infos = self._view.sessions.chosen()
        runs = [info for info in infos if not ended(info)]
        text = [*_listed(runs), "What runs now is killed first."]
        if runs and not await self._view.dialogs.confirm(
            f"Restart {_names(infos)}?", "Kill and start again", text=text
        ):
            return
        await self._each(infos, "restart", *(["-k"] if runs else []), said="started again")

    async def _resume(self) -> None:
        await self._each(self._view.sessions.chosen(), "resume", "-d", said="resumed")

    async def _fork(self) -> None:
        info = self._one()
        async with self._view.working(f"forking {safe(info.name)}"):
            made = loaded(await self._view.link.done("fork", "-t", str(info.id), "-d", "--json"))
        self._view.go_to(int(made["id"]))
        self._view.say(f"{safe(made['name'])} goes on from {safe(info.name)}")

    async def _kill(self) -> None:
        infos = self._view.sessions.chosen()
        text = [*_listed(infos), "Its record stays: u brings it back, an agent with its conversation."]
        if await self._view.dialogs.confirm(f"Kill {_names(infos)}?", "Kill", text=text):
            await self._kill_now(infos)

    async def _kill_now(self, infos: Sequence[Info]) -> None:
        async with self._view.working(f"killing {_names(infos)}"):
            await self._view.link.done("kill", *_targets(infos))
        self._killed.append(infos)
        self._view.sessions.marked.difference_update(info.id for info in infos)
        self._view.say(f"killed {_names(infos)}", "u brings it back")

    async def _undo(self) -> None:
        killed = self._killed.pop() if self._killed else []
        found = [info for one in killed if (info := self._view.sessions.get(one.id)) is not None]
        if not found:
            raise BadUsage("nothing was killed here", hint="select one that has ended, and R or c starts it again")
        problems = await self._bring_back(found)
        self._view.go_to(found[0].id)
        self._tell(found, problems, "back")

    async def _forget(self) -> None:
        infos = self._view.sessions.chosen()
        text = [*_listed(infos), "Its record, recording, prompts and messages. This can't be undone."]
        if await self._view.dialogs.confirm(f"Remove every trace of {_names(infos)}?", "Remove", text=text):
            async with self._view.working(f"removing {_names(infos)}"):
                await self._view.link.done("forget", *_targets(infos))
            self._view.say(f"removed {_names(infos)}")

    async def _export(self) -> None:
        info = self._one()
        format_ = await self._view.dialogs.choose("Export as", [Choice(one, one) for one in FORMATS])
        if format_ is None:
            return
        name = f"{info.name}.{_ENDINGS.get(format_, format_)}"
        answer = await self._view.dialogs.fill(
            "Write to", [Field("file", name, Harmless(PathCompleter(expanduser=True)))]
        )
        if not answer or not answer[0].strip():
            return
        path = _path(answer[0].strip())
        async with self._view.working(f"exporting {safe(info.name)}"):
            await self._view.link.done("export", "-t", str(info.id), "--format", format_, "-o", path)
        self._view.say(f"wrote {safe(path)}")

    async def _mute(self) -> None:
        infos = self._view.sessions.chosen()
        muted = all(info.labels.get(NOTIFY) == OFF for info in infos)
        value = "" if muted else OFF
        await self._each(infos, "label", "--", f"{NOTIFY}={value}", said="tells again" if muted else "muted")

    # -- the view

    async def _close(self) -> None:
        info = self._view.sessions.selected
        if info is None:
            self._view.leave()
            return
        over = ended(info)
        choices = [Choice("Detach", "detach", "d", "leave the view" if over else "leave the view, it works on")]
        if not over:
            choices.append(Choice("Close session", "close", "c", "kill it"))
        choices.append(Choice("Cancel", "", "n", "back to the list"))
        picked = await self._view.dialogs.choose(f"{safe(info.name)}: {safe(lines.status(info))}", choices)
        if picked == "detach":
            self._view.leave(detach=True)
        elif picked == "close":
            await self._kill_now([info])

    async def _palette(self) -> None:
        keys = self._view.keys
        choices = [
            Choice(f"{action.name}: {action.title}", action.name, hint=" ".join(keys_of(action, keys)))
            for action in ACTIONS
            if action.name != "palette"
        ]
        picked = await self._view.dialogs.choose("All commands", choices, filtering=True)
        if picked is not None and (work := self.do(picked)) is not None:
            await work

    async def _help(self) -> None:
        dialogs = self._view.dialogs
        await dialogs.read("Keys", help_lines(self._view.keys, dialogs.room() - 2))


def help_lines(keys: Mapping[str, Action], columns: int) -> list[list[Piece]]:
    """Return the help: all actions with their keys, as they are now."""
    made: list[list[Piece]] = []

    def add(key: str, what: str) -> None:
        for line in wrapped(what, max(10, columns - 17)):
            made.append([("class:key", f"  {key:<14} "), ("", line)])
            key = ""

    for section in Section:
        made.append([("class:heading", section.value)])
        for action in ACTIONS:
            if action.section is section:
                add(", ".join(keys_of(action, keys)) or "-", action.title)
        made.append([])
    made.append([("class:heading", "Writing a prompt")])
    for key, what in WRITING:
        add(key, what)
    return made


WRITING = (
    ("Enter", "Send"),
    ("M-Enter, C-j", "New line"),
    ("Up, Down", "Earlier prompts, of all sessions"),
    ("C-r", "Search them"),
    ("@", "A session, or a file where the session is"),
    ("C-o", "Write on in $EDITOR"),
    ("Esc, Tab", "Back to the list; what is written stays"),
)
"""Keys of the prompt bar, beside those of any line editor."""


def _targets(infos: Sequence[Info]) -> list[str]:
    return [word for info in infos for word in ("-t", str(info.id))]


def _names(infos: Sequence[Info]) -> str:
    return safe(infos[0].name) if len(infos) == 1 else f"{len(infos)} sessions"


def _listed(infos: Sequence[Info]) -> list[str]:
    """Return a line that names several, some of which a filter may hide."""
    names = [safe(info.name) for info in infos[:NAMED]]
    more = f" and {len(infos) - NAMED} more" if len(infos) > NAMED else ""
    return [", ".join(names) + more] if len(infos) > 1 else []


def safe_lines(text: str) -> list[str]:
    """Return a text's lines, safe to show."""
    return [safe(line) for line in text.split("\n")]


def _key(number: int) -> str:
    return str(number) if number < 10 else ""


def _snippet(text: str) -> str:
    return safe("".join(char for char in " ".join(text.split()) if char.isprintable()))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise BadUsage(f"{text!r} is no command line: {str(error).lower()}", hint="quote as in a shell") from None


def _path(text: str) -> str:
    return os.path.normpath(os.path.join(folder(), os.path.expanduser(text)))


def folder() -> str:
    """Return the folder that we are in, the user's own where somebody has removed it."""
    try:
        return os.getcwd()
    except OSError:
        return os.path.expanduser("~")


def _folders() -> Completer:
    return Harmless(PathCompleter(only_directories=True, expanduser=True))
