"""Tables that profiles of made-up agents share. Agents that run as programs have their own: those import nothing."""

NAMED = """
title = "Ours"
[recognise]
commands = ["ours"]
"""
"""What every one begins with: of the agent that ``World.agent`` puts in its place."""

PROMPT = """
[signs]
composer = '^>.*\\Z'
"""
"""A line that begins with ``>`` is where a prompt is typed."""

PERMISSION = """
[[signs.rules]]
name = "permission"
says = "waiting"
about = "approval"
where = "bottom 6"
every = ['May I', 'press a key']
"""

SPINNER = """
[[signs.rules]]
name = "spinner"
says = "working"
where = "bottom 1"
every = ['^spinning$']
"""
