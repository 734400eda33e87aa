"""From a wanted position to orders: pure."""

from dataclasses import dataclass

from mia_actors.core.decisions import TargetPosition
from mia_actors.core.orders import EXECUTOR_PREFIX, OrderSpec, OrderType, Purpose, Side, order_ref


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBracket:
    """Enter from flat: the group goes to the broker whole or not at all."""

    group: tuple[OrderSpec, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAll:
    """Cancel what works, read the position again, offset what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToDo:
    """The wanted position is held already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotReach:
    """A change this executor does not make; the reason is a sentence."""

    detail: str


Plan = OpenBracket | CloseAll | NothingToDo | CannotReach


def plan(target: TargetPosition, held_contracts: int) -> Plan:
    """How to get from the held to the wanted position.

    Positions are opened from flat and closed whole; scaling and reversing in one step are refused, because
    a bracket's protective legs would no longer match the position.
    """
    if target.net_contracts == 0:
        return CloseAll()
    if held_contracts == target.net_contracts:
        return NothingToDo()
    if held_contracts != 0:
        return CannotReach(detail=f"holding {held_contracts}, wanted {target.net_contracts}: close first")
    return OpenBracket(group=bracket(target))


def bracket(target: TargetPosition) -> tuple[OrderSpec, ...]:
    """Entry, protective stop and profit target of a target position, in the order they are sent.

    Raises:
        ValueError: the target is flat, lacks a protective price, or has one on the wrong side.
    """
    stop, goal = target.stop_ticks, target.target_ticks
    if target.net_contracts == 0 or stop is None or goal is None:
        raise ValueError(f"{target.target_id}: an entry carries its stop and its target")
    side = Side.BUY if target.net_contracts > 0 else Side.SELL
    if (goal - stop) * side.sign <= 0:
        raise ValueError(f"{target.target_id}: stop {stop} and target {goal} are on the wrong sides")
    quantity = abs(target.net_contracts)
    entry_ref = _ref(target, Purpose.ENTRY)

    def leg(purpose: Purpose, order_type: OrderType, *, limit: int | None, trigger: int | None) -> OrderSpec:
        return OrderSpec(
            order_ref=_ref(target, purpose),
            instrument=target.instrument,
            side=side if purpose is Purpose.ENTRY else side.opposite,
            quantity=quantity,
            order_type=order_type,
            purpose=purpose,
            decided_at_ns=target.decided_at_ns,
            limit_ticks=limit,
            stop_ticks=trigger,
            parent_ref=None if purpose is Purpose.ENTRY else entry_ref,
        )

    return (
        leg(Purpose.ENTRY, OrderType.MARKET, limit=None, trigger=None),
        leg(Purpose.STOP, OrderType.STOP, limit=None, trigger=stop),
        leg(Purpose.TARGET, OrderType.LIMIT, limit=goal, trigger=None),
    )


def offset(target: TargetPosition, position_contracts: int) -> OrderSpec:
    """Market order that brings a position to zero; its reference is the target's, so it exists once."""
    return OrderSpec(
        order_ref=_ref(target, Purpose.EXIT),
        instrument=target.instrument,
        side=Side.SELL if position_contracts > 0 else Side.BUY,
        quantity=abs(position_contracts),
        order_type=OrderType.MARKET,
        purpose=Purpose.EXIT,
        decided_at_ns=target.decided_at_ns,
    )


def _ref(target: TargetPosition, purpose: Purpose) -> str:
    return order_ref(EXECUTOR_PREFIX, target.instrument, target.decided_at_ns, purpose)
