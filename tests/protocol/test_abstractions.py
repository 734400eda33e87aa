"""What the exploration takes for granted: the latch without a disk, and that only differences of times matter."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import Latch, Latched
from mia_actors.guardian.permits import GUARDIAN_LIFE, Executors, executors_fact, executors_text
from tests.protocol.parties import Gate, Parties, Permit, standing_of
from tests.protocol.pure_latch import Look, PureLatch

SESSION = "s1"
LOWER = st.tuples(st.just("lower"), st.sampled_from([TradingState.REDUCE_ONLY, TradingState.HALTED]))
HANDLED = st.tuples(st.just("handled"), st.integers(1, 4))
OTHERS = st.sampled_from([("look", 0), ("release", 0), ("ask", 0), ("next_epoch", 0)])
TIMES = st.integers(-4, 4)
PERMITS = st.builds(Permit, st.integers(0, 2), st.integers(1, 2), TIMES)


class RealLatch:
    """The latch on a disk, with the looks a person took at it."""

    def __init__(self, latch: Latch) -> None:
        self.latch = latch
        self.seen: Latched | None = None

    def do(self, action: str, argument: object) -> None:
        if action == "lower":
            assert isinstance(argument, TradingState)
            self.latch.lower(argument, reason="fire", who="ada", at_ns=self.latch.read().number)
        elif action == "release" and self.seen is not None:
            self.latch.release(self.seen, reason="over", who="ada", at_ns=self.latch.read().number)
        elif action == "ask":
            self.latch.ask("halt", reason="fire", who="ada", at_ns=1)
        elif action == "handled":
            assert isinstance(argument, int)
            self.latch.handled(argument)
        elif action == "next_epoch":
            self.latch.next_epoch()
        elif action == "look":
            self.seen = self.latch.read()

    def pure(self) -> PureLatch:
        """What the store holds, as the exploration sees it."""
        now = self.latch.read()
        open_requests = tuple(request.request_id for request in self.latch.open_requests())
        return PureLatch(now.state, now.number, now.requests, open_requests, self.latch.epoch())


def done(latch: PureLatch, seen: Look | None, action: str, argument: object) -> PureLatch:
    if action == "lower":
        assert isinstance(argument, TradingState)
        return latch.lower(argument)
    if action == "release":
        return latch if seen is None else latch.release(seen)
    if action == "handled":
        assert isinstance(argument, int)
        return latch.handled(argument)
    if action == "ask":
        return latch.ask()
    return latch.next_epoch() if action == "next_epoch" else latch


@given(st.lists(LOWER | HANDLED | OTHERS, max_size=20))
@settings(max_examples=60, deadline=None)
def test_the_latch_without_a_disk_does_what_the_latch_does(actions: Sequence[tuple[str, object]]) -> None:
    with TemporaryDirectory() as directory, closing(Latch.open(Path(directory))) as latch:
        real, pure, seen = RealLatch(latch), PureLatch(), None
        for action, argument in actions:
            seen = pure.look if action == "look" else seen
            real.do(action, argument)
            pure = done(pure, seen, action, argument)
            assert real.pure() == pure
        executors = Executors(asked=2, leased=1)
        latch.note_fact(GUARDIAN_LIFE, "7")
        latch.note_fact(executors_fact(SESSION), executors_text(executors))
        expected = standing_of(pure, 7, executors)
        standing = latch.standing(SESSION)
        assert (standing.state, standing.epoch, standing.life) == (expected.state, expected.epoch, 7)
        assert (standing.requests_open, standing.executors) == (expected.requests_open, executors)


@given(
    permit=PERMITS, gate=st.builds(Gate, st.integers(0, 2), st.integers(0, 2), TIMES), now=TIMES, later=TIMES
)
def test_only_differences_of_times_matter_to_the_gate_and_the_holder(
    permit: Permit, gate: Gate, now: int, later: int
) -> None:
    parties = Parties(ttl=2, drift=1)
    moved = permit._replace(granted=permit.granted + later)
    assert gate.born is not None
    passes, after = parties.arrives(gate._replace(born=gate.born + later), moved, now + later)
    expected = parties.arrives(gate, permit, now)
    assert (passes, after.epoch, after.executor) == (expected[0], expected[1].epoch, expected[1].executor)
    for asked in range(-4, 5):
        assert parties.is_valid(asked + later, moved, now + later) == parties.is_valid(asked, permit, now)


@given(executor=st.integers(1, 2), clear=TIMES, now=TIMES, later=TIMES, known=st.integers(0, 2))
def test_only_differences_of_times_matter_to_the_issuer(
    executor: int, clear: int, now: int, later: int, known: int
) -> None:
    parties = Parties(ttl=2, drift=1)
    standing = standing_of(PureLatch(epoch=1), 1, Executors(asked=known, leased=known))
    permit, executors, after = parties.issued(1, clear, executor, now, standing)
    moved = parties.issued(1, clear + later, executor, now + later, standing)
    shifted = None if permit is None else permit._replace(granted=permit.granted + later)
    assert moved == (shifted, executors, after + later)
