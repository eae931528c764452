"""Verdicts and readings as the ledger keeps them, and as people read them. Pure."""

from __future__ import annotations

from .verdict import Reading, Source, Status, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Values = dict[str, object]


def recorded(verdict: Verdict, readings: Mapping[Source, Reading], *, texts: bool) -> Values:
    """Return what the ledger keeps of a verdict; without ``texts`` nothing that the program wrote."""
    values: Values = {"readings": [as_values(one, texts=texts) for one in readings.values()]}
    if verdict.reason is not None:
        values["reason"] = as_values(verdict.reason, texts=texts)
    return values


def as_values(reading: Reading, *, texts: bool = True) -> Values:
    """Return a reading as JSON values, without what is empty."""
    values: Values = {
        "source": reading.source.value,
        "says": reading.says.value,
        "rule": reading.rule,
        "at": reading.at,
        "about": reading.about,
        "resets": reading.resets,
    }
    if texts:
        values |= {"text": reading.text, "options": list(reading.options)}
    return {key: value for key, value in values.items() if value or key == "at"}


def from_values(values: object) -> Reading | None:
    """Return the reading that ``values`` were made of, None for what is none: a later version may have written it."""
    if not isinstance(values, dict):
        return None
    resets = values.get("resets")
    try:
        return Reading(
            Source(values.get("source")),
            Status(values.get("says")),
            str(values.get("rule", "")),
            float(values.get("at", 0.0)),
            str(values.get("about", "")),
            str(values.get("text", "")),
            tuple(map(str, values.get("options", ()))),
            None if resets is None else float(resets),
        )
    except (TypeError, ValueError):
        return None


def recalled(status: str, at: float, values: Mapping[str, object]) -> tuple[Verdict, dict[Source, Reading]] | None:
    """Return the verdict and the readings of an entry, None if they can't be read."""
    try:
        verdict = Verdict(Status(status), at, from_values(values.get("reason")))
    except ValueError:
        return None
    listed = values.get("readings")
    found = [from_values(one) for one in listed] if isinstance(listed, list) else []
    return verdict, {one.source: one for one in found if one is not None}


SOURCES = {
    Source.PROCESS: "the process",
    Source.PUBLISHED: "what it publishes of itself (OSC 7501)",
    Source.FILE: "its own file",
    Source.STREAM: "its event stream",
    Source.HOOK: "its hook",
    Source.TITLE: "its title",
    Source.PROGRESS: "its progress report (OSC 9;4)",
    Source.SCREEN: "its screen",
    Source.OUTPUT: "its output",
}


def sentence(reading: Reading) -> str:
    """Return a reading in words."""
    about = f" for {reading.about}" if reading.about else ""
    says = "nothing that is known" if reading.says is Status.UNKNOWN else f"{reading.says.value}{about}"
    return f"{SOURCES[reading.source]} says {says} ({reading.rule})"


def noted(values: Mapping[str, object]) -> str:
    """Return an entry of something that was done, in words."""
    step, why = values.get("step", ""), values.get("why", "")
    if "answer" in values:
        option = values.get("option")
        which = f"answer {values['answer']}{f' {option!r}' if option else ''}" if values["answer"] else "an answer"
        return f"{which} {step}{': ' if why else ''}{why}"
    return f"prompt {values.get('prompt', '')} {step}{': ' if why else ''}{why}"


def explained(status: Status, reason: Reading | None, against: Iterable[Reading]) -> list[str]:
    """Return why a status is what it is, as lines."""
    lines = []
    if status is Status.STARTING:
        lines.append("nothing that is known of it has shown yet")
    elif status in (Status.EXITED, Status.LOST):
        lines.append("its program has ended" if status is Status.EXITED else "its program went down with its keeper")
    elif reason is None:
        lines.append("nothing speaks for anything: no profile knows this program, and it says nothing of itself")
    else:
        lines.append(sentence(reason))
    return [*lines, *(f"but {sentence(one)}" for one in against)]
