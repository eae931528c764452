"""The view's application, driven through a pipe and drawn on our emulator, against a real server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
from driving import driven
from world import World, wait_until

from agentmux.cli.dashboard.app import Attach, Edit, Leave
from agentmux.cli.dashboard.doing import Doing
from agentmux.cli.dashboard.keymap import ACTIONS


def touch(path: str) -> None:
    with open(path, "w"):
        pass


def content(path: str) -> str:
    with open(path) as file:
        return file.read()


@pytest.fixture
def shells(world: World) -> Iterator[World]:
    """A world with sessions that do nothing."""
    for name in ("one", "two", "three"):
        world.new(name, "cat")
    yield world


def test_every_action_is_done_by_something() -> None:
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    assert set(Doing(Anything()).table) == {action.name for action in ACTIONS}  # type: ignore[arg-type]


async def test_it_draws_on_the_other_screen_and_leaves_it(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("three")
        assert view.terminal.screen.alternate
        view.type("q")
        assert await view.running == Leave()
        screen = view.terminal.screen
        assert not (screen.alternate or screen.bracketed_paste or screen.mouse_tracking)
        assert screen.cursor.visible


async def test_what_fails_is_one_line_and_a_hint(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("y", "session 'three' has not replied yet")
        await view.does("c", "session 'three' still runs")
        await view.does("D", "session 'three' still runs")
        await view.does("u", "nothing was killed here")
        await view.does("r", "Rename three")
        await view.does("\x15two\r", "'two'")
        assert "Traceback" not in view.text()
        await view.does("n", "Start a session")
        await view.does("/nowhere/nothing\r", "nothing")
        await view.shows("three")
        assert view.text().count("\n") == 29


async def test_a_mistake_of_ours_ends_it_with_the_terminal_whole(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("three")
        view.view.doing.table = {**view.view.doing.table, "sort": lambda: 1 / 0}  # type: ignore[dict-item]
        view.type("s")
        with pytest.raises(ZeroDivisionError):
            await view.running
        assert not view.terminal.screen.alternate


async def test_a_choice_can_be_left_by_escape(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("three")
        for keys, text in (("x", "Kill three?"), ("\x1b", "Close session"), (":", "All commands"), ("?", "Keys")):
            if keys == "\x1b":
                await view.lacks("Kill three?")
            await view.does(keys, text)
            view.type("\x1b")
            await view.lacks(text)
        assert shells.names() == ["one", "two", "three"]


async def test_keys_typed_ahead_reach_what_they_are_for(shells: World) -> None:
    """A script, or a fast hand, types on before a question is there: no key is taken for an action of the list."""

    async with driven(shells) as view:
        await view.shows("> ? three")
        view.type("r\x15four\r")
        await view.shows("three is now four")
        view.type("phello xqk\r")
        await view.shows("four: typed")
        assert shells.run("history", "--json", "-n", "1").ok().json[0]["text"] == "hello xqk"
        view.type("xk")
        await view.shows("killed four")
        assert shells.names() == ["one", "two"]


async def test_enter_alone_kills_nothing(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("three")
        await view.does("x", "Kill three?")
        view.type("\r")
        await view.lacks("Kill three?")
        await view.does("x", "Kill three?")
        await view.does("k", "killed three", "ended (1)")
        assert shells.names() == ["one", "two"]


async def test_several_are_marked_and_killed_and_brought_back(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("three")
        await view.does("  ", "2 marked")
        await view.does("x", "Kill 2 sessions?")
        await view.does("k", "killed 2 sessions")
        await view.shows("ended (2)")
        await view.does("u", "2 sessions: back", "running (3)")
        assert sorted(shells.names()) == ["one", "three", "two"]


async def test_the_palette_finds_and_does(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does(":", "All commands")
        await view.does("rena", "> rename")
        await view.does("\r", "Rename three")
        await view.does("\x15four\r", "three is now four", "> ? four")


async def test_a_prompt_with_a_chip_is_sent_whole(shells: World) -> None:
    large = "\n".join(f"line {number}" for number in range(40))

    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("p", "prompt for three")
        view.type("look: ")
        await view.does(f"\x1b[200~{large}\x1b[201~", "look: [pasted 40 lines]")
        view.type("\r")
        await view.shows("three: typed")
        history = shells.run("history", "--json").ok().json
        assert history[-1]["text"] == f"look: {large}"


async def test_earlier_prompts_are_recalled_and_searched(shells: World) -> None:
    for text in ("fix the parser", "write a test", "run everything"):
        shells.run("send", "-t", "one", text).ok()

    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("p", "prompt for three")
        await view.does("\x1b[A", "run everything")
        await view.does("\x1b[A", "write a test")
        await view.does("\x12fix", "fix the parser")
        view.type("\r")
        await view.does("\r", "three: typed")
        assert shells.run("history", "--json", "-n", "1").ok().json[0]["text"] == "fix the parser"


async def test_what_terminals_disagree_about_is_written_whole_and_drawn_apart(shells: World) -> None:
    text = "a \U0001f469\u200d\U0001f4bb \U0001f1e9\U0001f1ea \u2764\ufe0f b"

    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("p", "prompt for three")
        await view.does(text, "a \U0001f469\U0001f4bb \uff24\uff25 \u2764 b")
        await view.does("\x01!\x05?", "!a \U0001f469\U0001f4bb \uff24\uff25 \u2764 b?")
        view.type("\r")
        await view.shows("three: typed")
        assert shells.run("history", "--json", "-n", "1").ok().json[0]["text"] == f"!{text}?"


async def test_what_is_written_stays_when_one_looks_elsewhere(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("p", "prompt for three")
        await view.does("half a thought", "half a thought")
        view.type("\x1b")
        await view.lacks("prompt for")
        await view.does("j", "> ? two")
        await view.does("p", "prompt for two", "half a thought")


async def test_files_and_sessions_are_completed(shells: World) -> None:
    for name in ("notes-of-today.txt", "evil\u202e-\x1b[31mname"):
        touch(f"{shells.home}/{name}")

    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("p", "prompt for three")
        await view.does("see @no", "notes-of-today.txt")
        await view.does("\t\r", "see @notes-of-today.txt")
        await view.does(" and @tw", "session")
        await view.does("\t\r", "and @two")
        await view.does(" or @e", "evil\\u202e-\\x1b[31mname")


async def test_the_editor_and_a_session_take_the_terminal(shells: World) -> None:
    """What is written goes to the editor and comes back; the view is run again as it was."""

    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("p", "prompt for three")
        await view.does("a long one", "a long one")
        view.type("\x0f")
        assert await view.running == Edit("a long one")
        view.view.prompt_edited("a longer one\nof two lines")
        view.running = asyncio.ensure_future(view.view.run())
        await view.shows("a longer one", "of two lines", "prompt for three")
        view.type("\x1b")
        await view.lacks("prompt for")
        view.type("j\r")
        outcome = await view.running
        assert isinstance(outcome, Attach)
        assert outcome.session == shells.info("two")["id"]


async def test_the_grid_shows_several_live(shells: World) -> None:
    shells.python("four", "import itertools, time\nfor n in itertools.count(): print('n', n); time.sleep(0.01)")

    async with driven(shells) as view:
        await view.shows("four")
        await view.does("g", ">? four", " ? three", " ? two", " ? one", "n 1")
        view.type("\x1b[C")
        await view.shows(">? three", " ? four")
        view.type("\r")
        await view.lacks(" ? four")
        await view.shows("three ? unknown")
        await view.does("z", "> ? three")
        await view.does("g", ">? three")
        for row, column, chosen in ((16, 10, ">? two"), (16, 60, ">? one"), (3, 10, ">? four")):
            view.type(f"\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m")
            await view.shows(chosen)
        view.type("\x1b")
        await view.shows("running (4)")


@pytest.mark.parametrize("columns", [80, 81])
async def test_a_question_over_wide_characters_is_whole(world: World, columns: int) -> None:
    world.python("wide", "for n in range(40): print(' ' * (n % 2) + '\\u65e5' * 50)\nimport time; time.sleep(1000)")

    async with driven(world, size=(columns, 24)) as view:
        await view.shows("\u65e5" * 30)
        await view.does("n", "Start a session", "Enter: done")
        rows = view.text().split("\n")
        top = next(at for at, row in enumerate(rows) if "\u250c" in row)
        for row in rows[top : top + 8]:
            assert len([char for char in row if char in "\u2502\u250c\u2510\u2514\u2518"]) == 2, row
            assert "\u65e5" not in row.strip("\u65e5 "), row


async def test_it_does_not_show_itself(shells: World) -> None:
    """A view in a session would change for ever by showing what it shows."""
    shells.new("inside", "agentmux")

    async with driven(shells) as view:
        await view.shows("> ? inside", "this view runs in it", "? three")
        await view.does("j", "> ? three")
        shells.run("send", "-t", "inside", "--keys", "j").ok()
        await view.does("k", "> ? three")
    shells.run("send", "-t", "inside", "--keys", "g").ok()
    shells.shows("inside", ">? three")
    assert not [row for row in shells.screen("inside") if "? inside" in row and "|" in row]


async def test_who_stays_on_a_session_has_seen_its_news(shells: World) -> None:
    shells.python("news", "import time\ntime.sleep(0.3)\nprint('\\a', flush=True)\ntime.sleep(1000)")
    wait_until(lambda: shells.info("news")["unread"], what="news")

    async with driven(shells) as view:
        await view.until(lambda text: "?+news" in text, "a mark")
        view.type("jk")
        await view.until(lambda text: "> ? news" in text, "no mark")
    assert not shells.info("news")["unread"]


async def test_the_mouse(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("> ? three")
        row = view.text().split("\n").index(next(line for line in view.text().split("\n") if " one " in line))
        for kind in ("M", "m"):
            view.type(f"\x1b[<0;8;{row + 1}{kind}")
        await view.shows("> ? one")
        view.type("\x1b[<64;8;3M")
        await view.shows("> ? two")
        for kind in ("M", "m"):
            view.type(f"\x1b[<0;8;{row}{kind}")
        assert isinstance(await view.running, Attach)


async def test_keys_theme_and_plainness_are_the_users(shells: World) -> None:
    async with driven(shells, keys={"K": "kill", "x": ""}, theme="light", plain=True) as view:
        await view.shows("> ? three")
        view.type("x")
        await view.does("K", "Kill three?")
        await view.does("k", "killed three")
        await view.shows("ended (1)")
        assert not [char for char in view.text() if "\u2500" <= char <= "\u259f"], "no frames"


async def test_what_was_said_why_and_what_waits_are_shown_and_searched(shells: World) -> None:
    shells.run("send", "-t", "three", "a prompt to be found").ok()
    wait_until(lambda: shells.run("search", "found").out, what="a search that finds it")

    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("2", "[messages]", "user  ", "a prompt to be found")
        await view.does("3", "[why]", "three: unknown")
        await view.does("4", "[queue]", "no prompts")
        await view.does("1", "[screen]", "a prompt to be found")
        await view.does("\x06", "Search upwards")
        await view.does("FOUND\r", "[screen, scrolled]")
        await view.does("\x06", "Search upwards")
        await view.does("\x15nothing like that\r", "no 'nothing like that' there")
        await view.does("F", "Search all")
        await view.does("found\r", "three  prompts  a prompt to be found")


async def test_scrolling_goes_into_the_scrollback_and_back_to_the_live_screen(shells: World) -> None:
    shells.python("long", "for n in range(500): print('row', n)\nimport time; time.sleep(1000)")
    shells.shows("long", "row 499")

    async with driven(shells) as view:
        await view.shows("> ? long", "row 499")
        view.type("\x1b[5~")
        await view.shows("[screen, scrolled]")
        await view.lacks("row 499")
        for _ in range(40):
            view.type("\x1b[5~")
        await view.shows("row 0")
        for _ in range(60):
            view.type("\x1b[6~")
        await view.shows("row 499", "[screen]")


async def test_what_was_above_one_screen_is_not_shown_of_another(shells: World) -> None:
    shells.python("long", "for n in range(9000): print('row', n)\nimport time; time.sleep(1000)")
    shells.shows("long", "row 8999")

    async with driven(shells) as view:
        await view.shows("> ? long", "row 8999")
        scrolling = asyncio.ensure_future(view.view.preview.scroll(1))
        await asyncio.sleep(0)  # it has asked
        view.view.move(1)
        await scrolling
        await view.shows("> ? three")
        await view.lacks("row ")
        assert not view.view.preview.scrolled
        await view.view.preview.scroll(1)
        assert not view.view.preview.scrolled, "there is nothing above"


async def test_a_search_that_finds_nothing_leaves_the_screen_live(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("\x06", "Search upwards")
        await view.does("nothing like that\r", "no 'nothing like that' there", "[screen]")
        shells.run("send", "-t", "three", "now").ok()
        await view.shows("now")


async def test_sessions_are_started_with_all_that_the_form_has(shells: World) -> None:
    os.mkdir(f"{shells.home}/work")

    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("n", "Start a session")
        view.type(f"cat -u\t\x15{shells.home}/work\tnew-one\tteam=blue 'note=two words'\thello\r")
        await view.shows("new-one: typed", "> ? new-one")
    info = shells.info("new-one")
    assert (info["argv"], info["cwd"]) == (["cat", "-u"], f"{shells.home}/work")
    assert info["labels"] == {"team": "blue", "note": "two words"}
    shells.shows("new-one", "hello")


async def test_labels_mute_export_and_the_clipboard(shells: World) -> None:
    shells.run("send", "-t", "three", "say this").ok()
    shells.run("label", "-t", "three", "a=1").ok()

    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("l", "Labels of three", "a=1")
        await view.does("\x15b=2\r", "labels set")
        await view.does("M", "three: muted")
        assert shells.info("three")["labels"] == {"b": "2", "notify": "off"}
        await view.shows("notify=off")
        await view.does("M", "three: tells again")
        await view.does("e", "Export as")
        await view.does("j\r", "Write to")
        await view.does(f"\x15{shells.home}/out.txt\r", "wrote")
    assert "say this" in content(f"{shells.home}/out.txt")
