"""The ledger: what each session did, bounded, and gone with it."""

from pathlib import Path

from agentmux.store.ledger import Ledger
from agentmux.store.stores import Stores


def session(stores: Stores) -> int:
    return stores.sessions.add("one", ["prog"], "/", created=1.0, size=(80, 24)).id


def test_entries_come_back_oldest_first(tmp_path: Path) -> None:
    stores = Stores(str(tmp_path / "data"))
    one = session(stores)
    assert stores.ledger.last(one) is None
    for at, status in ((1.0, "working"), (2.0, "waiting"), (3.0, "idle")):
        stores.ledger.add(one, at, status, {"reason": {"rule": status}})
    assert [(entry.at, entry.status) for entry in stores.ledger.of(one, 2)] == [(2.0, "waiting"), (3.0, "idle")]
    last = stores.ledger.last(one)
    assert last is not None and last.evidence == {"reason": {"rule": "idle"}}
    stores.close()


def test_the_newest_are_kept(tmp_path: Path) -> None:
    stores = Stores(str(tmp_path / "data"))
    one, ledger = session(stores), Ledger(stores.database, keep=20, spare=5)
    for at in range(100):
        ledger.add(one, float(at), "idle", {})
        kept = [entry.at for entry in ledger.of(one, 1000)]
        assert len(kept) <= 20 + 5 and kept[-1] == at
    assert len(kept) >= 20
    stores.close()


def test_they_go_with_their_session(tmp_path: Path) -> None:
    stores = Stores(str(tmp_path / "data"))
    one = session(stores)
    stores.ledger.add(one, 1.0, "idle", {})
    stores.sessions.forget(one)
    assert stores.database.execute("SELECT count(*) FROM verdict") == [(0,)]
    stores.close()
