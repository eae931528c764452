"""What agents' models took: summed, each answer once, and gone with its session."""

from pathlib import Path

from agentmux.store.stores import Stores
from agentmux.store.usage import Answer, Place, Used

PLACE = Place("/log", 5, 100)
ODD = Place("/log \udcff", 5, 200)


def test_each_answer_counts_once(tmp_path: Path) -> None:
    stores = Stores(str(tmp_path / "data"))
    one, two = (stores.sessions.add(name, ["x"], "/", created=1.0, size=(80, 24)).id for name in ("one", "two"))
    assert stores.usage.total(one) == Used() and stores.usage.place(one) is None
    stores.usage.add(one, [Answer("a", 10.0, Used(5, 1, 2)), Answer("b", 20.0, Used(1, 0, 1, 0.5))], PLACE)
    assert stores.usage.total(one) == Used(6, 1, 3, 0.5)
    stores.usage.add(one, [Answer("a", 10.0, Used(5, 1, 9)), Answer("\ud800", 10.0, Used())], ODD)
    stores.usage.add(two, [Answer("a", 10.0 + 86400 * 3, Used(1, 1, 1))], PLACE)
    assert stores.usage.total(one) == Used(6, 1, 10, 0.5)
    assert stores.usage.place(one) == ODD
    by_day = stores.usage.by_day(0)
    assert [(session, used) for session, _, used in by_day] == [(one, Used(6, 1, 10, 0.5)), (two, Used(1, 1, 1))]
    assert by_day[0][1] < by_day[1][1]
    assert [session for session, *_ in stores.usage.by_day(15.0)] == [one, two]
    assert stores.usage.by_day(15.0)[0][2] == Used(1, 0, 1, 0.5)
    stores.sessions.forget(one)
    assert stores.database.execute("SELECT session FROM usage") == [(two,)]
    assert stores.database.execute("SELECT session FROM log_place") == [(two,)]
    stores.close()


def test_money_that_nobody_told_is_not_nothing() -> None:
    assert Used(cost=None) + Used(cost=None) == Used()
    assert (Used(1) + Used(2, cost=0.25)).cost == 0.25
