from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from mia_actors.core.clock import VirtualClock, iso_utc, time_ns_of, utc_datetime
from mia_actors.core.codec import from_json, to_json
from mia_actors.core.ids import CountedIds, cycle_id
from mia_actors.core.orders import Fill, OrderState, Purpose, Side, order_ref
from mia_actors.core.trade_date import session_bounds_ns, trade_date
from mia_actors.core.units import ES, Contract, product


def _ns(*parts: int) -> int:
    return time_ns_of(datetime(*parts, tzinfo=UTC))  # type: ignore[misc,arg-type]


def test_prices_on_the_grid_become_ticks_and_back() -> None:
    assert ES.ticks_of("1655.25") == 6621
    assert ES.price_of(6621) == Decimal("1655.25")
    assert ES.tick_value_usd == Decimal("12.50")


@pytest.mark.parametrize("tick_size", ["0.25", "0.1", "5"])
def test_a_float_has_the_ticks_of_its_decimal(tick_size: str) -> None:
    """Also where the tick is no power of two, by which floats would not divide exactly."""
    odd = replace(ES, tick_size=Decimal(tick_size))
    for ticks in (-7, 0, 3, 26484, 10_000_001):
        price = Decimal(tick_size) * ticks
        assert odd.ticks_of(float(price)) == odd.ticks_of(str(price)) == ticks
    for off in (0.30000000000000004, 1655.3 + 1e-9, 2.4999999999):
        with pytest.raises(ValueError, match="not a multiple"):
            odd.ticks_of(off)


def test_a_price_off_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        ES.ticks_of(1655.30)


def test_an_unknown_product_names_those_that_are_allowed() -> None:
    with pytest.raises(Exception, match="allowed: ES, MES, NQ"):
        product("CL")


def test_the_local_symbol_is_the_broker_s() -> None:
    assert Contract(symbol="ES", expiry="20131220", con_id=1).instrument == "ESZ3"


def test_an_order_reference_is_the_same_for_the_same_decision() -> None:
    text = order_ref("MIA", "ESZ3", _ns(2013, 10, 8, 14, 35), Purpose.STOP)
    assert text == "MIA.ESZ3.20131008T143500.stop"
    assert len(order_ref("MIAG", "MESZ3", _ns(2013, 10, 8, 14, 35), Purpose.TARGET, 12)) <= 40


def test_final_states_are_those_after_which_nothing_happens() -> None:
    assert {state for state in OrderState if state.is_final} == {
        OrderState.FILLED,
        OrderState.CANCELLED,
        OrderState.REJECTED,
        OrderState.EXPIRED,
    }


def test_a_session_s_evening_belongs_to_the_next_business_day() -> None:
    assert trade_date(_ns(2013, 10, 7, 21, 59)) == date(2013, 10, 7)
    assert trade_date(_ns(2013, 10, 7, 22, 0)) == date(2013, 10, 8)
    assert trade_date(_ns(2013, 10, 11, 22, 30)) == date(2013, 10, 14)


def test_daylight_saving_moves_the_rollover_in_utc() -> None:
    assert trade_date(_ns(2013, 12, 2, 22, 30)) == date(2013, 12, 2)
    assert trade_date(_ns(2013, 12, 2, 23, 0)) == date(2013, 12, 3)


def test_session_bounds_hold_exactly_their_trade_date() -> None:
    start, end = session_bounds_ns(date(2013, 10, 14))
    assert trade_date(start) == trade_date(end - 1) == date(2013, 10, 14)
    assert trade_date(end) == date(2013, 10, 15)
    assert iso_utc(start) == "2013-10-13T22:00:00Z"


def test_messages_survive_the_journal() -> None:
    fill = Fill(
        exec_id="x",
        order_ref="r",
        perm_id=1,
        instrument="ESZ3",
        side=Side.SELL,
        quantity=1,
        price_ticks=6621,
        event_time_ns=5,
        commission_usd=Decimal("2.25"),
    )
    assert from_json(Fill, to_json(fill)) == fill


def test_a_virtual_clock_moves_only_when_slept_on() -> None:
    clock = VirtualClock(10**9)
    clock.sleep_s(2.5)
    assert (clock.now_ns(), clock.monotonic_s()) == (3_500_000_000, 2.5)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance_ns(-1)


def test_times_keep_their_microseconds() -> None:
    moment = datetime(2013, 10, 8, 14, 35, 0, 123456, tzinfo=UTC)
    assert utc_datetime(time_ns_of(moment)) == moment
    with pytest.raises(ValueError, match="naive"):
        time_ns_of(datetime(2013, 10, 8))  # noqa: DTZ001


def test_identifiers_carry_instrument_and_time() -> None:
    assert cycle_id("ESZ3", _ns(2013, 10, 8, 14, 36)) == "ESZ3@20131008T143600Z"
    assert CountedIds().new_id() == "1"
