"""Which facts count where, when now is, and what the tree's log and a lost line say."""

from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from mia_actors.core.clock import NS_PER_S, VirtualClock
from mia_actors.core.facts import BrokerPosition, Line, Quote, SupervisionKind, Tick
from mia_actors.core.orders import OrderTerms, Side
from mia_actors.core.session import BrokerMode, SessionInfo
from mia_actors.core.units import ES
from mia_actors.guardian.gathering import Gathering, profit_usd
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.memory import Memory
from mia_actors.guardian.thresholds import Thresholds
from mia_actors.supervision.event_log import EventLog, LoggedEvent
from tests.unit.guardian.account import CONNECTION, ENTRY, NOON_NS, fill, round_trips, session_info

SETTINGS = GuardianSettings(connection_loss_s=Thresholds(catastrophe=Decimal(60)))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON_NS)


def gathering(info: SessionInfo, clock: VirtualClock) -> Gathering:
    return Gathering(SETTINGS, info, clock)


def test_in_lockstep_only_facts_of_market_time_and_wire_order_count(
    tmp_path: Path, clock: VirtualClock
) -> None:
    facts = (
        BrokerPosition(contracts=1),
        OrderTerms(order_ref="r", limit_ticks=None, stop_ticks=None),
        Tick(arrival_ns=1, price_ticks=1),
        Quote(arrival_ns=1, bid_ticks=1, ask_ticks=2),
        Line(arrival_ns=1, up=False),
    )
    info = session_info(tmp_path)
    for lockstep, expected in ((True, [True, True, False, False, False]), (False, [True] * 5)):
        found = gathering(replace(info, lockstep=lockstep), clock)
        assert [found.counts(fact) for fact in facts] == expected
        assert found.arrival_ns() == (None if lockstep else clock.now_ns())
        clock.advance_ns(10 * NS_PER_S)
        assert found.is_due() is not lockstep


def test_a_real_market_goes_on_while_the_feed_is_silent_and_a_simulated_one_does_not(
    tmp_path: Path, clock: VirtualClock
) -> None:
    info = session_info(tmp_path)
    paper = replace(info, connections=(("guardian", replace(CONNECTION, mode=BrokerMode.PAPER)),))
    simulated, real = gathering(info, clock), gathering(paper, clock)
    clock.advance_ns(60 * NS_PER_S)
    bar_end_ns = NOON_NS + 5 * NS_PER_S
    assert simulated.as_of_ns(bar_end_ns) == bar_end_ns
    assert real.as_of_ns(bar_end_ns) == NOON_NS + 60 * NS_PER_S
    assert (simulated.scope("DU1"), real.scope("DU1")) == (info.session_id, "DU1")


def test_the_trees_log_is_read_once_and_again_by_the_next_life(tmp_path: Path, clock: VirtualClock) -> None:
    log = EventLog(tmp_path)
    told = [
        ("child.started", ""),
        ("child.exited", "shutdown"),
        ("child.exited", "crash"),
        ("child.exited", "hung"),
        ("child.input_quarantined", ""),
        ("supervisor.left_down", ""),
        ("supervision.tree_gave_up", ""),
    ]
    log.append(
        LoggedEvent(time_ns=7, node="market", incarnation=1, event=name, reason=reason)
        for name, reason in told
    )
    found = gathering(session_info(tmp_path), clock)
    kinds = [
        *(SupervisionKind.RESTART, SupervisionKind.RESTART),
        *(SupervisionKind.QUARANTINE, SupervisionKind.QUARANTINE, SupervisionKind.ESCALATION),
    ]
    assert [notice.kind for notice in found.tree_notices()] == kinds
    assert found.tree_notices() == ()
    assert len(gathering(session_info(tmp_path), clock).tree_notices()) == len(kinds)
    log.close()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_line_that_stays_away_halts_though_nobody_can_judge_and_whoever_lives(
    tmp_path: Path, clock: VirtualClock, *, restarted: bool
) -> None:
    info = session_info(tmp_path)
    with closing(Latch.open(tmp_path)) as latch:
        found = gathering(info, clock)
        assert found.line_down(latch) is None
        clock.advance_ns(59 * NS_PER_S)
        found = gathering(info, clock) if restarted else found
        assert found.line_down(latch) is None
        clock.advance_ns(NS_PER_S)
        halting = found.line_down(latch)
        assert halting is not None
        assert halting.text == "no broker connection for 60 s, limit 60 s"
        found.line_up(latch)
        assert found.line_down(latch) is None
        lockstep = gathering(replace(info, lockstep=True), clock)
        clock.advance_ns(100 * NS_PER_S)
        assert lockstep.line_down(latch) is None


def test_the_profit_of_the_record_counts_memory_fills_and_the_open_position() -> None:
    memory = Memory(carried_usd=Decimal(100), fills=tuple(round_trips([4])))
    fills = (*round_trips([4]), fill(50, Side.BUY, ENTRY))
    assert profit_usd(ES, memory, fills, ENTRY + 2) == Decimal(175)
    assert profit_usd(ES, memory, fills, None) == Decimal(150)
