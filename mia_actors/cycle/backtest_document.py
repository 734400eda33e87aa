"""The figures of a backtest as a document: the same in JSON, on the terminal and in the report."""

from dataclasses import asdict
from typing import Any

from mia_actors.cycle.backtest import BacktestResult
from mia_actors.cycle.performance import Performance


def backtest_document(found: BacktestResult, figures: Performance, seconds: float) -> dict[str, Any]:
    """Every figure by the name scripts rely on."""
    return {
        "instrument": found.instrument,
        "bars": found.bars,
        "seconds": round(seconds, 3),
        "bars_per_s": round(found.bars / seconds, 1) if seconds else None,
        "ledger_sha256": found.ledger.sha256,
        "orders": found.ledger.orders,
        "fills": found.ledger.fills,
        "signals": found.counts.signals,
        "approved": found.counts.approved,
        "refused": found.counts.refused,
        "final_position": found.final_position,
        "halted": found.halted,
        **asdict(figures),
    }
