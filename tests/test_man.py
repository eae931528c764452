"""The manual and the program, compared both ways: nothing undocumented, and nothing documented that is not there.

The pages are read as mdoc source. What the tests lean on: a command begins with
``.It Xo Ic NAME`` or ``.It Ic NAME`` in COMMANDS, its other names stand in a line ``.D1 Pq alias``,
an option is an ``Fl``, and tables have one ``.It`` for each entry.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest
from world import World

from agentmux.cli import app, receipts
from agentmux.cli.commands import COMMANDS
from agentmux.mux import config, errors, events, keeper, paths, protocol, sessionerrors
from agentmux.mux.emulator import keys as emulator_keys
from agentmux.mux.errors import AgentmuxError

MAN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "man")
PAGES = ("agentmux.1", "agentmux-api.3", "agentmux.conf.5", "agentmux-protocol.7")
NAMES = [command.name for command in COMMANDS]

EVERYWHERE = {"--target", "--help"}
"""Long options that the head of COMMANDS explains for all."""


def page(name: str) -> str:
    with open(os.path.join(MAN, name), encoding="utf-8") as file:
        return file.read()


def section(name: str, title: str) -> str:
    """Return the lines of a section (``Sh``) or subsection (``Ss``) of a page."""
    lines = page(name).splitlines()
    for macro in ("Sh", "Ss"):
        if f".{macro} {title}" in lines:
            start = lines.index(f".{macro} {title}") + 1
            ends = (".Sh ",) if macro == "Sh" else (".Sh ", ".Ss ")
            end = next((at for at in range(start, len(lines)) if lines[at].startswith(ends)), len(lines))
            return "\n".join(lines[start:end]) + "\n"
    raise AssertionError(f"{name} has no section {title!r}")


def items(text: str, macro: str = "Ic") -> list[str]:
    """Return the first word of each ``.It MACRO``, at whatever depth."""
    return [word.removeprefix("\\&") for word in re.findall(rf"^\.It {macro} (\S+)", text, re.MULTILINE)]


def blocks() -> dict[str, str]:
    """Return what agentmux(1) says of each command."""
    found: dict[str, str] = {}
    name = ""
    depth = 0
    for line in section("agentmux.1", "COMMANDS").splitlines():
        if line.startswith(".Ss "):
            name = ""
        depth += line.startswith(".Bl ") - line.startswith(".El")
        begins = re.match(r"\.It (?:Xo )?Ic (\S+)", line)
        if begins and depth == 1:
            name = begins[1]
            found.setdefault(name, "")
        elif name:
            found[name] += line + "\n"
    return found


BLOCKS = blocks()


def flags(text: str) -> set[str]:
    """Return the options in mdoc source: ``Fl t`` is ``-t``, ``Fl -json`` is ``--json``, ``Fl`` alone is none."""
    found = set()
    for line in text.splitlines():
        if line.startswith("."):
            found |= {"-" + word for word in re.findall(r"\bFl (-?[A-Za-z][A-Za-z-]*)(?= |$)", line)}
    return {word for word in found if word not in ("-Ar", "-Ns", "-Pq")}


def params(name: str) -> list[Any]:
    return [param for param in app.parser(name).params if not getattr(param, "hidden", False)]


def options(name: str) -> set[str]:
    words = {word for param in params(name) for word in (*param.opts, *param.secondary_opts)}
    return {word for word in words if word.startswith("-")}


# -- agentmux(1)


def test_the_commands_in_the_manual_are_the_commands() -> None:
    assert sorted(BLOCKS) == sorted(NAMES)


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_a_commands_aliases_are_in_the_manual(command: Any) -> None:
    line = re.search(r"^\.D1 Pq alias(?:es)?: (.*)$", BLOCKS[command.name], re.MULTILINE)
    found = re.findall(r"[a-z-]+", line[1].replace("Ic", "")) if line else []
    assert found == list(command.aliases)


@pytest.mark.parametrize("name", NAMES)
def test_a_commands_options_are_in_the_manual(name: str) -> None:
    wanted = options(name) - EVERYWHERE
    assert wanted <= flags(BLOCKS[name]), f"undocumented: {sorted(wanted - flags(BLOCKS[name]))}"


@pytest.mark.parametrize("name", NAMES)
def test_the_manual_gives_a_command_no_other_options(name: str) -> None:
    others = {"-e"} if name == "restart" else set()  # it speaks of those that were given to new
    assert flags(BLOCKS[name]) - others <= options(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_commands_choices_are_in_the_manual(name: str) -> None:
    for param in params(name):
        for choice in getattr(param.type, "choices", ()):
            assert re.search(rf"\b{choice}\b", BLOCKS[name]), f"{name}: {choice}"


def test_options_for_all_commands_are_explained() -> None:
    assert flags(page("agentmux.1")) >= EVERYWHERE


def test_each_event_is_in_the_manual() -> None:
    assert items(section("agentmux.1", "EVENTS")) == list(events.KINDS)


def test_each_key_and_action_is_in_the_manual() -> None:
    rows = re.findall(r"^\.It Ic (\S+) Ta Li (\S+) Ta \S", section("agentmux.1", "KEYS"), re.MULTILINE)
    assert {key.removeprefix("\\&"): action for key, action in rows} == dict(config.BINDINGS)


def test_each_key_name_is_in_the_manual() -> None:
    text = section("agentmux.1", "KEYS")
    named = {
        word for line in re.findall(r"^\.(?:Pq )?Ic (.*)$", text, re.MULTILINE) for word in re.findall(r"\w+", line)
    }
    wanted = {name for name in emulator_keys._NAMED if not re.fullmatch(r"F\d+", name)} | {"F1", "F12", "BTab"}
    assert wanted <= named


def test_each_exit_status_is_in_the_manual() -> None:
    text = section("agentmux.1", "EXIT STATUS")
    documented = {
        int(word) for line in re.findall(r"^\.It (.*)$", text, re.MULTILINE) for word in re.findall(r"\d+", line)
    }
    there = (*vars(errors).values(), *vars(sessionerrors).values())
    classes = [kind for kind in there if isinstance(kind, type) and issubclass(kind, AgentmuxError)]
    used = {kind.status for kind in classes} | {receipts.LOST, receipts.EXITED, receipts.KILLED}
    used |= {receipts.NEEDED, *receipts.PHASES.values(), *receipts.ENDS.values()}
    assert documented == used | {0, 126, 127, 128, 130, 141}


def test_each_field_is_in_the_manual(world: World) -> None:
    world.new("one", "cat")
    documented = items(section("agentmux.1", "FORMATS").partition("The states are")[0], "Li")
    listed = world.run("ls", "--json").ok().json[0]
    assert sorted(documented) == sorted(listed)
    more = set(world.info("one")) - set(listed)
    assert more == set(items(BLOCKS["info"], "Ql"))


def test_the_fields_of_capture_and_server_are_in_the_manual(world: World) -> None:
    world.new("one", "cat")
    for words in (["capture", "-t", "one"], ["server", "status"]):
        found = world.run(*words, "--json").ok().json
        quoted = set(re.findall(r"^\.Ql (\w+)", BLOCKS[words[0]], re.MULTILINE))
        assert set(found) == quoted


def test_each_state_is_in_the_manual() -> None:
    from agentmux.mux.lifecycle import State

    documented = items(section("agentmux.1", "FORMATS").partition("The states are")[2], "Li")
    assert set(documented) == {state.shown for state in State}


def test_each_status_is_in_the_manual() -> None:
    from agentmux.mux.verdict import ABOUT, Status

    text = section("agentmux.1", "STATUS")
    assert items(text, "Li") == [status.value for status in Status]
    assert set(ABOUT) == set(re.findall(r"^\.Ql (\w+)", text.partition(".It Li idle")[0], re.MULTILINE))


def test_the_socket_limit_in_the_manual_is_the_limit() -> None:
    assert paths.SOCKET_LIMIT in (107, 103)
    assert "can have 107 bytes, 103 on macOS" in section("agentmux.1", "FILES")


@pytest.mark.parametrize("name", ["store.db", "server.log", "default.lock", "default.inbox", "config.toml"])
def test_files_in_the_manual_are_the_files(world: World, name: str) -> None:
    world.configure("prefix = 'C-a'\n")
    world.new("one", "cat")
    there = {file for _, _, found in os.walk(world.root) for file in found}
    assert name in there
    assert name in section("agentmux.1", "FILES")


def test_examples_use_commands_and_options_that_exist() -> None:
    """Also those in README and the other pages."""
    with open(os.path.join(os.path.dirname(MAN), "README.md"), encoding="utf-8") as file:
        text = "\n".join([*map(page, PAGES), file.read()]).replace("\\(dq", '"')
    lines = re.findall(r"(?:^ *\$ |\| |xargs -n 1 |\$\()agentmux(?= [^ ]) +([^|\n)]*)", text, re.MULTILINE)
    assert len(lines) > 15
    for line in lines:
        words = re.split(r" -- | {3,}", line)[0].split()  # what stands further right says what comes of it
        word = next((word for word in words if not word.startswith("-")), "")
        command = next((c for c in COMMANDS if word in (c.name, *c.aliases)), None)
        if command is None:
            assert words == ["--version"], line
            continue
        quoted = re.sub(r"'[^']*'|\"[^\"]*\"", "X", " ".join(words))
        given = {part for part in quoted.split() if re.fullmatch(r"-[a-zA-Z]|--[a-z-]+", part)}
        assert given <= options(command.name) | {"--help"}, line


# -- agentmux.conf(5)


def test_the_options_in_the_manual_are_the_options() -> None:
    assert items(section("agentmux.conf.5", "OPTIONS")) == [option.name for option in config.OPTIONS]


@pytest.mark.parametrize("option", config.OPTIONS, ids=lambda option: option.name)
def test_an_options_default_is_in_the_manual(option: config.Option) -> None:
    text = section("agentmux.conf.5", "OPTIONS").partition(f".It Ic {option.name}\n")[2].partition(".It ")[0]
    default = json.dumps(option.default) if isinstance(option.default, str) else str(option.default)
    assert f"; default {default}.\n" in text
    kinds = {str: r"^A (string|key)", int: r"^A whole number of \w+", float: r"^A number of \w+"}
    assert re.search(kinds[type(option.default)], text), "its type and unit"


def test_an_options_least_value_is_in_the_manual() -> None:
    for option in config.OPTIONS:
        if isinstance(option.default, str):
            continue
        text = section("agentmux.conf.5", "OPTIONS").partition(f".It Ic {option.name}\n")[2]
        found = re.match(r"A .*, from (-?\d+); default", text)
        assert found, option.name
        assert option.check(int(found[1])) == ""
        assert option.check(int(found[1]) - 1)


def test_the_actions_in_the_manual_are_the_actions() -> None:
    rows = re.findall(r"^\.It Li (\S+) Ta Ic (\S+) Ta ", section("agentmux.conf.5", "KEYS"), re.MULTILINE)
    assert {key.removeprefix("\\&"): action for action, key in rows} == dict(config.BINDINGS)


def test_the_example_configuration_is_valid() -> None:
    text = section("agentmux.conf.5", "EXAMPLES").partition("-offset indent\n")[2].partition(".Ed")[0]
    parsed = config.parse(text, "example")
    assert parsed.warnings == ()
    assert parsed.values != config.DEFAULT.values
    assert parsed.keys != config.DEFAULT.keys


# -- agentmux-protocol(7)


def kinds(title: str) -> dict[int, str]:
    """Return number and name of the kinds in a section, and see to it that each has something said about it."""
    rows = re.findall(r"^\.It (\d+) (\w+)\n([^\n]+)$", section("agentmux-protocol.7", title), re.MULTILINE)
    assert all(not text.startswith(".It") for _, _, text in rows)
    assert len(rows) == len({number for number, _, _ in rows})
    return {int(number): name for number, name, _ in rows}


def test_the_kinds_of_frames_in_the_manual_are_the_kinds() -> None:
    client, server = kinds("From client to server"), kinds("From server to client")
    assert all(number < 32 for number in client)
    assert all(number >= 32 for number in server)
    assert client | server == {value: name for name, value in vars(protocol.Kind).items() if isinstance(value, int)}


def test_the_kinds_of_records_in_the_manual_are_the_kinds() -> None:
    documented = kinds("KEEPER PROTOCOL")
    assert documented == {kind.value: kind.name for kind in keeper.Kind}
    assert {number >= 128 for number in kinds("Both ways")} == {True}


def test_the_bounds_in_the_manual_are_the_bounds() -> None:
    from agentmux.cli import hook
    from agentmux.mux import (
        clientterminal,
        detector,
        eventstream,
        inputqueue,
        outbox,
        peer,
        recording,
        server,
        session,
        sidechannels,
        size,
        sse,
        statusfile,
        targets,
        turns,
        usercommands,
    )
    from agentmux.mux.sieve import MAX_WRAPPED
    from agentmux.store import journal, ledger, marks, search, texts

    text = section("agentmux-protocol.7", "BOUNDS")
    bounds = dict(re.findall(r"^\.It (\S.*?) Ta (\S.*?) Ta ", text, re.MULTILINE))
    mib = "{0} MiB".format
    assert f"; {session.SHARE >> 10} KiB if they are busy" in text
    assert f"; then one each {sidechannels.PAUSE} seconds" in text
    assert bounds == {
        "Em what": "Em bound",
        "frame": mib(protocol.MAX_BODY >> 20),
        "record": mib(keeper.MAX_BODY >> 20),
        "label of a pane": f"{keeper.MAX_LABEL} characters",
        "clients": str(server.CLIENTS),
        "output for a client": mib(outbox.HIGH >> 20),
        "answers to a client": mib(outbox.FULL >> 20),
        "frames of a client at once": f"{peer.TURN * 1000:g} milliseconds",
        "actions of a client": str(peer.MOST_ACTIONS),
        "input for a program": mib(inputqueue.LIMIT >> 20),
        "standard input of a command": mib(peer.STDIN_LIMIT >> 20),
        "output of a pane at once": f"{session.READ >> 10} KiB",
        "answers to questions": f"{session.REPLY_LIMIT >> 10} KiB",
        "calls of a session": f"{sidechannels.BURST} at once",
        "clipboard": mib(clientterminal.CLIPBOARD_LIMIT >> 20),
        "wrapped for tmux or screen": f"{MAX_WRAPPED >> 10} KiB",
        "events for a reader": str(events.QUEUE),
        "part of a journal": mib(journal.SEGMENT >> 20),
        "marks merged": f"{marks.MERGED} seconds",
        "text kept in a row": f"{texts.INLINE >> 10} KiB",
        "reply from the screen": f"{turns.ROWS} rows",
        "search": f"{search.NEWEST} matches",
        "searched text": f"{search.TEXT_LIMIT >> 10} Ki characters",
        "replay": f"{recording.MOST >> 20} MiB of output",
        "what a session did": f"{ledger.KEEP} changes",
        "look at a session": f"each {detector.PAUSE} seconds",
        "what a hook tells": f"{hook.LONGEST >> 10} KiB",
        "file that an agent publishes": f"{statusfile.MOST >> 10} KiB",
        "event of an agent's stream": mib(sse.LONGEST >> 20),
        "tries to follow a stream": f"each {eventstream.FIRST} to {eventstream.LONGEST:g} seconds",
        "commands at events": f"{usercommands.RUNNING} at once, {usercommands.WAITING} wait",
        "path of a socket": "107 bytes",
        "name": f"{targets.NAME_LIMIT} characters",
        "size": "x".join(map(str, size.CEILING)),
        "size of a deciding client": "x".join(map(str, size.FLOOR)),
        "open files": str(keeper.NOFILE),
        "start of a program": f"{keeper.SPAWN_SECONDS} seconds",
    }


# -- all


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound_mdoc(name: str) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    done = subprocess.run(
        ["mandoc", "-Tlint", "-W", "warning", os.path.join(MAN, name)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_refers_to_sections_and_pages_that_exist(name: str) -> None:
    text = page(name)
    assert os.listdir(MAN) and set(os.listdir(MAN)) == set(PAGES)
    heads = set(re.findall(r"^\.S[hs] (.*)$", text, re.MULTILINE))
    assert set(re.findall(r"^\.Sx (.*?)(?: [.,:;])?$", text, re.MULTILINE)) <= heads
    ours = set(re.findall(r"^\.Xr (agentmux\S*) (\d)", text, re.MULTILINE))
    assert {f"{title}.{number}" for title, number in ours} <= set(PAGES)
