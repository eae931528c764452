"""agentmux label: set, remove and show labels."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.foreign import safe

from ..app import Argument
from . import options
from .options import Json, Target


def run(
    asking: Asking,
    labels: Annotated[list[str] | None, Argument(metavar="[K=V...]", help="An empty value removes the label.")] = None,
    target: Target = None,
    json: Json = False,
) -> int | None:
    """Set labels on a session, or show them. K= removes one."""
    session = asking.session(target)
    if labels:
        merged = {**session.labels, **options.labels(labels, "label")}
        asking.mux.label(session, {key: value for key, value in merged.items() if value})
    if json:
        asking.json(session.labels)
    elif not labels:
        asking.write("".join(f"{safe(key)}={safe(value)}\n" for key, value in session.labels.items()).encode())
    return None
