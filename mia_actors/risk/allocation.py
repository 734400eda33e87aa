"""Multi-strategy allocation: what any one strategy may put at risk in a trade date.

An entry's risk is its loss at the stop. It counts in equal parts for the strategies that called it, when it is
entered, and for the rest of the date, won or lost: a budget that winners refill lets one strategy take all of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry and who called it."""

    event_time_ns: int
    strategies: tuple[str, ...]
    risk_usd: Decimal
    """Loss at the stop of all its contracts, costs aside."""

    def risk_of(self, strategy: str) -> Decimal:
        """The part that counts for one strategy."""
        return self.risk_usd / len(self.strategies) if strategy in self.strategies else Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Contracts that every budget has room for, and the budget that is the tightest."""

    contracts: int | None
    """None where no budget speaks."""
    reason: str


def allowed_contracts(
    shares: Mapping[str, Decimal],
    *,
    daily_allowance_usd: Decimal,
    entries_today: Sequence[Entry],
    calling: Sequence[str],
    contract_risk_usd: Decimal,
) -> Allowed:
    """Contracts of the next entry; a strategy's budget is its share of the day's allowance, one without is free."""
    tightest: Allowed | None = None
    for strategy in calling:
        if strategy not in shares:
            continue
        budget = shares[strategy] * daily_allowance_usd
        spent = sum((entry.risk_of(strategy) for entry in entries_today), Decimal(0))
        room = int(max(Decimal(0), budget - spent) * len(calling) / contract_risk_usd)
        if tightest is None or tightest.contracts is None or room < tightest.contracts:
            said = f"{strategy} has risked {spent:.2f} of {budget:.2f} USD today: room for {room}"
            tightest = Allowed(contracts=room, reason=said)
    return tightest or Allowed(contracts=None, reason="no budget")
