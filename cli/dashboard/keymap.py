"""What can be done, with which key, in what words: the one table for keys, palette, help and manual. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass


class Section(enum.Enum):
    """Where an action stands in the help."""

    LOOK = "Looking around"
    TALK = "Prompts and answers"
    ACT = "Sessions"
    VIEW = "The view"


class Needs(enum.Enum):
    """What an action needs to be possible."""

    NOTHING = "nothing"
    SESSION = "a session"
    RUNNING = "a running session"
    ENDED = "an ended session"


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person can do in the list.

    Attributes:
        keys: by default, the first is the one that is shown.
        many: whether it is done to all marked sessions.
    """

    name: str
    keys: tuple[str, ...]
    title: str
    section: Section
    needs: Needs = Needs.NOTHING
    many: bool = False


_L, _T, _A, _V = Section

ACTIONS = (
    Action("down", ("Down", "j"), "Next session", _L),
    Action("up", ("Up", "k"), "Previous session", _L),
    Action("first", ("Home",), "First session", _L),
    Action("last", ("End", "G"), "Last session", _L),
    Action("next-needing", ("i",), "Next session that needs you, and its question", _L),
    Action("filter", ("/",), "Filter the list as you type", _L),
    Action("sort", ("s",), "Sort by change, name or age", _L),
    Action("group", ("o",), "Group by status, folder, label or agent", _L),
    Action("find", ("F",), "Search all that was said and shown", _L),
    Action("screen", ("1",), "Show its screen", _L),
    Action("messages", ("2",), "Show what was said, turn by turn", _L),
    Action("why", ("3",), "Show why it has its status", _L),
    Action("queue", ("4",), "Show the prompts that wait for it", _L),
    Action("page-down", ("PageDown",), "Scroll down", _L),
    Action("page-up", ("PageUp",), "Scroll up", _L),
    Action("find-in-preview", ("C-f",), "Search in what is shown", _L),
    Action("zoom", ("z",), "Give what is shown the whole window, or back", _L),
    Action("grid", ("g",), "Show several live sessions side by side", _L),
    Action("prompt", ("p", "Tab"), "Write a prompt", _T, Needs.RUNNING, many=True),
    Action("answer", ("a",), "Answer its question", _T, Needs.RUNNING),
    Action("interrupt", ("b",), "Interrupt what it does", _T, Needs.RUNNING, many=True),
    Action("copy-reply", ("y",), "Copy its last reply to the clipboard", _T, Needs.SESSION),
    Action("pause-queue", ("P",), "Hold its queue, or go on with it", _T, Needs.RUNNING),
    Action("drop-prompt", ("X",), "Take a prompt out of its queue", _T, Needs.RUNNING),
    Action("attach", ("Enter",), "Attach; prefix d comes back here", _A, Needs.SESSION),
    Action("new", ("n",), "Start a session", _A),
    Action("mark", ("Space",), "Mark, for what is done to several", _A, Needs.SESSION),
    Action("mark-all", ("A",), "Mark all that the list shows", _A, Needs.SESSION),
    Action("unmark", ("U",), "Take all marks away", _A),
    Action("rename", ("r",), "Rename", _A, Needs.SESSION),
    Action("label", ("l",), "Set labels", _A, Needs.SESSION, many=True),
    Action("detach-others", ("d",), "Detach all that show it", _A, Needs.RUNNING, many=True),
    Action("restart", ("R",), "Start its command again", _A, Needs.SESSION, many=True),
    Action("resume", ("c",), "Go on with its conversation", _A, Needs.ENDED, many=True),
    Action("fork", ("f",), "Begin a second conversation from its", _A, Needs.SESSION),
    Action("kill", ("x",), "Kill", _A, Needs.RUNNING, many=True),
    Action("undo", ("u",), "Undo the last kill", _A),
    Action("forget", ("D",), "Remove every trace of it", _A, Needs.ENDED, many=True),
    Action("export", ("e",), "Export its recording", _A, Needs.SESSION),
    Action("mute", ("M",), "Mute its notifications, or not", _A, Needs.SESSION, many=True),
    Action("close", ("Escape",), "Detach, close the session, or cancel", _V),
    Action("palette", (":", "C-p"), "All commands, by name", _V),
    Action("help", ("?",), "This help", _V),
    Action("redraw", ("C-l",), "Draw the screen again", _V),
    Action("suspend", ("C-z",), "Suspend the view", _V),
    Action("quit", ("q",), "Leave; all sessions go on", _V),
)

BY_NAME: Mapping[str, Action] = {action.name: action for action in ACTIONS}

_NAMED = {
    "Enter": ("enter",),
    "Escape": ("escape",),
    "Space": (" ",),
    "Tab": ("tab",),
    "Up": ("up",),
    "Down": ("down",),
    "Left": ("left",),
    "Right": ("right",),
    "PageUp": ("pageup",),
    "PageDown": ("pagedown",),
    "Home": ("home",),
    "End": ("end",),
    "Delete": ("delete",),
    "C-Space": ("c-@",),
}


def sequence(key: str) -> tuple[str, ...] | None:
    """Return a key of the configuration as the toolkit's keys, None for no key."""
    if key in _NAMED:
        return _NAMED[key]
    if re.fullmatch(r"F([1-9]|1[0-9]|2[0-4])", key):
        return (key.lower(),)
    if re.fullmatch(r"C-[a-z\\\]^_]", key):
        return (key.lower(),)
    if re.fullmatch(r"M-[!-~]", key):
        return ("escape", key[2:])
    return (key,) if len(key) == 1 and key.isprintable() and key != " " else None


def bound(changes: Mapping[str, str]) -> dict[str, Action]:
    """Return what each key does: the defaults, changed. An empty action takes a key away."""
    keys = {key: action for action in ACTIONS for key in action.keys}
    for key, name in changes.items():
        if name:
            keys[key] = BY_NAME[name]
        else:
            keys.pop(key, None)
    return keys


def keys_of(action: Action, keys: Mapping[str, Action]) -> list[str]:
    """Return the keys that do something now, its own first."""
    found = [key for key, one in keys.items() if one is action]
    return sorted(found, key=lambda key: action.keys.index(key) if key in action.keys else len(action.keys))
