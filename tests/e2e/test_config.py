"""The configuration file: what it changes, and that a bad one stops nothing."""

from __future__ import annotations

import os

from world import World


def test_another_prefix_and_other_keys_work(world: World) -> None:
    world.configure('prefix = "C-a"\n[keys]\nq = "detach"\nd = ""\n')
    world.new("api", "cat")
    terminal = world.attach("api")
    terminal.type("\x02d\r")
    terminal.shows("^Bd")
    terminal.type("\x01d")
    terminal.type("still here\r")
    terminal.shows("still here")
    terminal.type("\x01?")
    terminal.shows("C-a q       detach from the session")
    assert not any("C-b" in row for row in terminal.rows())
    terminal.type(" ")
    terminal.shows_not("detach from")
    terminal.type("\x01q")
    assert terminal.ended() == 0
    terminal.assert_as_before()


def test_defaults_for_command_and_size(world: World) -> None:
    world.configure('default-command = "sh -c \'echo mine; exec cat\'"\ndefault-size = "90x20"\n')
    world.run("new", "-d", "-s", "api").ok()
    world.shows("api", "mine")
    assert world.info("api")["size"] == [90, 20]
    assert world.info("api")["argv"] == ["sh", "-c", "echo mine; exec cat"]


def test_a_bad_value_is_named_with_its_line_and_the_default_holds(world: World) -> None:
    path = world.configure('# a comment\nprefix = 5\ndefault-size = "wide"\nnonsense = true\n[keys]\nz = "explode"\n')
    ran = world.run("new", "-d", "-s", "api", "--", "cat")
    assert (ran.status, ran.out) == (0, "")
    lines = ran.err.splitlines()
    assert len(lines) == 4
    for line, number, word in zip(lines, (2, 3, 4, 6), ("prefix", "default-size", "nonsense", "explode"), strict=True):
        assert line.startswith(f"agentmux: {path}: line {number}: "), line
        assert word in line
    assert world.info("api")["size"] == [120, 40]
    terminal = world.attach("api")
    terminal.type("\x02d")
    assert terminal.ended() == 0


def test_a_file_that_does_not_parse_is_named_with_its_line(world: World) -> None:
    path = world.configure('prefix = "C-a"\nthis is no toml\n')
    ran = world.run("new", "-d", "-s", "api", "--", "cat")
    assert ran.status == 0
    assert ran.err.startswith(f"agentmux: {path}: ")
    assert "line 2" in ran.err
    assert world.names() == ["api"]
    world.configure("\udcff\udcfe".encode("utf-8", "surrogateescape").decode("latin-1"))
    assert world.run("ls").status == 0
    with open(path, "wb") as file:
        file.write(b"\xff\xfe\x00")
    ran = world.run("new", "-d", "--", "cat")
    assert ran.status == 0
    assert path in ran.err
    os.chmod(path, 0)
    assert world.run("new", "-d", "--", "cat").status == 0
    os.unlink(path)
    os.mkdir(path)
    assert world.run("new", "-d", "--", "cat").status == 0


def test_a_change_counts_without_a_restart(world: World) -> None:
    world.new("one", "cat")
    assert world.info("one")["size"] == [120, 40]
    world.configure('default-size = "100x30"\n')
    world.new("two", "cat")
    assert world.info("two")["size"] == [100, 30]


def test_a_short_grace_is_kept_to(world: World) -> None:
    import time

    world.configure("kill-grace = 0.2\n")
    world.new("hard", "sh", "-c", "trap '' HUP TERM; echo ready; while :; do sleep 0.1; done")
    world.shows("hard", "ready")
    began = time.monotonic()
    world.run("kill", "-t", "hard").ok()
    assert time.monotonic() - began < 1.9
