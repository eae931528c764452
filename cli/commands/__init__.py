"""The commands, in the order help shows them: one line each, and one file each beside this one.

This table is read by the client at every start, so it is plain data: the file
with a command's function is imported by the server, when the command is first
used. ``agentmux.cli.app`` builds parser, help and completion from both.
"""

STARTS = "starts"
"""A server is started if there is none."""

NEEDS = "needs"
"""Without a server the command is an error (or nothing to do)."""

CLIENT = "client"
"""Runs in the client, and works when the server does not."""


class Command:
    """One word a user can type after ``agentmux``.

    Attributes:
        module: the file in this folder, with a function ``run``.
        server: what it needs: STARTS, NEEDS or CLIENT.
        repeatable: whether a client may send it again when the server died
            while running it. True for whatever changes nothing.
        attaches: whether it may take the client's terminal.
    """

    __slots__ = ("aliases", "attaches", "module", "name", "repeatable", "server")

    def __init__(
        self,
        name: str,
        *aliases: str,
        server: str = STARTS,
        repeatable: bool = False,
        attaches: bool = False,
    ) -> None:
        self.name = name
        self.aliases = aliases
        self.server = server
        self.repeatable = repeatable
        self.attaches = attaches
        self.module = name.replace("-", "_")


COMMANDS = (
    Command("new", "new-session", attaches=True),
    Command("dashboard", "view", "choose-tree", server=CLIENT),
    Command("ls", "list", "list-sessions", repeatable=True),
    Command("attach", "a", "at", "attach-session", repeatable=True, attaches=True),
    Command("detach", "detach-client", server=NEEDS),
    Command("resize", "resize-window"),
    Command("rename", "rename-session"),
    Command("label"),
    Command("has", "has-session", server=NEEDS, repeatable=True),
    Command("info", repeatable=True),
    Command("kill", "kill-session"),
    Command("send", "send-keys"),
    Command("queue"),
    Command("run"),
    Command("inbox", repeatable=True),
    Command("answer"),
    Command("interrupt", "int"),
    Command("history", repeatable=True),
    Command("messages", repeatable=True),
    Command("last", repeatable=True),
    Command("search", repeatable=True),
    Command("usage", repeatable=True),
    Command("export"),
    Command("replay", repeatable=True),
    Command("forget"),
    Command("gc", repeatable=True),
    Command("backup"),
    Command("capture", "capture-pane", "capturep", repeatable=True),
    Command("wait", "wait-for", repeatable=True),
    Command("why", repeatable=True),
    Command("report", repeatable=True),
    Command("log", repeatable=True),
    Command("events", server=NEEDS),
    Command("restart", "respawn-pane"),
    Command("resume", attaches=True),
    Command("fork", attaches=True),
    Command("agents", server=CLIENT),
    Command("hook", server=NEEDS, repeatable=True),
    Command("server", server=NEEDS),
    Command("kill-server", server=NEEDS, repeatable=True),
    Command("doctor", server=CLIENT),
    Command("reset", server=CLIENT),
    Command("completion", server=CLIENT),
)


def find(word: str) -> Command | None:
    """Return the command that ``word`` names or is an alias of."""
    for command in COMMANDS:
        if word == command.name or word in command.aliases:
            return command
    return None
