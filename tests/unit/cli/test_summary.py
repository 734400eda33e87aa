"""The summary's two faces."""

import json
from decimal import Decimal

import pytest
from rich.console import Console

from mia_actors.cli.summary import Percentiles, Summary, percentiles
from mia_actors.core.ledger import Ledger
from mia_actors.store.decision_journal import DecisionCounts

KEYS_OF_THE_CONTRACT = {
    "session_id",
    "cycles",
    "signals",
    "approved",
    "refused",
    "orders",
    "fills",
    "round_trips",
    "pnl_usd",
    "final_position",
    "ledger_sha256",
    "cycle_latency_ms",
    "restarts",
    "guardian",
    "viewer_url",
}


def summary(*, final_position: int = 0) -> Summary:
    return Summary(
        session_id="20131008T000000-abcd",
        instrument="ESZ3",
        counts=DecisionCounts(cycles=1366, signals=9, approved=1, outcomes={}, refused={"size_zero": 8}),
        ledger=Ledger(text="", orders=3, fills=2, sha256="ab" * 32),
        trades=(),
        pnl_usd=Decimal("-154.50"),
        final_position=final_position,
        latency=Percentiles(p50=1.0, p95=2.0, p99=3.0, max=4.0),
        restarts=2,
        guardian_state="ACTIVE",
        guardian_level="INFO",
        simulated=True,
    )


def told(one: Summary) -> str:
    console = Console(width=100, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(one.view())
    return captured.get()


def test_the_document_has_the_keys_of_the_contract_and_is_json() -> None:
    document = summary().document()
    assert document.keys() >= KEYS_OF_THE_CONTRACT
    assert json.loads(json.dumps(document))["pnl_usd"] == -154.5


def test_a_person_is_told_that_the_market_was_simulated_and_why_there_was_no_trade() -> None:
    text = told(summary())
    assert "simulated market" in text
    assert "size zero" in text
    assert "-154.50 USD" in text
    assert "flat" in text


def test_a_position_that_is_left_is_told_with_its_sign() -> None:
    assert "-1" in told(summary(final_position=-1))


@pytest.mark.parametrize(
    ("values", "p50", "p99", "largest"),
    [
        ([], 0.0, 0.0, 0.0),
        ([5.0], 5.0, 5.0, 5.0),
        ([float(one) for one in range(100, 0, -1)], 50.0, 99.0, 100.0),
    ],
)
def test_percentiles_are_values_that_occurred(
    values: list[float], p50: float, p99: float, largest: float
) -> None:
    found = percentiles(values)
    assert (found.p50, found.p99, found.max) == (p50, p99, largest)
