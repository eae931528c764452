"""Another version of the product, beside the installed one."""

from __future__ import annotations

import os
import shutil
import sys

from world import World


def tree(world: World, name: str, version: str) -> list[str]:
    """Copy the product, give it a version, and return the argv that runs its command."""
    import agentmux.cli

    source = os.path.dirname(os.path.dirname(os.path.abspath(agentmux.cli.__file__)))
    root = os.path.join(world.root, name)
    for part in ("cli", "mux", "store"):
        shutil.copytree(os.path.join(source, part), os.path.join(root, "agentmux", part))
    with open(os.path.join(root, "agentmux", "mux", "__init__.py"), "w") as file:
        file.write(f'"""Another version."""\n\nVERSION = "{version}"\n')
    code = f"import sys; sys.path.insert(0, {root!r}); from agentmux.cli.main import main; sys.exit(main())"
    return [sys.executable, "-c", code]
