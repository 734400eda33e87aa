"""Everything a report says of one backtest, collected once. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel

from mia_actors.backtest_report.distributions import Distribution, distributions
from mia_actors.backtest_report.refusals import Refusal, cycles_without_signal, refused_signals
from mia_actors.backtest_report.trade_rows import TradeRow, trade_rows
from mia_actors.core.decisions import Decision
from mia_actors.core.market import Timeframe
from mia_actors.cycle.backtest import BacktestResult
from mia_actors.cycle.backtest_document import backtest_document
from mia_actors.cycle.performance import Performance, performance
from mia_actors.exchange.orders import AccountTerms, Costs
from mia_actors.exchange.tape import Tape
from mia_actors.sweep.run import trade_dates


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key of supervision.yaml, and its value."""

    key: str
    value: str
    is_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a backtest was made with."""

    settings: tuple[Setting, ...]
    model_version: str
    software_version: str
    costs: Costs
    account: AccountTerms
    ledger_file: str
    notes: tuple[str, ...]
    """Sentences that belong beside the figures."""
    fitted: tuple[tuple[date, date], ...]
    """First and last trade date of the samples that the models were fitted on."""
    command: str
    """What to type for the same again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestFacts:
    """One backtest, as told by its ledger, its decisions and its tape."""

    tape: Tape
    days: tuple[date, ...]
    result: BacktestResult
    figures: Performance
    document: dict[str, Any]
    """The figures as the command prints them."""
    rows: tuple[TradeRow, ...]
    distributions: tuple[Distribution, ...]
    refused: tuple[Refusal, ...]
    without_signal: tuple[Refusal, ...]
    circumstances: Circumstances


def backtest_facts(
    tape: Tape,
    result: BacktestResult,
    decisions: Sequence[Decision],
    *,
    entry_timeframe: Timeframe,
    circumstances: Circumstances,
    seconds: float,
) -> BacktestFacts:
    """Collects them; `decisions` are those of every bar."""
    rows = trade_rows(result.trades, decisions, tape, entry_timeframe)
    days = trade_dates(tape)
    figures = performance(result.trades, days, circumstances.account.cash_usd)
    return BacktestFacts(
        tape=tape,
        days=days,
        result=result,
        figures=figures,
        document=backtest_document(result, figures, seconds),
        rows=rows,
        distributions=distributions(rows),
        refused=refused_signals(decisions),
        without_signal=cycles_without_signal(decisions),
        circumstances=circumstances,
    )


def settings_of(child: str, settings: BaseModel) -> tuple[Setting, ...]:
    """The settings of a child of the tree, with dotted keys."""
    defaults = _leaves(type(settings)().model_dump(mode="json"))
    return tuple(
        Setting(key=f"{child}.{key}", value=_text(value), is_default=defaults.get(key) == value)
        for key, value in _leaves(settings.model_dump(mode="json")).items()
    )


def _leaves(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict) and value:
            found |= _leaves(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None or value == {} else str(value)
