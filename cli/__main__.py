"""``python -m agentmux.cli``: the command, where its script can't run (a path with spaces, say)."""

from __future__ import annotations

from .main import entry

entry()
