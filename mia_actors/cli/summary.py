"""The summary of a session: one record, two faces (a person's, and the documented JSON)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mia_actors.core.clock import utc_datetime
from mia_actors.core.ledger import Ledger
from mia_actors.core.tradebook import ClosedTrade
from mia_actors.store.decision_journal import DecisionCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Latency of a session's cycles in milliseconds; zeros when there was none."""

    p50: float
    p95: float
    p99: float
    max: float


def percentiles(values: Sequence[float]) -> Percentiles:
    """Nearest-rank percentiles."""
    ordered = sorted(values)
    if not ordered:
        return Percentiles(p50=0.0, p95=0.0, p99=0.0, max=0.0)

    def at(share: float) -> float:
        return round(ordered[math.ceil(share * len(ordered)) - 1], 3)

    return Percentiles(p50=at(0.50), p95=at(0.95), p99=at(0.99), max=round(ordered[-1], 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a session did."""

    session_id: str
    instrument: str
    counts: DecisionCounts
    ledger: Ledger
    trades: tuple[ClosedTrade, ...]
    pnl_usd: Decimal
    final_position: int
    latency: Percentiles
    restarts: int
    guardian_state: str
    guardian_level: str
    simulated: bool

    def document(self) -> dict[str, object]:
        """The JSON of `mia run --json`."""
        return {
            "session_id": self.session_id,
            "instrument": self.instrument,
            "simulated": self.simulated,
            "cycles": self.counts.cycles,
            "signals": self.counts.signals,
            "approved": self.counts.approved,
            "refused": self.counts.refused,
            "orders": self.ledger.orders,
            "fills": self.ledger.fills,
            "round_trips": len(self.trades),
            "pnl_usd": float(self.pnl_usd),
            "final_position": self.final_position,
            "ledger_sha256": self.ledger.sha256,
            "cycle_latency_ms": {
                "p50": self.latency.p50,
                "p95": self.latency.p95,
                "p99": self.latency.p99,
                "max": self.latency.max,
            },
            "restarts": self.restarts,
            "guardian": {"state": self.guardian_state, "level": self.guardian_level},
            "viewer_url": None,
        }

    def view(self) -> RenderableType:
        """What a person reads at the end."""
        title = f"Session {self.session_id}: {self.instrument}" + (
            "  (simulated market)" if self.simulated else ""
        )
        facts = Table.grid(padding=(0, 2))
        for name, value in self._facts():
            facts.add_row(Text(name, style="dim"), value)
        parts: list[RenderableType] = [Text(title, style="bold"), facts]
        if self.counts.refused:
            parts += [Text("Why there was no trade, by cycles", style="bold"), _refusals(self.counts.refused)]
        if self.trades:
            parts += [Text("Round trips", style="bold"), _trades(self.trades)]
        return Group(*parts)

    def _facts(self) -> list[tuple[str, str]]:
        latency = self.latency
        return [
            ("cycles", f"{self.counts.cycles:,}"),
            (
                "signals",
                f"{self.counts.signals:,} cycles with a strategy's call, {self.counts.approved} entered",
            ),
            ("orders, fills", f"{self.ledger.orders}, {self.ledger.fills}"),
            ("profit and loss", f"{self.pnl_usd:+.2f} USD after commissions, {len(self.trades)} round trips"),
            ("final position", f"{self.final_position:+d}" if self.final_position else "flat"),
            (
                "cycle latency",
                f"p50 {latency.p50} ms, p95 {latency.p95} ms, p99 {latency.p99} ms, max {latency.max} ms",
            ),
            ("restarts", str(self.restarts)),
            ("guardian", f"{self.guardian_state}, level {self.guardian_level}"),
            ("ledger sha256", self.ledger.sha256[:32]),
            ("", self.ledger.sha256[32:]),
        ]


def _refusals(refused: dict[str, int]) -> Table:
    table = Table.grid(padding=(0, 2))
    for reason, count in refused.items():
        table.add_row(Text(f"{count:>6,}", justify="right"), reason.replace("_", " "))
    return table


def _trades(trades: Sequence[ClosedTrade]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("opened (UTC)", "closed (UTC)", "side", "contracts", "net USD"):
        table.add_column(column, justify="right" if column in {"contracts", "net USD"} else "left")
    for trade in trades:
        side = "long" if trade.side.sign > 0 else "short"
        table.add_row(
            _moment(trade.opened_at_ns),
            _moment(trade.closed_at_ns),
            side,
            str(trade.quantity),
            f"{trade.net_usd:+.2f}",
        )
    return table


def _moment(time_ns: int) -> str:
    return utc_datetime(time_ns).strftime("%Y-%m-%d %H:%M:%S")
