"""The configuration: what a file may say, what is warned of and where, and that nothing stops anything."""

import os
import time
from pathlib import Path

import pytest

from agentmux.mux.config import ACTIONS, BINDINGS, DEFAULT, OPTIONS, Config, File, parse
from agentmux.mux.keys import key_name
from agentmux.mux.size import parsed


def warnings(text: str) -> list[str]:
    """Return the warnings for a file, without its name."""
    config = parse(text, "F")
    assert all(line.startswith("F: ") and "\n" not in line for line in config.warnings)
    return [line.removeprefix("F: ") for line in config.warnings]


def test_an_empty_file_changes_nothing() -> None:
    assert parse("", "F") == DEFAULT
    assert parse("# nothing\n", "F") == DEFAULT


def test_every_default_is_valid() -> None:
    for option in OPTIONS:
        assert option.check(option.default) == "", option.name
        assert option.help
    assert set(BINDINGS.values()) == ACTIONS


def test_values_of_every_type() -> None:
    config = parse('prefix = "C-a"\nhistory-lines = 0\nkill-grace = 3\ndefault-size = "100x30"\n', "F")
    assert config.warnings == ()
    assert config.text("prefix") == "C-a"
    assert config.number("history-lines") == 0
    assert config.seconds("kill-grace") == 3.0
    assert parsed(config.text("default-size")) == (100, 30)
    assert config.text("default-command") == "", "what is not named keeps its default"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        pytest.param("\n\nprefix = 5\n", "line 3: 'prefix' needs a str; its default 'C-b' holds", id="type"),
        pytest.param("history-lines = true", "line 1: 'history-lines' needs a int; its default 500 holds", id="bool"),
        pytest.param("history-lines = 1.5", "line 1: 'history-lines' needs a int; its default 500 holds", id="float"),
        pytest.param("history-lines = -2", "line 1: 'history-lines': -2 is below -1; its default 500 holds", id="low"),
        pytest.param(
            "# kill-grace = 1\nkill-grace = nan",
            "line 2: 'kill-grace': nan is below 0; its default 2.0 holds",
            id="nan",
        ),
        pytest.param("\nprefx = 'C-a'", "line 2: no option 'prefx'", id="unknown"),
        pytest.param(
            'default-size = "10"',
            "line 1: 'default-size': '10' is not COLUMNSxROWS, such as '120x40'; its default '120x40' holds",
            id="size",
        ),
        pytest.param("\n[colours]\nred = 1", "line 2: no option 'colours'", id="unknown table"),
        pytest.param("\n[[colours]]\nred = 1", "line 2: no option 'colours'", id="unknown array"),
        pytest.param("\n'pre fix' = 1", "line 2: no option 'pre fix'", id="quoted"),
        pytest.param("a.b = 1", "line 1: no option 'a'", id="dotted"),
        pytest.param("keys = 5", "line 1: no option 'keys'", id="keys that are no table"),
        pytest.param("x = '''\ny = 1'''\ny = 2", ["line 1: no option 'x'", "line 3: no option 'y'"], id="in a string"),
    ],
)
def test_a_warning_names_the_line_and_the_default_holds(text: str, warning: str | list[str]) -> None:
    assert warnings(text) == ([warning] if isinstance(warning, str) else warning)
    assert parse(text, "F").values == DEFAULT.values


@pytest.mark.parametrize("inf", ["inf", "1e300"])
def test_no_value_is_so_large_that_it_breaks_what_uses_it(inf: str) -> None:
    huge = "9" * 30
    text = f"kill-grace = {inf}\nhistory-lines = {huge}\nscrollback-bytes = {huge}\njournal-bytes = {huge}\n"
    assert len(warnings(text)) == 4
    assert parse(text, "F").values == DEFAULT.values


def test_several_warnings_name_each_its_line() -> None:
    text = 'prefix = 5\nhistory-lines = "x"\n[keys]\nd = "no"\n'
    assert [line.split(":")[0] for line in warnings(text)] == ["line 1", "line 2", "line 4"]


def test_many_mistakes_are_told_in_time_and_counted() -> None:
    began = time.process_time()
    found = warnings("\n".join(f"k{number} = 1" for number in range(5000)))
    assert found[0] == "line 1: no option 'k0'" and found[9] == "line 10: no option 'k9'"
    assert found[10:] == ["4990 more lines are wrong"]
    assert time.process_time() - began < 5


def test_what_is_told_of_a_value_is_short() -> None:
    (found,) = warnings(f"prefix = '{'x' * 5000}'")
    assert len(found) < 300
    for text in ("{} = 1", "keys.{} = 'no'", "hooks.{} = 'x'"):
        assert len(warnings(text.format("x" * 5000))[0]) < 300
    (found,) = parse(f"[{'x' * 5000}]\n[{'x' * 5000}]", "F").warnings
    assert len(found) < 300 and "line 2" in found
    assert "a number" in warnings(f"history-lines = 0x{'f' * 5000}")[0]


def test_a_file_that_is_too_long_leaves_the_defaults() -> None:
    config = parse("prefix = 'C-a'\n" + "#" * 70_000, "F")
    assert config.values == DEFAULT.values
    assert config.warnings == ("F: is longer than 65536; defaults hold",)


def test_a_file_that_does_not_parse_leaves_the_defaults_and_names_the_line() -> None:
    config = parse('prefix = "C-a"\nhistory-lines =\n', "F")
    assert config.values == DEFAULT.values
    (warning,) = config.warnings
    assert warning.startswith("F: invalid value (at line 2")
    assert warning.endswith("; defaults hold")


@pytest.mark.parametrize("text", ["x = " + "9" * 5000, "x = " + "[" * 5000], ids=["digits", "nesting"])
def test_what_the_parser_gives_up_on_is_a_warning_too(text: str) -> None:
    config = parse(text, "F")
    assert config.values == DEFAULT.values
    assert len(config.warnings) == 1


# Keys


def test_bindings_are_added_replaced_and_removed() -> None:
    config = parse('[keys]\nd = ""\nC-d = "detach"\nx = "interrupt"\nUp = "previous"\n"é" = "new"\nZ = ""\n', "F")
    assert config.warnings == ()
    assert "d" not in config.keys and "Z" not in config.keys
    assert {key: config.keys[key] for key in ("C-d", "x", "Up", "é", "n")} == {
        "C-d": "detach",
        "x": "interrupt",
        "Up": "previous",
        "é": "new",
        "n": "next",
    }
    assert dict(BINDINGS)["d"] == "detach", "the defaults are not touched"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param('[keys]\nd = "fly"', 2, id="no such action"),
        pytest.param("[keys]\nd = 5", 2, id="no text"),
        pytest.param("[keys]\nd = ['detach']", 2, id="a list"),
        pytest.param("[keys]\nd = { x = 1 }", 2, id="a table"),
        pytest.param('[keys]\n"C-xy" = "detach"', 2, id="no key"),
        pytest.param('prefix = "C-a"\n[keys]\nprefix = "C-a"', 3, id="same name outside"),
        pytest.param('\nkeys.d = "fly"', 2, id="dotted"),
        pytest.param('\n[ keys ]\n\n"?" = "fly"', 4, id="spaces"),
        pytest.param('\nkeys = { d = "fly" }', 2, id="inline"),
    ],
)
def test_a_binding_that_does_not_fit_is_named(text: str, line: int) -> None:
    (warning,) = warnings(text)
    assert warning.startswith(f"line {line}: ")
    assert parse(text, "F").keys == BINDINGS


def test_a_wrong_action_lists_the_right_ones() -> None:
    assert all(action in warnings('[keys]\nd = "fly"')[0] for action in ACTIONS)


LEGACY = [bytes([byte]) for byte in range(127)] + [b"\x1b" + bytes([byte]) for byte in range(33, 127)]


@pytest.mark.parametrize("option", ["prefix", "keys"])
def test_a_key_that_no_terminal_sends_is_refused(option: str) -> None:
    """A prefix that can't be typed would leave its user without a way out."""
    typable = {key_name(key)[0] for key in LEGACY} - {""}
    for modifier in ("", "C-", "M-"):
        for code in range(33, 127):
            key = modifier + chr(code)
            quoted = key.replace("\\", "\\\\").replace('"', '\\"')
            text = f'prefix = "{quoted}"' if option == "prefix" else f'[keys]\n"{quoted}" = "detach"'
            assert (warnings(text) == []) == (key in typable), key
    for key in ("Escape", "Tab", "C-Space"):
        assert key in typable
        assert warnings(f'prefix = "{key}"') == []


# The file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def rewrite(path: Path, text: str, at: int) -> None:
    path.write_text(text)
    os.utime(path, ns=(at, at))


def test_without_a_file_the_defaults_hold(path: Path) -> None:
    assert File(str(path)).config() == DEFAULT


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(path: Path) -> None:
    file = File(str(path))
    rewrite(path, 'prefix = "C-a"', 1)
    first = file.config()
    assert first.text("prefix") == "C-a"
    assert file.config() is first
    rewrite(path, 'prefix = "C-q"', 2)
    assert file.config().text("prefix") == "C-q"
    rewrite(path, 'prefix = "C-qq"', 2)
    assert len(file.config().warnings) == 1, "the same second, another length"
    path.unlink()
    assert file.config() == DEFAULT
    rewrite(path, 'prefix = "C-qq"', 2)
    assert len(file.config().warnings) == 1, "what was seen before it went is forgotten"


@pytest.mark.parametrize("make", ["folder", "not utf-8"])
def test_a_file_that_cannot_be_read_is_a_warning_that_goes_away(path: Path, make: str) -> None:
    file = File(str(path))
    if make == "folder":
        path.mkdir()
    else:
        path.write_bytes(b'prefix = "\xff"')
    config = file.config()
    assert config.values == DEFAULT.values
    assert len(config.warnings) == 1 and config.warnings[0].startswith(f"{path}: ")
    if make == "folder":
        path.rmdir()
    path.write_text('prefix = "C-a"')
    assert file.config() == Config({**DEFAULT.values, "prefix": "C-a"}, BINDINGS)
