"""Dialogs are answered as they were shown: what was picked in them, beside what the one who answered was told."""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import dialogs
import pytest
from world import World, wait_until

COLOURS = ["red", "green", "blue", "white"]


def ours(world: World, name: str = "one", profile: str = dialogs.PROFILE) -> None:
    """Start an agent that opens dialogs."""
    program = f'#!/bin/sh\nexec {sys.executable} -I -S {dialogs.__file__} "$@"\n'
    env = [f"TRUTH={world.root}/{name}", f"OURS_LOG={world.root}"]
    world.new(name, world.agent(profile, program), options=[word for one in env for word in ("-e", one)])
    world.does(name, "idle")


def ask(world: World, kind: str, options: list[str], name: str = "one") -> dict[str, Any]:
    """Have a dialog opened; return what the inbox says of it."""
    world.run("send", "-t", name, f"ask {kind} {','.join(options)}")

    def there() -> list[dict[str, Any]]:
        return [one for one in inbox(world) if one["name"] == name and one["options"]]

    return wait_until(there, what=lambda: f"dialog in {world.screen(name)}")[0]


def inbox(world: World) -> list[dict[str, Any]]:
    return list(world.run("inbox", "--json").ok().json)


def answer(world: World, *words: str, name: str = "one") -> dict[str, Any]:
    ran = world.run("answer", "-t", name, "--json", *words)
    assert ran.status == ran.json["status"], ran
    return dict(ran.json)


def picked(world: World, name: str = "one") -> list[str]:
    try:
        with open(f"{world.root}/{name}") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def test_the_inbox_has_who_needs_a_person_and_what_is_asked(world: World) -> None:
    world.new("cat", "cat")
    assert world.run("inbox").ok().out == ""
    assert inbox(world) == []
    ours(world)
    ours(world, "two")
    ask(world, dialogs.PLAIN, ["Yes", "Always", "No"], "two")
    ask(world, dialogs.DIGITS, ["red", "blue", "Something else"])
    assert [one["name"] for one in inbox(world)] == ["two", "one"], "the oldest is first"
    two, one = inbox(world)
    assert (one["status"], one["about"], one["question"], one["wants"]) == ("waiting", "question", "Which?", None)
    assert [(option["number"], option["text"], option["means"]) for option in one["options"]] == [
        (1, "red", None),
        (2, "blue", None),
        (3, "Something else", "text"),
    ]
    assert [option["means"] for option in two["options"]] == ["yes", None, "no"]
    lines = world.run("inbox").ok().lines
    assert lines[0].startswith("two: waiting for approval, for ") and lines[0].endswith(two["token"])
    assert lines[1:5] == ["    May I?", "    1. Yes", "    2. Always", "    3. No"]
    assert world.run("why", "-t", "one", "--json").ok().json["token"] == one["token"]
    assert answer(world, "2", "--seen", one["token"])["state"] == "answered"
    wait_until(lambda: [one["name"] for one in inbox(world)] == ["two"], what="one less")


@pytest.mark.parametrize("kind", [dialogs.DIGITS, dialogs.MARKS, dialogs.DEAF, dialogs.PLAIN, dialogs.ROW])
def test_what_is_chosen_is_what_is_picked(world: World, kind: str) -> None:
    ours(world)
    rounds = random.Random(kind)
    wanted = []
    for count in range(4):
        options = rounds.sample(COLOURS, 2 if count == 0 else 3)
        shown = ask(world, kind, options)
        number = rounds.randrange(len(options)) + 1
        wanted.append(options[number - 1])
        given = answer(world, str(number), *(["--seen", shown["token"]] if count % 2 else []))
        assert (given["state"], given["answer"], given["option"]) == ("answered", number, wanted[-1]), given
        assert given["proof"] == ("screen" if kind in (dialogs.PLAIN, dialogs.ROW) else f"record {wanted[-1]}")
        assert picked(world) == wanted
        world.does("one", "idle")


def test_a_dialog_that_was_not_shown_is_not_answered(world: World) -> None:
    ours(world)
    shown = ask(world, dialogs.DIGITS, COLOURS)
    world.run("send", "-t", "one", "-k", "s").ok()
    world.shows("one", "1. white")
    given = answer(world, "1", "--seen", shown["token"])
    assert (given["state"], given["status"], given["why"]) == ("refused", 10, "it is not the dialog that was shown")
    ran = world.run("answer", "-t", "one", "1", "--seen", "000000000000")
    ran.failed("session 'one': refused: it is not the dialog that was shown", status=10)
    world.run("send", "-t", "one", "-k", "s").ok()
    world.shows("one", "1. red")
    [again] = wait_until(lambda: [one for one in inbox(world) if one["options"][0]["text"] == "red"], what="red")
    assert picked(world) == []
    assert answer(world, "1", "--seen", again["token"])["option"] == "red"
    assert picked(world) == ["red"]
    world.does("one", "idle")
    ask(world, dialogs.DIGITS, COLOURS)
    assert answer(world, "1", "--seen", again["token"])["state"] == "refused", "the same again is another one"
    assert picked(world) == ["red"]


def test_who_looks_the_same_while_the_marked_answer_moves_is_not_trusted(world: World) -> None:
    ours(world, profile=dialogs.PROFILE.replace('digits = "pick"', ""))
    ask(world, dialogs.MOVING, COLOURS)
    given = answer(world, "3")
    assert (given["state"], given["why"]) == ("refused", "the dialog went away before anything was picked")
    assert picked(world) == []


def test_yes_and_no_are_what_they_mean(world: World) -> None:
    ours(world)
    for kind, options, word, means in (
        (dialogs.PLAIN, ["No", "Always", "Yes"], "yes", "Yes"),
        (dialogs.PLAIN, ["Yes", "Never", "No"], "no", "No"),
        (dialogs.ROW, ["Always", "Allow", "Reject"], "yes", "Allow"),
        (dialogs.ROW, ["Allow", "Reject"], "no", "Reject"),
    ):
        ask(world, kind, options)
        assert answer(world, word)["option"] == means
        assert picked(world)[-1] == means
        world.does("one", "idle")
    ask(world, dialogs.DIGITS, COLOURS)
    assert answer(world, "yes")["why"] == "none of its answers means yes"
    assert answer(world, "7")["why"] == "none of its answers has number 7"
    assert len(picked(world)) == 4


def test_letters_are_typed_and_entered(world: World) -> None:
    ours(world, profile=dialogs.PROFILE.replace("[answer]", "[answer]\nyes = '^.Y.es'\nno = '^.N.o'"))
    for word, means in (("yes", "(Y)es"), ("no", "(N)o"), ("2", "(N)o")):
        ask(world, dialogs.LETTERS, ["unused"])
        assert answer(world, word)["state"] == "answered"
        assert picked(world)[-1] == means
        world.does("one", "idle")


def test_a_text_goes_into_the_answer_that_takes_one(world: World) -> None:
    ours(world)
    ask(world, dialogs.DIGITS, ["red", "Something else", "blue"])
    assert answer(world, "2")["why"] == "that answer takes a text"
    given = answer(world, "--text", "a kind\nof red")
    assert (given["option"], given["proof"]) == ("Something else", "record a kind of red")
    world.does("one", "idle")
    ask(world, dialogs.MARKS, ["red", "No", "Yes"])
    assert answer(world, "--text", "not now")["state"] == "answered", "added to the answer that means no"
    assert picked(world) == ["a kind of red", "not now"]


def test_a_text_that_the_dialog_does_not_take_is_the_next_prompt(world: World) -> None:
    ours(world, profile=dialogs.PROFILE.replace('amend = ["Tab"]', ""))
    ask(world, dialogs.PLAIN, ["Yes", "Always", "No"])
    given = answer(world, "--text", "ask digits red,blue")
    assert (given["state"], given["option"], given["prompt"]) == ("answered", "No", 2)
    wait_until(lambda: [len(one["options"]) for one in inbox(world)] == [2], what="the next dialog")


def test_what_the_agent_has_written_down_is_compared(world: World) -> None:
    ours(world)
    ask(world, dialogs.LIAR, COLOURS)
    ran = world.run("answer", "-t", "one", "2")
    ran.failed("session 'one': uncertain: it has written down another answer: another", status=11)


def test_who_does_not_wait_is_not_answered(world: World) -> None:
    ours(world)
    world.run("answer", "-t", "one", "1").failed("session 'one': refused: it does not wait for an answer", status=10)
    world.new("cat", "cat")
    world.run("answer", "-t", "cat", "1").failed(
        "session 'cat': refused: nothing is known of its program's dialogs", status=10
    )
    for words in (["1", "--text", "x"], [], ["maybe"], ["0"], ["-1"]):
        assert world.run("answer", "-t", "one", *words).status == 2
    assert picked(world) == []


def test_what_is_done_is_written_down_and_told(world: World) -> None:
    ours(world)
    ask(world, dialogs.DIGITS, COLOURS)
    events = world.start("events", "--json", "-t", "one")
    world.run("answer", "-t", "one", "7")
    assert events.stdout is not None
    answer(world, "4")
    told = next(event for line in events.stdout if (event := json.loads(line))["event"] == "answered")
    assert (told["answer"], told["option"], told["state"], told["proof"]) == (4, "white", "answered", "record white")
    events.terminate()
    world.ended(events)
    history = world.run("why", "-t", "one", "--history", "--json").ok().json["history"]
    assert [entry["because"] for entry in history if "answer" in str(entry["because"])] == [
        "an answer refused: none of its answers has number 7",
        "answer 4 'white' picking",
        "answer 4 'white' answered: record white",
    ]


def test_two_answers_at_once_are_one(world: World) -> None:
    ours(world)
    ask(world, dialogs.PLAIN, ["red", "blue", "green"])
    both = [world.start("answer", "-t", "one", "--json", number) for number in ("2", "3")]
    given = [json.loads(world.ended(one).out) for one in both]
    done = [one for one in given if one["state"] == "answered"]
    assert len(done) == 1 and picked(world) == [done[0]["option"]], given


def test_the_inbox_follows_what_changes(world: World) -> None:
    ours(world)
    watch = world.start("inbox", "--json", "--watch")
    assert watch.stdout is not None
    assert json.loads(watch.stdout.readline()) == []
    ask(world, dialogs.DIGITS, COLOURS)
    while not (found := json.loads(watch.stdout.readline())) or not found[0]["options"]:
        pass
    answer(world, "1", "--seen", found[0]["token"])
    while json.loads(watch.stdout.readline()):
        pass
    watch.terminate()
    world.ended(watch)


def test_a_prompt_waits_until_the_answer_is_given(world: World) -> None:
    ours(world)
    ask(world, dialogs.DEAF, COLOURS)
    at_once = world.start("answer", "-t", "one", "3")
    wait_until(lambda: "picking" in world.run("why", "-t", "one", "--history").out, what="an answer under way")
    world.run("send", "-t", "one", "ask digits white,black")
    assert world.ended(at_once).status == 0
    wait_until(lambda: [len(one["options"]) for one in inbox(world)] == [2], what="the next dialog")
    assert picked(world) == ["blue"]
    assert answer(world, "2")["option"] == "black"


def test_of_a_session_without_a_record_no_words_are_kept(world: World) -> None:
    program = f'#!/bin/sh\nexec {sys.executable} -I -S {dialogs.__file__} "$@"\n'
    options = ["--no-record", "-e", f"TRUTH={world.root}/one", "-e", f"OURS_LOG={world.root}"]
    world.new("one", world.agent(dialogs.PROFILE, program), options=options)
    world.does("one", "idle")
    ask(world, dialogs.DIGITS, COLOURS)
    assert answer(world, "2")["option"] == "green"
    history = json.dumps(world.run("why", "-t", "one", "--history", "--json").ok().json["history"])
    assert "answer 2 picking" in history and "green" not in history
