"""How many contracts: Kelly under hard caps; every factor is applied once."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from mia_actors.core.features import VolatilityRegime
from mia_actors.core.units import Product
from mia_actors.risk.gamma import GammaCycle
from mia_actors.risk.kelly import TRADES_MIN, kelly
from mia_actors.risk.session_context import SessionContext

VOLATILITY_SIZE = {
    VolatilityRegime.LOW: 1.2,
    VolatilityRegime.NORMAL: 1.0,
    VolatilityRegime.TRANSITIONING: 0.7,
    VolatilityRegime.HIGH: 0.8,
    VolatilityRegime.EXTREME: 0.5,
}


class RiskSettings(BaseModel):
    """Hard caps of one trade."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kelly_fraction: float = Field(default=0.20, gt=0, le=0.25, description="Share of Kelly's fraction used.")
    kelly_window_trades: int = Field(
        default=100, ge=TRADES_MIN, le=10_000, description="Newest trades looked at."
    )
    probation_contracts: int = Field(
        default=1, ge=0, le=2, description="Contracts until 30 trades are closed; 0 gives pure Kelly."
    )
    position_contracts_max: int = Field(default=1, ge=1, le=2, description="Contracts held at most.")
    risk_per_trade_usd_max: Decimal = Field(
        default=Decimal(500), gt=0, le=10_000, description="USD at the stop."
    )
    risk_per_trade_equity_max: Decimal = Field(
        default=Decimal("0.01"), gt=0, le=Decimal("0.05"), description="The same as a share of equity."
    )
    daily_allowance_usd: Decimal = Field(
        default=Decimal(500), gt=0, le=500, description="Loss a day may bring by this side's plan."
    )
    allowance_share_max: Decimal = Field(
        default=Decimal("0.30"),
        gt=0,
        le=1,
        description="Share of what is left of it that one trade may risk.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Contracts, zero allowed, and the sum that led there."""

    contracts: int
    reason: str


def size(
    settings: RiskSettings,
    product: Product,
    *,
    stop_ticks: int,
    equity_usd: Decimal,
    day_pnl_usd: Decimal,
    results_usd: Sequence[Decimal],
    gamma: GammaCycle,
    volatility: VolatilityRegime,
    session: SessionContext | None = None,
) -> Size:
    """Contracts for a stop distance: Kelly's risk amount over the risk of one contract, then the caps.

    Below 30 closed trades Kelly is silent and the probation size stands in for it (ADR 4). Gamma, volatility and the
    session's size scale Kelly's amount; the session's risk divides what one trade may risk.
    """
    found = kelly(results_usd[-settings.kelly_window_trades :])
    risk_usd = product.usd_of(stop_ticks)
    if found.trades < TRADES_MIN:
        wanted = settings.probation_contracts
        said = f"probation: {found.trades} of {TRADES_MIN} trades closed"
    else:
        session_size = 1.0 if session is None else session.size_factor
        factor = gamma.size_factor * VOLATILITY_SIZE[volatility] * session_size
        share = found.fraction * settings.kelly_fraction * factor
        wanted = int(Decimal(str(share)) * equity_usd / risk_usd)
        said = (
            f"kelly {found.fraction:.3f} (win rate {found.win_rate:.2f}, payoff {found.payoff:.2f}, "
            f"n={found.trades}) x {settings.kelly_fraction} x gamma {gamma.size_factor} "
            f"x volatility {VOLATILITY_SIZE[volatility]} x session {session_size:.2f}"
        )
    left_usd = settings.daily_allowance_usd + min(day_pnl_usd, Decimal(0))
    cap_usd = min(
        settings.risk_per_trade_usd_max,
        settings.risk_per_trade_equity_max * equity_usd,
        settings.allowance_share_max * max(left_usd, Decimal(0)),
    )
    if session is not None:
        cap_usd /= Decimal(str(session.risk_factor))
    allowed = int(cap_usd / risk_usd)
    contracts = max(0, min(wanted, allowed, settings.position_contracts_max))
    return Size(
        contracts=contracts,
        reason=(
            f"{said}: {wanted} wanted; stop {stop_ticks} ticks = {risk_usd:.2f} USD a contract, "
            f"risk cap {cap_usd:.2f} USD: {allowed}; position cap {settings.position_contracts_max}"
        ),
    )
