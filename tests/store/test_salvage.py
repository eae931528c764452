"""A damaged database costs what can't be read of it: the rest is saved, the file is put aside as it was."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agentmux.store.archive import pack
from agentmux.store.errors import StoreError
from agentmux.store.folders import aside
from agentmux.store.messages import Role, Source
from agentmux.store.salvage import OF_SESSION, TABLES, suspect
from agentmux.store.sessions import UNKNOWN
from agentmux.store.stores import Stores
from agentmux.store.texts import INLINE

PAGE = 4096
SESSIONS = 20


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with something in each table that is saved."""
    folder = tmp_path_factory.mktemp("salvage") / "data"
    with closing(Stores(str(folder))) as stores:
        for number in range(1, SESSIONS + 1):
            row = stores.sessions.add(f"s{number}", ["sh", "x" * 300], "/", created=float(number), size=(80, 24))
            stores.sessions.add_poison(row.id, 5, 9)
            journal, marks = stores.recording(row.id)
            journal.append(b"output of %d\n" % row.id * 9)
            journal.close_segment()
            stores.archive(row.id).add(pack(stores.blobs, stores.session_folder(row.id), 0), 1.0)
            journal.release()
            marks.release()
            for n in range(12):
                stores.messages.add(row.id, Role.AGENT, float(n), Source.HOOK, {}, f"message {n} " * 40)
            stores.messages.add(row.id, Role.AGENT, 99.0, Source.HOOK, {}, f"long {number} " * INLINE)
            stores.queue.add(row.id, 1.0, f"later {number}", at_once=False)
    return folder


def rows(stores: Stores) -> dict[str, set[tuple[object, ...]]]:
    """Return what is in each table that is saved."""
    return {table: set(stores.database.execute(f"SELECT * FROM {table}")) for table in (*TABLES, *OF_SESSION)}


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "data"))


def zeroed(data: bytearray, at: int) -> None:
    """A page that was never written."""
    data[at : at + PAGE] = bytes(PAGE)


def noise(data: bytearray, at: int) -> None:
    """A page of something else."""
    data[at : at + PAGE] = random.Random(at).randbytes(PAGE)


def flipped(data: bytearray, at: int) -> None:
    """A few wrong bits."""
    for place in random.Random(at).sample(range(at, at + PAGE), 8):
        data[place] ^= 1 << place % 8


def cut(data: bytearray, at: int) -> None:
    """No end."""
    del data[at:]


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.prove)], ids=["some-pages", "all-pages"])
@pytest.mark.parametrize("damage", [zeroed, noise, flipped, cut], ids=lambda damage: damage.__name__)
def test_damage_to_any_page(made: Path, tmp_path: Path, damage: Callable[[bytearray, int], None], stride: int) -> None:
    """Whatever page is damaged: the damaged file is kept to the byte, nothing is made up, every session is there."""
    with closing(Stores(str(made))) as stores:
        before = rows(stores)
    whole = (made / "store.db").read_bytes()
    for at in range(0, len(whole), stride * PAGE):
        folder = tmp_path / str(at)
        shutil.copytree(made, folder)
        data = bytearray(whole)
        damage(data, at)
        (folder / "store.db").write_bytes(data)
        with closing(Stores(str(folder), lambda folder=str(folder): suspect(folder, time.time()))) as stores:  # type: ignore[misc]
            wrote = touched(stores)
        kept = folder / "store.db"
        with closing(Stores(str(folder))) as stores:
            if aside(str(folder)):
                kept = Path(aside(str(folder))[0])
                assert stores.database.integrity_check() == [], (damage, at)
            after = rows(stores)
            assert [row.id for row in stores.sessions.all()][:SESSIONS] == list(range(1, SESSIONS + 1)), (damage, at)
            if damage is not flipped:  # a flipped bit may be in a text
                for table, found in after.items():
                    made_up = {row for row in found if table != "session" or row[1] not in ("touch", f"found-{row[0]}")}
                    assert made_up <= before[table], (damage, at, table)
            assert stores.sessions.add("next", ["sh"], "/", created=1.0, size=(80, 24)).id > SESSIONS
        assert kept.read_bytes() == data or wrote, (damage, at)
        assert len(aside(str(folder))) <= 1
        shutil.rmtree(folder)


def touched(stores: Stores) -> bool:
    """Read everything, and write a little, as a server does in the course of a day; return whether that worked."""
    wrote = False
    try:
        made = stores.sessions.add("touch", ["sh"], "/", created=1.0, size=(80, 24))
        wrote = True
        stores.sessions.forget(made.id)
    except StoreError:
        pass
    for table in (*TABLES, *OF_SESSION, "blob", "document"):
        try:
            stores.database.execute(f"SELECT * FROM {table}")
        except StoreError:
            pass
    return wrote


EMPTY: dict[str, bytes | None] = {"empty": b"", "text": b"no database\n" * 999, "missing": None, "zeros": bytes(65536)}


@pytest.mark.parametrize("content", EMPTY.values(), ids=EMPTY.keys())
def test_without_any_row_the_output_is_still_there(folder: Path, content: bytes | None) -> None:
    """If nothing can be read, each session that has a folder gets a record, and what it printed can be read."""
    (folder / "sessions" / "7" / f"{0:020d}.raw").write_bytes(b"kept\n")  # that of the others is in blobs
    (folder / "store.db").unlink()
    if content is not None:
        (folder / "store.db").write_bytes(content)
    with closing(Stores(str(folder))) as stores:
        salvaged = stores.salvaged.found if stores.salvaged else ()
        assert [*salvaged, *stores.found] == list(range(1, SESSIONS + 1))
        row = stores.sessions.get(7)
        assert (row.name, row.argv, row.state) == ("found-7", UNKNOWN, "lost")
        assert stores.recording(7)[0].read(0, 99) == b"kept\n"
        files = sorted(folder.glob("blobs/*/*.zst"))
        if content is not None:
            assert stores.blobs.gc(9e9).files == 0
            assert sorted(folder.glob("blobs/*/*.zst")) == files
    with closing(Stores(str(folder))) as stores:
        assert stores.salvaged is None


def test_one_bad_row_costs_itself(folder: Path) -> None:
    """A text that is damaged where only a reader of its row sees it is left out, and all others are there."""
    with closing(Stores(str(folder))) as stores:
        before = rows(stores)
        stores.database.execute("PRAGMA writable_schema = ON")
        stores.database.execute("PRAGMA ignore_check_constraints = ON")
        stores.database.execute("UPDATE message SET proof = 'no json' WHERE id = 100")
    assert suspect(str(folder), time.time())
    with closing(Stores(str(folder))) as stores:
        assert stores.salvaged is not None
        assert stores.salvaged.lost == ("message",)
        after = rows(stores)
    assert {table: before[table] - after[table] for table in before if before[table] != after[table]} == {
        "message": {row for row in before["message"] if row[0] == 100}
    }


def test_nothing_is_wrong_with_what_is_saved(folder: Path) -> None:
    """A database that is saved whole is as it was, blobs and all; it is not saved again at once."""
    with closing(Stores(str(folder))) as stores:
        before = rows(stores)
    assert suspect(str(folder), time.time())
    with closing(Stores(str(folder))) as stores:
        assert stores.salvaged is not None
        assert stores.salvaged.lost == () == stores.salvaged.found
        assert rows(stores) == before
        assert list(stores.blobs.verifying())[-1] == 1
        assert stores.messages.after(0, 9999)[12].text == "long 1 " * INLINE
        stores.archive(7).drop(0)
        assert stores.blobs.gc(9e9).files == 1
    assert not suspect(str(folder), time.time())


class Killed(BaseException):
    """Raised where a kill would end the process."""


def test_killed_at_any_step_nothing_is_lost(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the server is killed while it saves, the next one has all rows, and the damaged file is whole aside."""
    killed = tmp_path / "killed"
    shutil.copytree(made, tmp_path / "server")
    with closing(Stores(str(tmp_path / "server"))) as stores:
        stores.messages.add(1, Role.AGENT, 100.0, Source.HOOK, {}, "not in the file yet, only in its log")
        before = rows(stores)
        shutil.copytree(tmp_path / "server", killed)
    assert (killed / "store.db-wal").stat().st_size
    for step in range(99):
        folder = tmp_path / str(step)
        shutil.copytree(killed, folder)
        assert suspect(str(folder), time.time())
        calls = iter(range(999))

        def mortal(name: str) -> Callable[..., None]:
            real = getattr(os, name)

            def call(*arguments: object) -> None:
                if next(calls) == step:  # noqa: B023 - used within this turn
                    raise Killed
                real(*arguments)

            return call

        survived = False
        with monkeypatch.context() as patch:
            for name in ("rename", "unlink"):
                patch.setattr(os, name, mortal(name))
            try:
                Stores(str(folder)).close()
                survived = True
            except Killed:
                pass
        with closing(Stores(str(folder))) as stores:
            assert rows(stores) == before, step
        assert aside(str(folder)), step
        if survived:
            return
    raise AssertionError("it takes more steps than that")
