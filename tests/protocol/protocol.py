"""The permit and halt protocol as a small world: who may do what next, over the classes that run in production.

One guardian, an older and a newer executor, the broker's gate, a console (`mia halt`, or the deadman) and a person
who resumes. Time is counted in ticks and only differences are kept, so that it never ends; epochs and what may be
done how often are bounded. A message stays on its way for ever once sent: that is loss, delay, duplication
and reordering in one. A process that is dead is one that does nothing: crashes show as restarts, which forget.

Reductions, each of which leaves every behaviour: an executor sends the order the moment it has a lease (sending
later is a slower message); what is too old to make any difference is forgotten.
"""

from collections.abc import Iterator
from functools import cache

from mia_actors.guardian.permits import Executors
from tests.protocol.parties import Gate, Parties, Permit
from tests.protocol.pure_latch import Look, PureLatch
from tests.protocol.world import (
    NEWER,
    OLDER,
    Answer,
    Bounds,
    Guardian,
    Holder,
    Message,
    Order,
    Request,
    World,
)

Step = tuple[str, World]


class Protocol:
    """Every step from every world."""

    def __init__(self, bounds: Bounds, parties: Parties) -> None:
        self.bounds = bounds
        self.parties = parties
        self._floor = -bounds.ttl - bounds.drift
        """A lease granted then has run out by every clock."""
        self._shifted = cache(self._shift)
        self._ticks = [
            (executors, gate) for executors in range(bounds.drift + 1) for gate in range(bounds.drift + 1)
        ]

    def initial(self) -> World:
        """A guardian that has just begun, on a new store."""
        latch = PureLatch().next_epoch()
        return World(
            latch=latch,
            life=latch.epoch,
            executors=Executors(),
            guardian=Guardian(life=latch.epoch, clear=self.bounds.ttl),
            holders=(Holder(), Holder()),
            gate=Gate(0, 0, None),
            slow=(0, 0),
            messages=frozenset(),
            console=0,
            seen=None,
            left=self.bounds,
            halted_for=None,
            words=0,
            released=0,
            passed=(0, 0),
            broken="",
        )

    def successors(self, world: World) -> Iterator[Step]:
        """Whatever anybody may do next."""
        yield from self._time(world)
        yield from self._executors(world)
        yield from self._guardian(world)
        yield from self._gate(world)
        yield from self._people(world)

    def broken(self, world: World) -> str:
        """The invariant that does not hold in this world."""
        if world.broken:
            return world.broken
        if world.words > world.released and not world.latch.open_requests and self.is_active(world.latch):
            return "a latched halt was lost: trading is active, and nobody who saw the halt released it"
        if all(self._holds(world, executor) for executor in (OLDER, NEWER)):
            return "both executors hold a valid lease"
        if not self.parties.reducing_passes(world.gate, -world.slow[1]):
            return "the gate refuses an order that reduces the position"
        return ""

    @staticmethod
    def is_active(latch: PureLatch) -> bool:
        """Whether trading is allowed by the latch alone."""
        return latch.state.value == "active"

    # --- time ---

    def _time(self, world: World) -> Iterator[Step]:
        aged = self._aged(world)
        for slow in self._ticks:
            yield (
                f"a tick passes (clocks behind the guardian's: {slow})",
                self._forgotten(aged._replace(slow=slow)),
            )

    def _shift(self, permit: Permit) -> Permit:
        return permit._replace(granted=max(permit.granted - 1, self._floor))

    def _aged(self, world: World) -> World:
        shifted, guardian = self._shifted, world.guardian
        taken = guardian.taken
        if taken is not None and isinstance(taken[1], int):
            taken = (taken[0], taken[1] - 1)
        older, newer = (
            Holder(
                None if holder.asked is None else holder.asked - 1,
                None if holder.permit is None else shifted(holder.permit),
            )
            for holder in world.holders
        )
        return world._replace(
            guardian=guardian._replace(clear=guardian.clear - 1, taken=taken),
            holders=(older, newer),
            gate=world.gate if world.gate.born is None else world.gate._replace(born=world.gate.born - 1),
            messages=frozenset(
                one if isinstance(one, Request) else one._replace(permit=shifted(one.permit))
                for one in world.messages
            ),
            halted_for=None if world.halted_for is None else world.halted_for + 1,
        )

    def _forgotten(self, world: World) -> World:
        """The same world without what can never matter again: every clock has passed it, and clocks go on."""
        ttl, drift = self.bounds.ttl, self.bounds.drift
        guardian, gate = world.guardian, world.gate
        executors_now, gate_now = -world.slow[0], -world.slow[1]
        older, newer = (
            Holder() if holder.asked is not None and holder.asked + ttl <= executors_now else holder
            for holder in world.holders
        )
        holders = (older, newer)
        kept: set[Message] = set()
        for one in world.messages:
            if isinstance(one, Request):
                current = one.current and holders[one.executor - 1].asked is not None
                if current or self.bounds.late_messages:
                    kept.add(one._replace(current=current))
            elif isinstance(one, Answer):
                if holders[one.permit.executor - 1].asked is not None:
                    kept.add(one)
            else:
                told = gate.epoch >= one.permit.epoch and gate.executor >= one.permit.executor
                useful = one.permit.granted + ttl > gate_now
                if useful or (self.bounds.late_messages and not told):
                    kept.add(one)
        taken = guardian.taken
        if taken is not None:
            request, first = taken
            request = request._replace(
                current=request.current and holders[request.executor - 1].asked is not None
            )
            taken = request, max(first, self._floor) if isinstance(first, int) else first
            taken = taken if request.current or self.bounds.late_messages else None
        oldest = taken[1] if taken is not None and isinstance(taken[1], int) else 0
        guardian = guardian._replace(clear=max(guardian.clear, oldest - drift), taken=taken)
        if gate.born is not None and gate.born < -ttl - 2 * drift:
            gate = gate._replace(born=None)
        halted_for = world.halted_for
        if halted_for is not None:
            halted_for = min(halted_for, ttl + drift)
        return world._replace(
            holders=holders, messages=frozenset(kept), guardian=guardian, gate=gate, halted_for=halted_for
        )

    # --- executors ---

    def _executors(self, world: World) -> Iterator[Step]:
        for executor in (OLDER, NEWER):
            yield f"executor {executor} asks for a permit", self._asks(world, executor)
        for message in world.messages:
            if isinstance(message, Answer):
                yield (
                    f"executor {message.permit.executor} receives {message.permit}",
                    self._receives(world, message),
                )

    def _deaf(self, world: World, executor: int) -> World:
        """Answers to what this executor has asked so far find nobody any more."""
        kept: set[Message] = set()
        for one in world.messages:
            if isinstance(one, Request) and one.executor == executor:
                if self.bounds.late_messages:
                    kept.add(one._replace(current=False))
            elif not (isinstance(one, Answer) and one.permit.executor == executor):
                kept.add(one)
        guardian = world.guardian
        if guardian.taken is not None and guardian.taken[0].executor == executor:
            late = (Request(executor, current=False), guardian.taken[1])
            guardian = guardian._replace(taken=late if self.bounds.late_messages else None)
        return world._replace(messages=frozenset(kept), guardian=guardian)

    def _asks(self, world: World, executor: int) -> World:
        world = self._deaf(world, executor)
        asked = Holder(asked=-world.slow[0])
        holders = (asked, world.holders[1]) if executor == OLDER else (world.holders[0], asked)
        return world._replace(messages=world.messages | {Request(executor, current=True)}, holders=holders)

    def _receives(self, world: World, answer: Answer) -> World:
        executor = answer.permit.executor
        before = world.holders[executor - 1]
        if before.asked is None:
            return world
        counted = self.parties.counted_from(before.asked, -world.slow[0])
        got = Holder(asked=counted, permit=answer.permit._replace(epoch=0))
        holders = (got, world.holders[1]) if executor == OLDER else (world.holders[0], got)
        world = self._deaf(world, executor)._replace(holders=holders)
        if self._holds(world, executor):
            world = world._replace(messages=world.messages | {Order(answer.permit)})
        return world

    def _holds(self, world: World, executor: int) -> bool:
        holder = world.holders[executor - 1]
        if holder.asked is None or holder.permit is None:
            return False
        return self.parties.is_valid(holder.asked, holder.permit, -world.slow[0])

    # --- guardian ---

    def _guardian(self, world: World) -> Iterator[Step]:
        guardian, left = world.guardian, world.left
        if guardian.taken is None:
            for message in world.messages:
                if isinstance(message, Request):
                    first = self.parties.reads_first(world.latch, world.life, world.executors)
                    taken = world._replace(guardian=guardian._replace(taken=(message, first)))
                    if self.bounds.slow_answers:
                        yield f"the guardian takes a question of executor {message.executor}", taken
                    else:
                        yield self._answers(taken, message, first)
        else:
            yield self._answers(world, *guardian.taken)
        if left.findings and self.is_active(world.latch):
            lowered = world._replace(left=left._replace(findings=left.findings - 1))
            yield "the guardian finds a loss and latches a halt", self._lowered(lowered, said=True)
        yield from self._heeds(world)
        if left.guardian_restarts:
            yield "the guardian dies and is restarted", self._restarted(world)

    def _answers(self, world: World, request: Request, first: object) -> Step:
        permit, executors, clear = self.parties.grant(
            world.guardian.life,
            world.guardian.clear,
            request.executor,
            first,
            world.latch,
            world.life,
            world.executors,
        )
        messages = world.messages
        if permit is not None and request.current and world.holders[request.executor - 1].asked is not None:
            messages |= {Answer(permit)}
        label = f"the guardian answers executor {request.executor}: {permit or 'no permit'}"
        return label, world._replace(
            guardian=world.guardian._replace(taken=None, clear=clear), executors=executors, messages=messages
        )

    def _heeds(self, world: World) -> Iterator[Step]:
        heeding = world.guardian.heeding
        if heeding is None:
            if world.latch.open_requests:
                read = world.guardian._replace(heeding=(world.latch.open_requests[0], False))
                yield "the guardian reads a person's request to halt", world._replace(guardian=read)
            return
        request, first_done = heeding
        if first_done is self.parties.handles_first:
            label, after = "the guardian latches the halt asked for", self._lowered(world, said=True)
        else:
            label = "the guardian marks the request as handled"
            after = self._settled(world._replace(latch=world.latch.handled(request)))
        then = None if first_done else (request, True)
        yield label, after._replace(guardian=after.guardian._replace(heeding=then))

    def _restarted(self, world: World) -> World:
        latch = self.parties.latch_after_restart(world.latch.next_epoch())
        executors = self.parties.remembered(world.executors)
        return world._replace(
            latch=latch,
            life=latch.epoch,
            executors=executors,
            guardian=Guardian(life=latch.epoch, clear=self.parties.clear_after_restart(self.bounds.ttl)),
            left=world.left._replace(guardian_restarts=world.left.guardian_restarts - 1),
        )

    # --- the gate ---

    def _gate(self, world: World) -> Iterator[Step]:
        for message in world.messages:
            if isinstance(message, Order):
                yield self._arrives(world, message.permit)
        if world.left.gate_restarts:
            left = world.left._replace(gate_restarts=world.left.gate_restarts - 1)
            born = Gate(0, 0, self.parties.birth(-world.slow[1]))
            yield "the broker actor dies and is restarted", world._replace(gate=born, left=left)

    def _arrives(self, world: World, permit: Permit) -> Step:
        passes, gate = self.parties.arrives(world.gate, permit, -world.slow[1])
        label = f"an order under {permit} reaches the gate and {'passes' if passes else 'is refused'}"
        if not passes:
            return label, world._replace(gate=gate)
        broken = ""
        if world.halted_for is not None and world.halted_for >= self.bounds.ttl + self.bounds.drift:
            broken = "a risk-increasing order passed later than one time to live after a halt"
        elif permit.granted + self.bounds.ttl + self.bounds.drift <= 0:
            broken = "an order passed when its permit had run out by every clock"
        elif permit.epoch < world.passed[0]:
            broken = "an order under an older epoch passed after one under a newer epoch"
        elif permit.executor < world.passed[1]:
            broken = "an order of the older executor passed after one of the newer"
        passed = (max(world.passed[0], permit.epoch), max(world.passed[1], permit.executor))
        return label, world._replace(gate=gate, passed=passed, broken=broken)

    # --- people ---

    def _people(self, world: World) -> Iterator[Step]:
        if world.console == 0 and world.left.consoles:
            asked = world._replace(latch=world.latch.ask(), words=world.words + 1, console=1)
            left = world.left._replace(consoles=world.left.consoles - 1)
            yield "the console writes its request to halt", self._settled(asked._replace(left=left))
        elif world.console == 1:
            yield "the console latches the halt", self._lowered(world._replace(console=2), said=False)
        elif world.console == 2:
            handled = world.latch.handled(world.latch.requests)
            yield (
                "the console marks its request as handled",
                self._settled(world._replace(latch=handled, console=0)),
            )
        look = (world.latch.look, world.words)
        if world.left.resumes and not self.is_active(world.latch) and world.seen != look:
            yield "a person looks at the halt", world._replace(seen=look)
        if world.seen is not None:
            yield "the person resumes what was looked at", self._resumed(world, *world.seen)

    def _resumed(self, world: World, seen: Look, words: int) -> World:
        latch = self.parties.release(world.latch, seen)
        after = world._replace(latch=latch, seen=None)
        if latch == world.latch:
            return after
        left = world.left._replace(resumes=world.left.resumes - 1)
        return self._settled(after._replace(released=max(world.released, words), left=left))

    def _lowered(self, world: World, *, said: bool) -> World:
        """`said`: this lowering is a word of its own, if it changes anything."""
        latch = world.latch.lower(self.parties.halted)
        words = world.words + (said and latch != world.latch)
        return self._settled(world._replace(latch=latch, words=words))

    def _settled(self, world: World) -> World:
        """Counts from when a halt is on disk."""
        on_disk = bool(world.latch.open_requests) or not self.is_active(world.latch)
        if on_disk == (world.halted_for is not None):
            return world
        return world._replace(halted_for=0 if on_disk else None)
