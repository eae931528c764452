"""The input queue on the disk: order, what became of each prompt, and what a killed server leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentmux.store.errors import NoSuchSession
from agentmux.store.queue import KEEP, Phase
from agentmux.store.stores import Stores


def opened(tmp_path: Path) -> tuple[Stores, int]:
    stores = Stores(str(tmp_path / "data"))
    return stores, stores.sessions.add("one", ["prog"], "/", created=1.0, size=(80, 24)).id


def waiting(stores: Stores, session: int) -> list[str | None]:
    return [one.text for one in stores.queue.waiting(session)]


def test_prompts_wait_in_their_order_across_servers(tmp_path: Path) -> None:
    stores, one = opened(tmp_path)
    for text in ("first", "second", "x" * 100_000):
        stores.queue.add(one, 1.0, text, at_once=False)
    stores.close()
    stores = Stores(str(tmp_path / "data"))
    assert waiting(stores, one) == ["first", "second", "x" * 100_000]
    assert stores.queue.sessions() == [one] and stores.queue.counts() == {one: 3}
    stores.close()


def test_what_becomes_of_one_is_remembered(tmp_path: Path) -> None:
    stores, one = opened(tmp_path)
    queue = stores.queue
    prompt = queue.add(one, 1.0, "do it", at_once=True, not_before=5.0)
    assert (prompt.phase, prompt.at_once, prompt.not_before, prompt.typed) == (Phase.QUEUED, True, 5.0, None)
    queue.waits(prompt.id, "working")
    assert queue.get(prompt.id).why == "working"
    queue.typing(prompt.id, 6.0)
    assert queue.get(prompt.id).phase is Phase.TYPING and queue.waiting(one)[0].typed == 6.0
    queue.end(prompt.id, Phase.UNCERTAIN, 7.0, "who knows")
    assert queue.doubtful(one, 5) == [queue.get(prompt.id)] and queue.waiting(one) == []
    queue.end(prompt.id, Phase.ACCEPTED, 8.0, "", "record \ud800")
    assert queue.get(prompt.id).phase.over and queue.doubtful(one, 5) == []
    with pytest.raises(KeyError):
        queue.get(99)
    stores.close()


def test_only_what_is_queued_can_be_changed(tmp_path: Path) -> None:
    stores, one = opened(tmp_path)
    queue = stores.queue
    first, second, third = (queue.add(one, 1.0, text, at_once=False).id for text in ("first", "second", "third"))
    assert queue.edit(second, 2.0, "other" * 10_000) and queue.move(third, first)
    assert waiting(stores, one) == ["third", "first", "other" * 10_000]
    assert queue.move(third, second) and queue.move(first, None)
    assert waiting(stores, one) == ["third", "other" * 10_000, "first"]
    queue.typing(third, 3.0)
    assert not queue.edit(third, 4.0, "late") and not queue.move(third, None)
    stores.close()


def test_a_pause_lasts(tmp_path: Path) -> None:
    stores, one = opened(tmp_path)
    stores.queue.pause(one, True)
    stores.close()
    stores = Stores(str(tmp_path / "data"))
    assert stores.queue.paused(one)
    stores.queue.pause(one, False)
    assert not stores.queue.paused(one)
    stores.close()


def test_the_newest_that_are_over_are_kept(tmp_path: Path) -> None:
    stores, one = opened(tmp_path)
    kept = stores.queue.add(one, 1.0, "still queued", at_once=False)
    for number in range(KEEP + 20):
        prompt = stores.queue.add(one, 1.0, f"prompt {number}", at_once=False)
        stores.queue.end(prompt.id, Phase.DROPPED, 2.0, "")
    rows = stores.queue.of(one, KEEP * 2)
    assert len(rows) <= KEEP + 2 and rows[-1].text == f"prompt {KEEP + 19}"
    assert waiting(stores, one) == ["still queued"] == [stores.queue.get(kept.id).text]
    stores.close()


def test_they_go_with_their_session_and_its_blobs(tmp_path: Path) -> None:
    stores, one = opened(tmp_path)
    stores.queue.add(one, 1.0, "y" * 100_000, at_once=False)
    stores.sessions.forget(one)
    assert stores.database.execute("SELECT count(*) FROM queue") == [(0,)]
    with pytest.raises(NoSuchSession):
        stores.queue.add(one, 1.0, "late", at_once=False)
    stores.close()
