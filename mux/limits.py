"""Whether and when a session goes on by itself after a usage limit: a label, a profile's table, a verdict. Pure.

In a profile::

    [limit]
    resume = ["Escape"]    keys that leave a dialog about the limit, where the agent shows one
    prompt = "continue"    what is typed then
    margin = 90            seconds after the limit's end at which that is done
"""

from __future__ import annotations

from dataclasses import dataclass

from .tables import Kind, check, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .tables import Wrong
    from .verdict import Verdict

LABEL = "resume-at-limit"
"""The label, and the option, by which a session goes on by itself."""

KINDS = {"resume": Kind.WORDS, "prompt": Kind.STRING, "margin": Kind.NUMBER}
SWITCH = ("on", "off")

MARGIN = 90
"""Seconds, unless a profile says otherwise: times are told to the minute, without its seconds, and clocks differ."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """How an agent goes on.

    Attributes:
        keys: leave a dialog; none where its dialogs are left to people.
        prompt: what is typed; "" for an agent that nothing is typed into.
        margin: seconds after the end of the limit.
    """

    keys: tuple[str, ...] = ()
    prompt: str = ""
    margin: float = MARGIN


def parsed(table: Mapping[str, object], wrong: Wrong) -> Resumption:
    """Return what the table ``limit`` of a profile says.

    Raises:
        Exception: what ``wrong`` made of what is wrong.
    """
    check(table, KINDS, wrong, "limit")
    prompt, margin = str(table.get("prompt", "")), table.get("margin", MARGIN)
    assert isinstance(margin, int)
    if table and (not prompt or not prompt.isprintable()):
        raise wrong("'limit.prompt' needs a line of text", "limit", *(["prompt"] if "prompt" in table else []))
    if margin < 0:
        raise wrong("'limit.margin' is below 0", "limit", "margin")
    return Resumption(words(table, "resume"), prompt, float(margin))


def label_wrong(value: str) -> str:
    """Return what is wrong with a value of the label, "" for nothing."""
    return "" if value in SWITCH else f"is none of {', '.join(SWITCH)}"


def due(verdict: Verdict, how: Resumption, labels: Mapping[str, str], default: str) -> float | None:
    """Return when (Unix seconds) a session goes on by itself, None for not at all.

    Args:
        default: what holds for a session without the label.
    """
    if (labels.get(LABEL) or default) != "on" or not how.prompt:
        return None
    return verdict.resets + how.margin if verdict.about == "limit" and verdict.resets is not None else None


def same(verdict: Verdict, now: Verdict) -> bool:
    """Whether a session waits for the same limit ``now``, in the same way."""
    reason, other = verdict.reason, now.reason
    if now.about != "limit" or reason is None or other is None:
        return False
    return (reason.source, reason.rule, reason.resets) == (other.source, other.rule, other.resets)


def harmless(verdict: Verdict) -> bool:
    """Whether nothing but a limit, if that, keeps a session from taking a prompt."""
    return verdict.status.value == "idle" or verdict.about == "limit"
