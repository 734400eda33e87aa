from dataclasses import replace
from decimal import Decimal

from mia_actors.broker.executions import Executions
from mia_actors.core.orders import Fill, Side

FILL = Fill(
    exec_id="a.01",
    order_ref="r",
    perm_id=1,
    instrument="ESZ3",
    side=Side.BUY,
    quantity=1,
    price_ticks=5,
    event_time_ns=10,
)


def test_an_execution_heard_twice_is_news_once() -> None:
    found = Executions()
    assert found.add(FILL, 7) == FILL
    assert found.add(FILL, 7) is None
    assert found.fills(7) == (FILL,)


def test_a_commission_joins_its_execution_whichever_comes_first() -> None:
    joined = replace(FILL, commission_usd=Decimal("2.05"))
    late, early = Executions(), Executions()
    late.add(FILL, 7)
    assert late.add_commission("a.01", Decimal("2.05")) == joined
    assert not late.commissions_missing
    assert early.add_commission("a.01", Decimal("2.05")) is None
    assert early.add(FILL, 7) == joined


def test_an_execution_without_commission_is_known_to_lack_it() -> None:
    found = Executions()
    found.add(FILL, 7)
    assert found.commissions_missing


def test_a_commission_heard_again_is_no_news() -> None:
    found = Executions()
    found.add(FILL, 7)
    found.add_commission("a.01", Decimal("2.05"))
    assert found.add_commission("a.01", Decimal("2.05")) is None


def test_a_correction_replaces_and_an_older_one_does_not() -> None:
    found = Executions()
    corrected = replace(FILL, exec_id="a.02", price_ticks=6)
    found.add(FILL, 7)
    assert found.add(corrected, 7) == corrected
    assert found.add(FILL, 7) is None
    assert found.fills(7) == (corrected,)


def test_executions_of_another_contract_are_kept_apart() -> None:
    found = Executions()
    found.add(FILL, 7)
    assert found.fills(8) == ()
    assert found.con_id(FILL) == 7
