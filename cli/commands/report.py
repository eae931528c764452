"""agentmux report: what a session shows and what was made of it, as one file that a rule can be mended from."""

from __future__ import annotations

import os
import platform
import re
from typing import Annotated

from agentmux.mux import VERSION, evidence
from agentmux.mux.asking import Asking
from agentmux.mux.foreign import safe

from ..app import Option
from .options import Target

SECRETS = r"\b(?:sk|pk|rk|gh[opsu]|github_pat|xox[abpr]|AKIA|AIza|glpat|npm)[-_]?[A-Za-z0-9_-]{12,}"
"""What looks like a key of one of the services that agents use."""


def run(
    asking: Asking,
    target: Target = None,
    private: Annotated[bool, Option("--private", help="Take nothing out.")] = False,
) -> int | None:
    """Print what a session shows and what was made of it. To mend a rule by; names and secrets are taken out."""
    session = asking.session(target)
    screen, verdict = session.screen, session.verdict
    profile = asking.mux.profile(session, None)
    lines = [
        f"agent: {profile.name if profile else 'unknown'}",
        f"expected: {verdict.status.value} {verdict.about}".rstrip(),
        f"title: {safe(screen.title)}",
        f"size: {screen.size[0]}x{screen.size[1]}{' alternate' if screen.alternate else ''}",
        f"paste: {'on' if screen.bracketed_paste else 'off'}",
        f"cursor: {screen.cursor.x},{screen.cursor.y}",
        f"agentmux: {VERSION}, Python {platform.python_version()}, {platform.system()}",
        f"tested: {(profile.tested if profile else '') or '-'}",
        *(f"because: {safe(line)}" for line in evidence.explained(verdict.status, verdict.reason, verdict.against)),
        *(f"reading: {safe(evidence.sentence(one))}" for one in session.readings.values()),
        *(f"|{safe(row)}" for row in screen.text_rows(0, screen.size[1])),
    ]
    text = "\n".join(lines)
    if not session.live:
        session.release()
    asking.out(text if private else _without_names(asking, text))
    return None


def _without_names(asking: Asking, text: str) -> str:
    """Return a text without whose it is, and without secrets."""
    env = asking.request.env
    text = asking.mux.memory.redaction().text(text)
    text = re.sub(SECRETS, "[redacted]", text)
    names = [(env.get("HOME", ""), "~"), (platform.node(), "host"), (env.get("USER", ""), "user")]
    for name, instead in names:
        if len(name) > 2 and name != os.sep:
            text = re.sub(rf"(?<![\w/]){re.escape(name)}(?!\w)", instead, text)
    return text
