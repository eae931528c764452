"""When a session goes on after a usage limit, as tables."""

from __future__ import annotations

import pytest

from agentmux.mux.limits import MARGIN, Resumption, due, harmless, label_wrong, parsed, same
from agentmux.mux.verdict import Reading, Source, Status, Verdict

HOW = Resumption(("Escape",), "continue")
AT = 1000.0


def limit(
    *, about: str = "limit", resets: float | None = AT, rule: str = "r", status: Status = Status.WAITING
) -> Verdict:
    return Verdict(status, 1.0, Reading(Source.SCREEN, status, rule, 1.0, about, resets=resets))


@pytest.mark.parametrize(
    ("verdict", "how", "label", "default", "at"),
    [
        (limit(), HOW, "on", "off", AT + MARGIN),
        (limit(), HOW, "", "on", AT + MARGIN),
        (limit(), HOW, "off", "on", None),
        (limit(), HOW, "", "off", None),
        (limit(), Resumption((), "go", 5.0), "on", "off", AT + 5),
        (limit(), Resumption(), "on", "off", None),
        (limit(resets=None), HOW, "on", "off", None),
        (limit(about="approval"), HOW, "on", "off", None),
        (limit(status=Status.WORKING), HOW, "on", "off", None),
        (Verdict(Status.IDLE, 1.0), HOW, "on", "off", None),
    ],
)
def test_when_it_goes_on(verdict: Verdict, how: Resumption, label: str, default: str, at: float | None) -> None:
    labels = {"resume-at-limit": label} if label else {}
    assert due(verdict, how, labels, default) == at


@pytest.mark.parametrize(
    ("now", "is_same"),
    [
        (limit(), True),
        (limit(rule="another"), False),
        (limit(resets=AT + 1), False),
        (limit(about="approval"), False),
        (limit(status=Status.WORKING), False),
        (Verdict(Status.UNKNOWN, 1.0), False),
    ],
)
def test_whether_it_is_the_same_limit(now: Verdict, is_same: bool) -> None:
    assert same(limit(), now) is is_same


def test_what_a_prompt_may_be_typed_into() -> None:
    assert harmless(Verdict(Status.IDLE, 1.0)) and harmless(limit())
    assert not harmless(limit(about="approval")) and not harmless(Verdict(Status.UNKNOWN, 1.0))


def test_values_of_the_label_and_of_the_profile() -> None:
    assert label_wrong("on") == label_wrong("off") == "" != label_wrong("yes")
    assert not parsed({}, ValueError).prompt
    assert parsed({"prompt": "go", "resume": ["q"], "margin": 1}, ValueError) == Resumption(("q",), "go", 1.0)
    for wrong in ({"resume": ["Escape"]}, {"prompt": "a\nb"}, {"prompt": "go", "margin": -1}):
        with pytest.raises(ValueError, match=r"limit\."):
            parsed(wrong, ValueError)
