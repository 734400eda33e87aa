"""The guardian of a backtest: the same limits and the same sequence, nothing on disk."""

from decimal import Decimal
from pathlib import Path

import pytest

from mia_actors.core.orders import OrderState, Permit, Side
from mia_actors.core.permit_gate import PermitRefusal
from mia_actors.core.units import ES
from mia_actors.guardian.in_process import InProcessGuardian
from mia_actors.guardian.limits import GuardianSettings
from tests.unit.guardian.account import ENTRY, INSTRUMENT, FakeDesk, bar, fill, round_trips


def guardian_of(desk: FakeDesk) -> InProcessGuardian:
    return InProcessGuardian(
        GuardianSettings(daily_loss_limit_usd=Decimal(200), position_contracts_max=1),
        desk=desk,
        product=ES,
        instrument=INSTRUMENT,
        starting_equity_usd=Decimal(10_000),
        expand=lambda whole: (whole,),
    )


def test_a_loss_at_the_limit_halts_flattens_and_ends_the_permits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    desk = FakeDesk(position=1, working=2)
    desk.executions = (fill(1, Side.BUY, ENTRY),)
    guardian = guardian_of(desk)
    guardian.on_bar(bar(5, ENTRY - 15))
    halted = [guardian.halted]
    assert isinstance(guardian.permit(bar(5).end_ns), Permit)
    guardian.on_bar(bar(10, ENTRY - 16))
    halted.append(guardian.halted)
    assert halted == [False, True]
    assert guardian.permit(bar(10).end_ns) == PermitRefusal(
        reason="halted", detail="day P&L -200.00 USD, limit -200.00 USD"
    )
    assert desk.positions_seen == [1, 0]
    (own,) = guardian.orders()
    assert (own.spec.side, own.spec.quantity, own.state) == (Side.SELL, 1, OrderState.FILLED)
    assert list(tmp_path.iterdir()) == []


def test_executions_between_two_bars_are_judged_at_the_second() -> None:
    desk = FakeDesk()
    guardian = guardian_of(desk)
    guardian.on_bar(bar(5))
    desk.executions = (fill(6, Side.BUY, ENTRY), fill(8, Side.SELL, ENTRY - 16))
    guardian.on_bar(bar(10))
    assert guardian.halted


def test_orders_show_the_brokers_last_word() -> None:
    desk = FakeDesk(position=1)
    desk.executions = (fill(1, Side.BUY, ENTRY),)
    desk.offset_states = [OrderState.WORKING]
    guardian = guardian_of(desk)
    guardian.on_bar(bar(5, ENTRY - 16))
    (working,) = guardian.orders()
    assert working.state is OrderState.WORKING
    desk.settle(working.spec.order_ref, OrderState.FILLED)
    (filled,) = guardian.orders()
    assert filled.state is OrderState.FILLED


def test_two_backtests_know_nothing_of_each_other() -> None:
    desk = FakeDesk()
    desk.executions = tuple(round_trips([-16]))
    first, second = guardian_of(desk), guardian_of(FakeDesk())
    first.on_bar(bar(5))
    second.on_bar(bar(5))
    assert (first.halted, second.halted) == (True, False)
