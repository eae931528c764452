"""What was said in a session, as agentmux lists it, and as an agent says it that answers ``reply to PROMPT``."""

from __future__ import annotations

from world import World

Turn = tuple[str, str, str]
"""Role, source and text."""


def turns(world: World, name: str = "one") -> list[Turn]:
    """Return what is listed, the oldest first."""
    return [(one["role"], one["source"], one["text"]) for one in world.run("messages", "-t", name, "--json").ok().json]


def answered(*prompts: str) -> list[Turn]:
    """Return prompts and their replies, all from what the agent has written down."""
    return [
        turn
        for prompt in prompts
        for turn in (("user", "transcript", prompt), ("agent", "transcript", f"reply to {prompt}"))
    ]
