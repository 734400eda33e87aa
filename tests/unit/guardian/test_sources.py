"""Sources that disagree, a line that is down, a tree that breaks: debounced, by thresholds."""

from decimal import Decimal
from typing import Any

import pytest

from mia_actors.core.facts import (
    BrokerEquity,
    BrokerPnl,
    BrokerPosition,
    Line,
    SupervisionKind,
    SupervisionNotice,
)
from mia_actors.core.orders import Side
from mia_actors.guardian.core import Demand, GuardianCore, Level
from tests.unit.guardian.account import ENTRY, fill
from tests.unit.guardian.judging import (
    HALT,
    NO_ENTRIES,
    NOTHING,
    TOLD,
    Words,
    at,
    core_with,
    judged,
    seen,
    thresholds,
    words,
)


def told(core: GuardianCore, contracts: int, readings: int) -> None:
    """The broker's position, judged after every reading, as in lockstep."""
    for number in range(readings):
        core.take(BrokerPosition(contracts=contracts))
        judged(core, 5 * number)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [(0, NOTHING), (2, NOTHING), (3, (NO_ENTRIES,)), (5, (NO_ENTRIES,)), (6, (HALT,))],
)
def test_a_position_other_than_the_executions_is_critical_then_a_catastrophe(
    readings: int, expected: tuple[Words, ...]
) -> None:
    core = core_with()
    core.add_fills([fill(1, Side.BUY, ENTRY)])
    told(core, 2, readings)
    assert words(judged(core, 100), "position_disagreement") == expected
    assert core.wants_position is (readings > 0)


def test_one_reading_that_agrees_ends_it_and_judging_again_is_no_reading() -> None:
    core = core_with()
    told(core, 1, 5)
    for second in range(20):
        assert words(judged(core, second), "position_disagreement") == (NO_ENTRIES,)
    told(core, 0, 1)
    assert words(judged(core, 100), "position_disagreement") == NOTHING
    assert not core.wants_position


@pytest.mark.parametrize(
    ("broker_usd", "agrees"),
    [
        ("-125", True),
        ("-225", True),
        ("-225.01", False),
        ("-25", True),
        ("-24.99", False),
        (None, False),
        ("NaN", False),
    ],
)
@pytest.mark.parametrize(("readings", "level"), [(2, NOTHING), (3, (TOLD,)), (20, (NO_ENTRIES,))])
def test_an_open_profit_other_than_the_own_mark_beyond_the_tolerance(
    broker_usd: str | None, *, agrees: bool, readings: int, level: tuple[Words, ...]
) -> None:
    """One contract ten ticks under water: -125 USD by the own mark, 100 USD apart are tolerated."""
    core = core_with()
    core.add_fills([fill(1, Side.BUY, ENTRY)])
    judged(core, 5, ENTRY - 10)
    usd = None if broker_usd is None else Decimal(broker_usd)
    for second in range(readings):
        core.take(BrokerPnl(arrival_ns=at(second), unrealized_usd=usd))
    expected = NOTHING if agrees else level
    assert words(judged(core, 10, ENTRY - 10), "pnl_disagreement") == expected


@pytest.mark.parametrize(("usd", "expected"), [("9950", NOTHING), ("9949.99", (TOLD,)), ("NaN", (TOLD,))])
def test_the_brokers_equity_is_compared_where_a_tolerance_is_given(
    usd: str, expected: tuple[Words, ...]
) -> None:
    core = core_with(equity_tolerance_usd=50)
    for second in range(3):
        core.take(BrokerEquity(arrival_ns=at(second), usd=Decimal(usd)))
    assert words(judged(core, 5), "equity_disagreement") == expected
    silent = core_with()
    for second in range(3):
        silent.take(BrokerEquity(arrival_ns=at(second), usd=Decimal(1)))
    assert judged(silent, 5).findings == ()


@pytest.mark.parametrize(
    ("down_s", "expected"),
    [(4.9, NOTHING), (5, (TOLD,)), (15, (NO_ENTRIES,)), (60, (HALT,))],
)
def test_a_lost_connection_by_its_seconds_from_the_first_break(
    down_s: float, expected: tuple[Words, ...]
) -> None:
    core = core_with(connection_loss_s=thresholds("5", "15", "60"), spread_ticks={})
    core.take(Line(arrival_ns=at(0), up=False))
    core.take(Line(arrival_ns=at(down_s / 2), up=False))
    assert words(seen(core, down_s), "connection_loss") == expected
    assert judged(core, down_s).findings == ()
    core.take(Line(arrival_ns=at(down_s), up=True))
    assert words(seen(core, down_s + 100), "connection_loss") == NOTHING


def notice(number: int, kind: SupervisionKind, second: float = 0) -> SupervisionNotice:
    return SupervisionNotice(arrival_ns=at(second), number=number, kind=kind, node="market")


@pytest.mark.parametrize(
    ("restarts", "expected"), [(2, NOTHING), (3, (TOLD,)), (4, (NO_ENTRIES,)), (5, (HALT,))]
)
def test_restarts_within_an_hour(restarts: int, expected: tuple[Words, ...]) -> None:
    core = core_with(restarts_per_hour=thresholds("3", "4", "5"))
    for number in range(restarts):
        core.take(notice(number, SupervisionKind.RESTART))
        core.take(notice(number, SupervisionKind.RESTART))
    assert words(seen(core, 3599), "restarts") == expected
    assert words(seen(core, 3600), "restarts") == NOTHING
    assert judged(core, 1).findings == ()


@pytest.mark.parametrize(
    ("kind", "default"), [(SupervisionKind.QUARANTINE, (TOLD,)), (SupervisionKind.ESCALATION, (HALT,))]
)
def test_a_part_left_down_is_told_and_a_tree_that_gives_up_halts(
    kind: SupervisionKind, default: tuple[Words, ...]
) -> None:
    off: dict[str, Any] = {f"{kind.value}_level": None}
    for given, expected in (({}, default), (off, NOTHING)):
        core = core_with(**given)
        core.take(notice(1, kind))
        assert words(seen(core, 5), kind.value) == expected


def test_an_error_while_a_fact_is_taken_is_a_catastrophe() -> None:
    core = core_with(equity_tolerance_usd=50)
    core.take(BrokerEquity(arrival_ns=at(0), usd="much"))  # type: ignore[arg-type]
    assessment = judged(core, 5)
    assert assessment.failed
    assert (assessment.level, assessment.demand) == (Level.CATASTROPHE, Demand.HALT)
