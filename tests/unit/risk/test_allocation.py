from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mia_actors.risk.allocation import Entry, allowed_contracts

ALLOWANCE = Decimal(500)
NAMES = ("a", "b", "c")


def _allowed(
    shares: dict[str, Decimal], entries: list[Entry], calling: list[str], risk: Decimal
) -> int | None:
    return allowed_contracts(
        shares, daily_allowance_usd=ALLOWANCE, entries_today=entries, calling=calling, contract_risk_usd=risk
    ).contracts


shares_drawn = st.dictionaries(st.sampled_from(NAMES), st.decimals("0.05", 1, places=2))
calls_drawn = st.lists(
    st.tuples(st.lists(st.sampled_from(NAMES), min_size=1, unique=True), st.integers(2, 20)), max_size=25
)


@given(shares=shares_drawn, calls=calls_drawn)
def test_no_strategy_ever_risks_more_than_its_budget(
    shares: dict[str, Decimal], calls: list[tuple[list[str], int]]
) -> None:
    """Whoever calls whatever, with all the contracts that are allowed (five, where no budget speaks)."""
    entries: list[Entry] = []
    for number, (calling, stop_ticks) in enumerate(calls):
        risk = stop_ticks * Decimal("12.50")
        room = _allowed(shares, entries, calling, risk)
        contracts = 5 if room is None else room
        if contracts:
            entries.append(Entry(event_time_ns=number, strategies=tuple(calling), risk_usd=contracts * risk))
    spent: Counter[str] = Counter()
    for entry in entries:
        for name in entry.strategies:
            spent[name] += entry.risk_of(name)  # type: ignore[assignment]
    assert all(spent[name] <= share * ALLOWANCE + Decimal("0.01") for name, share in shares.items())


def test_a_strategy_without_a_budget_is_free() -> None:
    assert _allowed({"a": Decimal("0.1")}, [], ["b"], Decimal(100)) is None


def test_the_tightest_budget_decides_and_is_named() -> None:
    entries = [Entry(event_time_ns=0, strategies=("a", "b"), risk_usd=Decimal(100))]
    found = allowed_contracts(
        {"a": Decimal("0.5"), "b": Decimal("0.2")},
        daily_allowance_usd=ALLOWANCE,
        entries_today=entries,
        calling=["a", "b"],
        contract_risk_usd=Decimal(50),
    )
    assert found.contracts == 2  # b has 50 USD left, of which a contract takes half of its 50
    assert found.reason == "b has risked 50.00 of 100.00 USD today: room for 2"


def test_a_budget_that_is_spent_leaves_no_room() -> None:
    entries = [Entry(event_time_ns=0, strategies=("a",), risk_usd=Decimal(250))]
    assert _allowed({"a": Decimal("0.5")}, entries, ["a"], Decimal(25)) == 0
