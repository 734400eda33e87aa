"""The classes that run in production, called with small numbers: everything the protocol's parties decide."""

from functools import lru_cache
from typing import NamedTuple

from mia_actors.broker.order_gate import OrderGate
from mia_actors.core.errors import OrderRejected, PermitStale
from mia_actors.core.orders import OrderSpec, OrderType, Purpose, Side
from mia_actors.core.orders import Permit as RealPermit
from mia_actors.execution.permits import Held, LeaseHolder
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.permits import Executors, Lease, LeaseIssuer, Standing
from tests.protocol.pure_latch import Look, PureLatch


class Permit(NamedTuple):
    """A lease: its end follows from the time to live."""

    epoch: int
    executor: int
    granted: int

    def __str__(self) -> str:
        """As a person reads it in a trace."""
        return f"permit(epoch {self.epoch}, executor {self.executor}, granted at {self.granted:+d})"


class Gate(NamedTuple):
    """The memory of the broker's gate."""

    epoch: int
    executor: int
    born: int | None
    """By its own clock; None for the first one, and for one born so long ago that it matters no more."""


def _leg(purpose: Purpose, side: Side, parent: str | None = None) -> OrderSpec:
    return OrderSpec(
        order_ref=purpose.value,
        instrument="ESZ3",
        side=side,
        quantity=1,
        order_type=OrderType.MARKET,
        purpose=purpose,
        decided_at_ns=0,
        parent_ref=parent,
    )


ENTRY = _leg(Purpose.ENTRY, Side.BUY)
MARKET_TICKS = 6_600
BRACKET = (ENTRY, _leg(Purpose.STOP, Side.SELL, ENTRY.order_ref))
EXIT = (_leg(Purpose.EXIT, Side.SELL),)
LONG_AGO = -(10**6)
REMEMBERED = 1 << 16


class Parties:
    """Production. A mutant overrides what it breaks."""

    name = "as in production"
    handles_first = False
    """Whether the guardian marks a person's request as handled before the halt is latched."""

    def __init__(self, *, ttl: int, drift: int) -> None:
        self.ttl = ttl
        self.drift = drift
        self.grant = lru_cache(REMEMBERED)(self.grant)  # type: ignore[method-assign]
        self.arrives = lru_cache(REMEMBERED)(self.arrives)  # type: ignore[method-assign]
        self.is_valid = lru_cache(REMEMBERED)(self.is_valid)  # type: ignore[method-assign]
        self.reducing_passes = lru_cache(REMEMBERED)(self.reducing_passes)  # type: ignore[method-assign]

    # --- the guardian ---

    def reads_first(self, latch: PureLatch, life: int, executors: Executors) -> object:
        """What is read for a grant before the rest: the clock, which is the one all times are relative to."""
        del latch, life, executors
        return 0

    def grant(
        self,
        own_life: int,
        clear: int,
        executor: int,
        first: object,
        latch: PureLatch,
        life: int,
        executors: Executors,
    ) -> tuple[Permit | None, Executors, int]:
        """The permit if one is given, what the store knows of executors then, and the issuer's memory."""
        assert isinstance(first, int)
        return self.issued(own_life, clear, executor, first, standing_of(latch, life, executors))

    def issued(
        self, own_life: int, clear: int, executor: int, now: int, standing: Standing
    ) -> tuple[Permit | None, Executors, int]:
        """`LeaseIssuer.grant`."""
        issuer = LeaseIssuer(life=own_life, ttl_ns=self.ttl, clear_ns=clear, drift_ns=self.drift)
        verdict = issuer.grant(executor, now_ns=now, standing=standing)
        permit = None
        if isinstance(verdict.answer, Lease):
            lease = verdict.answer
            assert lease.expires_monotonic_ns - lease.granted_monotonic_ns == self.ttl
            permit = Permit(lease.epoch, lease.executor_incarnation, lease.granted_monotonic_ns)
        return permit, verdict.executors, issuer.clear_ns

    def latch_after_restart(self, latch: PureLatch) -> PureLatch:
        """What a starting guardian makes of the latch."""
        return latch

    def clear_after_restart(self, ttl: int) -> int:
        """When a starting guardian takes its predecessor's leases for run out."""
        return ttl

    def remembered(self, executors: Executors) -> Executors:
        """What a starting guardian finds of the executors."""
        return executors

    halted = TradingState.HALTED

    def release(self, latch: PureLatch, seen: Look) -> PureLatch:
        """A person's resume."""
        return latch.release(seen)

    # --- the executor ---

    def counted_from(self, asked: int, now: int) -> int:
        """The moment from which a lease is measured."""
        del now
        return asked

    def is_valid(self, asked: int, permit: Permit, now: int) -> bool:
        """Whether `LeaseHolder` gives the lease out."""
        holder = LeaseHolder(Held(as_of_ns=0, asked_ns=asked))
        holder.receives(self.real(permit))
        return holder.lease(0, now_ns=now) is not None

    # --- the broker's gate ---

    def birth(self, now: int) -> int:
        """What a restarted gate takes for its birth."""
        return now

    def gate(self, memory: Gate) -> OrderGate:
        """The gate with that memory."""
        return OrderGate(
            born_monotonic_ns=LONG_AGO if memory.born is None else memory.born,
            drift_ns=self.drift,
            epoch_seen=memory.epoch,
            executor_seen=memory.executor,
        )

    def arrives(self, memory: Gate, permit: Permit, now: int) -> tuple[bool, Gate]:
        """Whether a bracket passes, and the gate's memory after that."""
        gate = self.gate(memory)
        try:
            gate.check(
                BRACKET,
                self.real(permit),
                held_contracts=0,
                entering_contracts=0,
                market_ticks=MARKET_TICKS,
                now_monotonic_ns=now,
            )
            passes = True
        except (OrderRejected, PermitStale):
            passes = False
        return passes, Gate(*gate.seen, memory.born)

    def reducing_passes(self, memory: Gate, now: int) -> bool:
        """Whether an exit passes, with no permit and with the worst one."""
        worst = self.real(Permit(0, 0, now - self.ttl))
        try:
            for permit in (None, worst):
                self.gate(memory).check(
                    EXIT,
                    permit,
                    held_contracts=1,
                    entering_contracts=0,
                    market_ticks=MARKET_TICKS,
                    now_monotonic_ns=now,
                )
        except (OrderRejected, PermitStale):
            return False
        return True

    def real(self, permit: Permit) -> RealPermit:
        """The permit as it travels."""
        return RealPermit(
            epoch=permit.epoch,
            executor_incarnation=permit.executor,
            as_of_ns=0,
            granted_monotonic_ns=permit.granted,
            expires_monotonic_ns=permit.granted + self.ttl,
            position_contracts_max=1,
        )


def standing_of(latch: PureLatch, life: int, executors: Executors) -> Standing:
    """The guardian's store in one look."""
    return Standing(
        state=latch.state,
        reason="",
        epoch=latch.epoch,
        life=life,
        requests_open=bool(latch.open_requests),
        executors=executors,
    )
