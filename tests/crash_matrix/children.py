"""The shipped children with named moments in their lives, and a runner that trades by the clock of the market."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, cast

from mia_actors.broker.actor import Broker, BrokerSettings
from mia_actors.broker.desk_client import BrokerDeskClient
from mia_actors.broker.order_entry import OrderEntry
from mia_actors.broker.session import IbSession
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.decisions import Decision, Outcome, Reason, TargetPosition
from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Fill
from mia_actors.core.session import SessionInfo
from mia_actors.cycle import actor
from mia_actors.cycle.actor import ActorStages, CycleRunner
from mia_actors.cycle.decision import Candidate, CycleInputs, DecisionCore
from mia_actors.cycle.settings import CycleSettings
from mia_actors.execution.actor import ExecutorActor, ExecutorSettings
from mia_actors.execution.journal import OrderJournal
from mia_actors.guardian.actor import Guardian
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.store.market_journal import MarketJournal
from mia_actors.supervision.child import ChildContext

from .points import CrashPlan, Victim

STOP_TICKS, TARGET_TICKS = 16, 24
UNLIMITED = {
    "daily_loss_limit_usd": Decimal(10**6),
    "consecutive_losses_max": 10**4,
    "account_balance_min_usd": Decimal(0),
}
PERIOD_MIN = 3
"""Enter, hold, close."""


@contextmanager
def around(plan: CrashPlan, child_id: str, name: str) -> Iterator[None]:
    """Two moments: before and after."""
    plan.reach(f"before {name}", child_id)
    yield
    plan.reach(f"after {name}", child_id)


def wrapped(
    plan: CrashPlan, child_id: str, owner: type[Any], method: str, name: str | Callable[..., str]
) -> None:
    """Puts two moments around a method of a class, for this process; their name may depend on the call."""
    inner: Callable[..., Any] = getattr(owner, method)

    def outer(*args: Any, **kwargs: Any) -> Any:
        with around(plan, child_id, name if isinstance(name, str) else name(*args)):
            return inner(*args, **kwargs)

    setattr(owner, method, outer)


class CrashingExecutor(ExecutorActor):
    """Moments around everything it writes and asks."""

    def __init__(self, settings: ExecutorSettings, context: ChildContext) -> None:
        plan, me = CrashPlan(cast("SessionInfo", context.session)), Victim.EXECUTOR
        wrapped(plan, me, OrderJournal, "intend", "the intent is committed")
        wrapped(plan, me, OrderJournal, "finish", "the outcome is committed")
        wrapped(plan, me, OrderJournal, "record", "the reconciliation is committed")
        wrapped(plan, me, BrokerDeskClient, "place", "the broker actor is asked to send")
        wrapped(plan, me, BrokerDeskClient, "cancel", "the broker actor is asked to cancel")
        super().__init__(settings, context)


class CrashingBroker(Broker):
    """Moments around everything it sends, hears and commits."""

    def __init__(self, settings: BrokerSettings, context: ChildContext) -> None:
        plan, me = CrashPlan(cast("SessionInfo", context.session)), Victim.BROKER
        wrapped(plan, me, IbSession, "connect", "the connection is made")
        wrapped(plan, me, IbSession, "snapshot", "the lists are read")
        wrapped(plan, me, IbSession, "send", "the group is written to the socket")
        wrapped(plan, me, IbSession, "send_cancel", "the cancels are written to the socket")
        wrapped(plan, me, OrderEntry, "place", "the group is acknowledged")
        wrapped(plan, me, MarketJournal, "add_fill", _fill_or_commission)
        super().__init__(settings, context)


def _fill_or_commission(_: MarketJournal, fill: Fill) -> str:
    return "a fill is committed" if fill.commission_usd is None else "a commission is committed"


class LenientGuardian(Guardian):
    """The shipped guardian with limits that do not bind: this trades by the clock, and loses."""

    def __init__(self, settings: GuardianSettings, context: ChildContext) -> None:
        super().__init__(settings.model_copy(update=UNLIMITED), context)


class ScriptedCore(DecisionCore):
    """One contract long or short in turn: entered in every third minute, closed two minutes later."""

    def propose(self, inputs: CycleInputs) -> Decision | Candidate:
        """See the class."""
        minute = inputs.bar.end_ns // (60 * NS_PER_S)
        if inputs.position_contracts != 0:
            if inputs.draining or minute % PERIOD_MIN == PERIOD_MIN - 1:
                return self._exit(inputs, Reason.HOLDING_TIME_OVER, "scripted")
            return self._record(inputs, Outcome.HOLDING, Reason.POSITION_OPEN, "scripted")
        if inputs.draining or minute % PERIOD_MIN != 0:
            return self._record(inputs, Outcome.NO_SIGNAL, Reason.NO_STRATEGY_SIGNAL, "scripted")
        sign = 1 if minute % (2 * PERIOD_MIN) == 0 else -1
        close = inputs.bar.close_ticks
        target = TargetPosition(
            target_id=inputs.cycle_id,
            instrument=inputs.bar.instrument,
            decided_at_ns=inputs.bar.end_ns,
            net_contracts=sign,
            stop_ticks=close - sign * STOP_TICKS,
            target_ticks=close + sign * TARGET_TICKS,
            reason="scripted",
        )
        return Decision(
            cycle_id=inputs.cycle_id,
            instrument=inputs.bar.instrument,
            event_time_ns=inputs.bar.end_ns,
            outcome=Outcome.ENTERED,
            reason=None,
            detail="scripted",
            bar=inputs.bar,
            target=target,
        )


class ScriptedStages(ActorStages):
    """Asks execution only."""

    def features_at(
        self, timeframes: tuple[Timeframe, ...], end_ns: int
    ) -> Mapping[Timeframe, TimeframeFeatures | None]:
        """None are needed."""
        del timeframes, end_ns
        return {}

    def warm_up(self) -> None:
        """Nothing to warm up."""


class ScriptedRunner(CycleRunner):
    """The shipped runner around the scripted core."""

    def __init__(self, settings: CycleSettings, context: ChildContext) -> None:
        vars(actor).update(DecisionCore=ScriptedCore, ActorStages=ScriptedStages)
        super().__init__(settings, context)


POINTS_OF_EXECUTOR: Sequence[str] = (
    "before the intent is committed",
    "after the intent is committed",
    "before the broker actor is asked to send",
    "after the broker actor is asked to send",
    "before the outcome is committed",
    "after the outcome is committed",
    "before the broker actor is asked to cancel",
    "after the broker actor is asked to cancel",
    "before the reconciliation is committed",
    "after the reconciliation is committed",
)
POINTS_OF_BROKER: Sequence[str] = (
    "before the group is acknowledged",
    "before the group is written to the socket",
    "after the group is written to the socket",
    "after the group is acknowledged",
    "before the cancels are written to the socket",
    "after the cancels are written to the socket",
    "before a fill is committed",
    "after a fill is committed",
    "before a commission is committed",
    "after a commission is committed",
    "before the lists are read",
    "after the lists are read",
    "before the connection is made",
    "after the connection is made",
)
