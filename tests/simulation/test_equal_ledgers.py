"""The theorem: whatever is killed, the ledger is byte-identical to the undisturbed one and to the backtest's."""

import signal
from typing import Any

import pytest

from tests.simulation.session_driver import Session, after_cycles, entering

CHILDREN = (
    "guardian",
    "broker",
    "features.1m",
    "features.5m",
    "features.15m",
    "features.1h",
    "features.4h",
    "ensemble",
    "execution",
    "cycle",
    "mentor",
    "monitor",
    "notifier",
)
Reference = tuple[dict[str, Any], str]


def test_the_undisturbed_session_equals_the_backtest(session: Session, reference: Reference) -> None:
    code, document = session.run()
    assert code == 0
    assert session.ledger() == reference[1]
    assert document["ledger_sha256"] == reference[0]["ledger_sha256"]
    assert (document["cycles"], document["restarts"]) == (390, 0)


def test_the_session_compared_trades_both_ways(reference: Reference) -> None:
    """A ledger without a long and a short would prove little."""
    entries = {
        line.split(",")[4] for line in reference[1].splitlines() if ".entry," in line and ",order," in line
    }
    assert entries == {"BUY", "SELL"}


@pytest.mark.parametrize("child", CHILDREN)
def test_a_killed_child_changes_nothing(child: str, session: Session, reference: Reference) -> None:
    """Killed in the middle of an entry, with the position open, and flat: same bytes, nothing lost or doubled."""
    kills = [(entering, child), (after_cycles(100), child), (after_cycles(250), child)]
    code, document = session.run(kills)
    assert len(session.killed) == 3
    assert document["restarts"] >= 3
    assert session.ledger() == reference[1]
    assert code == 0


def test_everything_killed_around_one_entry_changes_nothing(session: Session, reference: Reference) -> None:
    """Broker, guardian, executor and runner die one after the other while an order is on its way."""
    kills = [(entering, child) for child in ("execution", "broker", "cycle", "guardian", "ensemble")]
    code, document = session.run(kills)
    assert len(session.killed) == 5
    assert document["restarts"] >= 5
    assert session.ledger() == reference[1]
    assert code == 0


def test_hung_children_change_nothing(session: Session, reference: Reference) -> None:
    """Stopped in the middle of an entry, with the position open, and flat; found, killed, replaced."""
    hangs = [
        (entering, "execution"),
        (after_cycles(60), "guardian"),
        (after_cycles(150), "broker"),
        (after_cycles(250), "cycle"),
        (after_cycles(320), "features.5m"),
    ]
    code, document = session.run(hangs, signal.SIGSTOP)
    assert len(session.killed) == len(hangs)
    assert document["restarts"] >= len(hangs)
    assert session.ledger() == reference[1]
    assert code == 0


def test_supervisors_that_die_change_nothing(session: Session, reference: Reference) -> None:
    """The one that runs the tree, alone, with a child, and with the one that stands by."""
    kills = [
        (after_cycles(60), "supervisor"),
        (after_cycles(150), "supervisor"),
        (after_cycles(150), "broker"),
        (after_cycles(250), "standby"),
        (after_cycles(250), "supervisor"),
    ]
    code, document = session.run(kills)
    assert len(session.killed) == len(kills)
    assert document["restarts"] == 1
    assert session.ledger() == reference[1]
    assert code == 0
