"""Bugs planted on purpose: each one small, each one somebody could write."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mia_actors.broker.order_gate import OrderGate
from mia_actors.core.errors import OrderRejected
from mia_actors.core.orders import OrderSpec
from mia_actors.core.orders import Permit as RealPermit
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.permits import Executors, Standing
from tests.protocol.parties import LONG_AGO, Gate, Parties, Permit, standing_of
from tests.protocol.pure_latch import Look, PureLatch

LATE = "passed later than one time to live after a halt"
OLD_EPOCH = "an order under an older epoch passed"
TWO = "both executors hold a valid lease"
LOST = "a latched halt was lost"


class GateComparesNoEpochs(Parties):
    name = "the gate does not compare epochs"

    def arrives(self, memory: Gate, permit: Permit, now: int) -> tuple[bool, Gate]:
        passes, after = super().arrives(memory._replace(epoch=0), permit, now)
        return passes, after._replace(epoch=max(memory.epoch, after.epoch))


class GateIgnoresTheEnd(Parties):
    name = "the gate lets a permit pass that has run out"

    def arrives(self, memory: Gate, permit: Permit, now: int) -> tuple[bool, Gate]:
        return super().arrives(memory, permit, min(now, permit.granted))


class GateTakesWhatItsPredecessorMayHaveFenced(Parties):
    name = "a restarted gate takes permits from before its birth"

    def birth(self, now: int) -> int:
        return LONG_AGO


class GateFencesWhatReduces(Parties):
    name = "the gate refuses an exit that comes with an old permit"

    class Strict(OrderGate):
        """Treats every group alike."""

        def check(self, group: Sequence[OrderSpec], permit: RealPermit | None, **rest: Any) -> None:
            if permit is not None and permit.epoch < self.seen[0]:
                raise OrderRejected("fenced")
            super().check(group, permit, **rest)

    def gate(self, memory: Gate) -> OrderGate:
        return self.Strict(born_monotonic_ns=LONG_AGO, epoch_seen=memory.epoch, executor_seen=memory.executor)


class HolderMeasuresFromReceipt(Parties):
    name = "the executor measures its lease from the receipt"

    def counted_from(self, asked: int, now: int) -> int:
        return now

    def is_valid(self, asked: int, permit: Permit, now: int) -> bool:
        return now < asked + self.ttl


class IssuerIgnoresTheLatch(Parties):
    name = "the guardian does not look at the latch"

    def issued(
        self, own_life: int, clear: int, executor: int, now: int, standing: Standing
    ) -> tuple[Permit | None, Executors, int]:
        active = standing_of(PureLatch(epoch=standing.epoch), standing.life, standing.executors)
        return super().issued(own_life, clear, executor, now, active)


class IssuerIgnoresRequests(Parties):
    name = "the guardian gives permits while a request to halt waits on disk"

    def issued(
        self, own_life: int, clear: int, executor: int, now: int, standing: Standing
    ) -> tuple[Permit | None, Executors, int]:
        return super().issued(own_life, clear, executor, now, replace(standing, requests_open=False))


class IssuerLooksAtTheLatchFirst(Parties):
    name = "the guardian reads the latch before the clock"

    def reads_first(self, latch: PureLatch, life: int, executors: Executors) -> object:
        return standing_of(latch, life, executors)

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
        assert isinstance(first, Standing)
        return self.issued(own_life, clear, executor, 0, first)


class IssuerDoesNotWaitForTheOlderLease(Parties):
    name = "the guardian gives a newer executor a lease at once"

    def issued(
        self, own_life: int, clear: int, executor: int, now: int, standing: Standing
    ) -> tuple[Permit | None, Executors, int]:
        return super().issued(own_life, now - self.drift, executor, now, standing)


class IssuerIgnoresDrift(Parties):
    name = "the guardian takes all clocks for one"

    def issued(
        self, own_life: int, clear: int, executor: int, now: int, standing: Standing
    ) -> tuple[Permit | None, Executors, int]:
        permit, known, after = super().issued(own_life, clear - self.drift, executor, now, standing)
        return permit, known, max(clear, after)


class RestartedGuardianForgetsLeases(Parties):
    name = "a restarted guardian takes its predecessor's leases for run out"

    def clear_after_restart(self, ttl: int) -> int:
        return -self.drift


class ExecutorsAreNotOnDisk(Parties):
    name = "a restarted guardian does not know who was leased to"

    def remembered(self, executors: Executors) -> Executors:
        return Executors()


class RestartRaisesTheState(Parties):
    name = "a restarted guardian begins active"

    def latch_after_restart(self, latch: PureLatch) -> PureLatch:
        return latch._replace(state=TradingState.ACTIVE)


class ResumeComparesNothing(Parties):
    name = "a resume releases whatever is latched by then"

    def release(self, latch: PureLatch, seen: Look) -> PureLatch:
        return latch.release(latch.look)


class RequestIsHandledFirst(Parties):
    name = "the guardian marks a request as handled before it latches"
    handles_first = True


MUTANTS: dict[type[Parties], tuple[str, str]] = {
    GateComparesNoEpochs: ("restarts", OLD_EPOCH),
    GateIgnoresTheEnd: ("late messages", "its permit had run out"),
    GateTakesWhatItsPredecessorMayHaveFenced: ("restarts", OLD_EPOCH),
    GateFencesWhatReduces: ("late messages", "refuses an order that reduces"),
    HolderMeasuresFromReceipt: ("clocks", TWO),
    IssuerIgnoresTheLatch: ("clocks", LATE),
    IssuerIgnoresRequests: ("people", LATE),
    IssuerLooksAtTheLatchFirst: ("clocks", LATE),
    IssuerDoesNotWaitForTheOlderLease: ("clocks", TWO),
    IssuerIgnoresDrift: ("clocks", TWO),
    RestartedGuardianForgetsLeases: ("restarts", TWO),
    ExecutorsAreNotOnDisk: ("restarts", TWO),
    RestartRaisesTheState: ("restarts", LOST),
    ResumeComparesNothing: ("people", LOST),
    RequestIsHandledFirst: ("people", LOST),
}
"""Each mutant with bounds in which it shows, and the invariant it breaks there."""
