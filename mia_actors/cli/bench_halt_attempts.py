"""What `mia bench halt` tries after a halt: orders that would increase risk, asked of everybody who could send one."""

from ray.exceptions import RayError

from mia_actors.cli.bench_halt_tape import LEVEL_TICKS
from mia_actors.core.decisions import TargetPosition
from mia_actors.core.errors import MiaError
from mia_actors.core.orders import OrderSpec, OrderType, Permit, Purpose, Side, order_ref
from mia_actors.core.permit_gate import PermitDenial
from mia_actors.execution.messages import Applied
from mia_actors.supervision.ref import Answer, Ref

BENCH_PREFIX, STALE_PREFIX, BARE_PREFIX = "BENCH", "MIAS", "MIAN"
"""Prefixes of order references: the bench's own position, attempts with an old permit, attempts without one."""
FAR_TICKS = 400
"""Protective prices and limits so far away are never reached."""
ATTEMPT_WITHIN_S = 20.0
CAUSES = ("halted", *PermitDenial)


def ask_for_risk(
    *, execution: Ref, broker: Ref, instrument: str, now_ns: int, permit: Permit
) -> dict[str, Answer]:
    """Asks and does not wait: a target of execution; an entry of the broker actor with an old permit, and with none."""
    target = TargetPosition(
        target_id=f"bench-{now_ns}",
        instrument=instrument,
        decided_at_ns=now_ns,
        net_contracts=1,
        stop_ticks=LEVEL_TICKS - FAR_TICKS,
        target_ticks=LEVEL_TICKS + FAR_TICKS,
        reason="an attempt after the halt",
    )
    stale = far_entry(STALE_PREFIX, instrument, now_ns)
    bare = far_entry(BARE_PREFIX, instrument, now_ns)
    return {
        "target": execution.ask_soon("apply", target, 0, timeout_s=ATTEMPT_WITHIN_S),
        "permit of before the halt": broker.ask_soon("place", stale, permit, timeout_s=ATTEMPT_WITHIN_S),
        "no permit": broker.ask_soon("place", bare, None, timeout_s=ATTEMPT_WITHIN_S),
    }


def far_entry(prefix: str, instrument: str, now_ns: int) -> tuple[OrderSpec, ...]:
    """A purchase far below the market, with its stop."""
    return bracket_of(prefix, instrument, now_ns, limit_ticks=LEVEL_TICKS - FAR_TICKS)


def bracket_of(
    prefix: str, instrument: str, now_ns: int, *, limit_ticks: int | None
) -> tuple[OrderSpec, ...]:
    """A purchase of one contract, at the market where there is no limit, and its stop far below."""

    def leg(purpose: Purpose) -> str:
        return order_ref(prefix, instrument, now_ns, purpose)

    entry = OrderSpec(
        order_ref=leg(Purpose.ENTRY),
        instrument=instrument,
        side=Side.BUY,
        quantity=1,
        order_type=OrderType.MARKET if limit_ticks is None else OrderType.LIMIT,
        purpose=Purpose.ENTRY,
        decided_at_ns=now_ns,
        limit_ticks=limit_ticks,
    )
    stop = OrderSpec(
        order_ref=leg(Purpose.STOP),
        instrument=instrument,
        side=Side.SELL,
        quantity=1,
        order_type=OrderType.STOP,
        purpose=Purpose.STOP,
        decided_at_ns=now_ns,
        stop_ticks=LEVEL_TICKS - 2 * FAR_TICKS,
        parent_ref=entry.order_ref,
    )
    return entry, stop


def word_of(answer: Answer) -> str:
    """What became of an attempt, in a few words that do not differ from trial to trial."""
    try:
        found = answer.result()
    except (MiaError, RayError) as error:
        return f"{type(error).__name__}{_cause(str(error))}"
    if isinstance(found, Applied):
        return f"{found.status.value}{_cause(found.detail)}"
    return "taken"


def _cause(text: str) -> str:
    """The gate's own word, where the sentence has it."""
    return next((f" ({word})" for word in CAUSES if word in text), "")
