"""An action is done to what it was asked for, whatever becomes of the list meanwhile; and to all that are marked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from driving import driven, late
from world import World, wait_until


@pytest.fixture
def shells(world: World) -> Iterator[World]:
    """A world with sessions that do nothing."""
    for name in ("one", "two", "three"):
        world.new(name, "cat")
    yield world


async def test_what_is_killed_is_what_was_asked_for(shells: World) -> None:
    """The selected one goes away under the question: the one that is selected then is another."""
    three = shells.info("three")["id"]

    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("x", "Kill three?")
        shells.run("kill", "-t", "three").ok()
        shells.run("forget", "-t", str(three)).ok()
        await view.shows("running (2)")
        await view.does("k", "no session")
        assert shells.names() == ["one", "two"]


async def test_what_is_removed_is_what_was_asked_for(shells: World) -> None:
    for name in ("one", "two"):
        shells.run("kill", "-t", name).ok()

    async with driven(shells) as view:
        await view.shows("ended (2)")
        await view.does("j", "> x two")
        await view.does("D", "Remove every trace of two?")
        shells.run("forget", "-t", "two").ok()
        await view.shows("ended (1)", "> x one")
        await view.does("r", "no session")
        assert set(shells.names("-a")) == {"one", "three"}


async def test_a_list_behind_a_question_takes_no_clicks(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("x", "Kill three?")
        for kind in ("M", "m"):
            view.type(f"\x1b[<0;8;5{kind}")
        await view.does("k", "killed three")
        assert shells.names() == ["one", "two"]


async def test_what_fails_for_one_is_done_to_the_others(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("   ", "3 marked")
        await view.does("l", "Labels of 3 sessions")
        two = shells.info("two")["id"]
        shells.run("kill", "-t", "two").ok()
        shells.run("forget", "-t", str(two)).ok()
        await view.does("\x15team=blue\r", "2 of 3 sessions: labels set")
        assert [shells.info(name)["labels"] for name in ("one", "three")] == [{"team": "blue"}] * 2


async def test_an_undo_at_once_brings_back(shells: World) -> None:
    """The list does not know yet that it is over."""

    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("xk", "killed three")
        await view.does("u", "three: back")
        wait_until(lambda: "three" in shells.names(), what="the session")


async def test_marks_go_with_what_was_killed_and_all_at_once(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("  ", "2 marked")
        view.type("U")
        await view.lacks("marked")
        await view.does("/three", "/three ")  # all of it: two letters may stand in the folder's name, too
        await view.does("\rA", "1 marked")
        await view.does("/\x15two\rA", "2 marked")
        await view.does("x", "Kill 2 sessions?", "two, three")
        await view.does("k", "killed 2 sessions")
        await view.lacks("marked")
        assert shells.names() == ["one"]


async def test_a_prompt_goes_to_more_than_are_told_one_by_one(world: World) -> None:
    """Receipts of many are counted."""
    for number in range(6):
        world.new(f"s{number}", "cat")

    async with driven(world) as view:
        await view.shows("running (6)")
        await view.does("A", "6 marked")
        await view.does("p", "prompt for ")
        view.type("hello\r")
        await view.shows("6 prompts: 6 typed")


async def test_a_filter_goes_where_it_would_hide_what_is_shown(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("> ? three")
        await view.does("/two\r", "> ? two")
        await view.lacks("three")
        await view.does("n", "Start a session")
        view.type("cat\t\tnew\r")
        await view.shows("> ? new", "> ? new", "three")
        await view.lacks("/two")


async def test_no_question_comes_between_a_writer_and_their_words(shells: World) -> None:
    """The server may take its time; what is typed by then is no answer."""
    shells.run("send", "-t", "three", "found").ok()
    wait_until(lambda: shells.run("search", "found").out, what="a search that finds it")

    async with driven(shells) as view:
        await view.shows("> ? three")
        asked, go_on = late(view, lambda words: words[0] == "search")
        await view.does("F", "Search all")
        view.type("found\r")
        await asked.wait()
        await view.does("p", "prompt for three")
        go_on.set()
        await view.shows("came when you were writing")
        await view.does("1 word", "1 word")


async def test_who_is_forgotten_while_the_server_is_asked_stays_so(shells: World) -> None:
    async with driven(shells) as view:
        await view.shows("> ? three")
        asked, go_on = late(view, lambda words: words[:2] == ("ls", "--json"))
        shells.run("kill", "-t", "three").ok()
        await asked.wait()
        shells.run("forget", "-t", "three").ok()
        await view.lacks("three")
        go_on.set()
        shells.new("four", "cat")
        await view.shows("four")
        await view.lacks("three")
        assert all(info.name != "three" for info in view.view.sessions.everything())
