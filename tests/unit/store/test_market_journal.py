from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Fill, Side
from mia_actors.store.market_journal import MarketJournal

MINUTE = Timeframe.M1.ns


def _bar(minute: int) -> Bar:
    return Bar(
        instrument="ESZ3",
        timeframe=Timeframe.M1,
        start_ns=minute * MINUTE,
        open_ticks=1,
        high_ticks=3,
        low_ticks=0,
        close_ticks=2,
        volume=minute,
    )


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


def _journal(path: Path) -> MarketJournal:
    return MarketJournal.open(path / "market.db")


def test_bars_come_back_in_order_history_included(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.add_base_bars([_bar(1), _bar(2)], history=True)
    journal.add_base_bars([_bar(3), _bar(4)], history=False)
    assert journal.base_bars(None, 5 * MINUTE) == [_bar(1), _bar(2), _bar(3), _bar(4)]
    assert journal.base_bars(2 * MINUTE, 4 * MINUTE) == [_bar(3)]
    assert journal.base_bars(None, 5 * MINUTE, limit=2) == [_bar(3), _bar(4)]


def test_the_session_begins_after_the_warm_up(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.add_base_bars([_bar(1)], history=True)
    journal.add_base_bars([_bar(3), _bar(4)], history=False)
    assert journal.session_bar_after(None) == _bar(3)
    assert journal.session_bar_after(3 * MINUTE) == _bar(4)
    assert journal.session_bar_after(4 * MINUTE) is None


def test_a_bar_is_journaled_once(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.add_base_bars([_bar(3)], history=False)
    journal.add_base_bars([replace(_bar(3), volume=99)], history=False)
    assert journal.base_bars(None, 9 * MINUTE) == [_bar(3)]


def test_a_commission_comes_later_and_stays(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    paid = replace(FILL, commission_usd=Decimal("2.25"))
    for fill in (FILL, paid, FILL):
        journal.add_fill(fill)
    assert journal.fills(0, 10) == (paid,)
    assert journal.fills(10, 20) == ()


def test_a_reader_sees_what_the_writer_committed(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.add_base_bars([_bar(0)], history=False)
    with MarketJournal.open_readonly(tmp_path / "market.db") as reader:
        assert reader.last_base_bar() == _bar(0)


def test_the_order_id_mark_never_goes_down(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.raise_order_id(9)
    journal.raise_order_id(4)
    assert journal.order_id_high_water() == 9


def test_the_first_equity_is_the_session_s(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.note_starting_equity_usd(Decimal(25000))
    journal.note_starting_equity_usd(Decimal(1))
    assert journal.starting_equity_usd() == Decimal(25000)


def test_a_correction_replaces_the_execution_it_corrects(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    corrected = replace(FILL, exec_id="a.02", price_ticks=6)
    journal.add_fill(FILL)
    journal.add_fill(corrected)
    journal.add_fill(replace(FILL, commission_usd=Decimal(1)))
    assert journal.fills(0, 10) == (corrected,)


def test_executions_with_another_stem_stand_beside_each_other(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    for exec_id in ("a.01", "a0.01", "a.b.01", "plain"):
        journal.add_fill(replace(FILL, exec_id=exec_id))
    assert len(journal.fills(0, 10)) == 4


def test_the_contract_of_the_first_connect_is_the_session_s(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    assert journal.contract_month() is None
    journal.note_contract_month("201312")
    journal.note_contract_month("201403")
    assert journal.contract_month() == "201312"
