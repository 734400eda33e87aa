"""What the shell around the guardian's core adds to the facts: which of them count here, and when now is.

In lockstep only facts of market time and wire order are let through; see `guardian.core`. Elsewhere `now` is UTC
as it was when this life began, plus what the monotonic clock says has passed: a clock that is set does not stall
a feed, and what is written down can be read by the next life.
"""

from decimal import Decimal
from pathlib import Path

from mia_actors.core.clock import NS_PER_S, Clock
from mia_actors.core.facts import BrokerPosition, Fact, Line, SupervisionKind, SupervisionNotice
from mia_actors.core.orders import Fill, OrderTerms
from mia_actors.core.session import BrokerMode, SessionInfo
from mia_actors.core.units import Product
from mia_actors.guardian.account_book import AccountBook
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.levels import Demand, Finding
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.memory import Memory
from mia_actors.guardian.sources import LineLimit
from mia_actors.supervision.event_log import LoggedEvent, read_events
from mia_actors.supervision.events import ExitReason
from mia_actors.supervision.events import Fact as TreeFact

LOCKSTEP_FACTS = (BrokerPosition, OrderTerms)
TREE_FACTS = {
    TreeFact.INPUT_QUARANTINED.value: SupervisionKind.QUARANTINE,
    TreeFact.SUPERVISOR_LEFT_DOWN.value: SupervisionKind.QUARANTINE,
    TreeFact.PERMANENT_FAILURE.value: SupervisionKind.QUARANTINE,
    TreeFact.HALT_REQUESTED.value: SupervisionKind.ESCALATION,
    TreeFact.TREE_GAVE_UP.value: SupervisionKind.ESCALATION,
}
LOOK_EVERY_S = 1.0
LINE_DOWN = "line_down_ns"


def _kind_of(event: LoggedEvent) -> SupervisionKind | None:
    """What an event of the tree is to the guardian; every end that was not wanted counts as a restart."""
    if event.event == TreeFact.CHILD_EXITED.value:
        wanted = not event.reason or ExitReason(event.reason).orderly
        return None if wanted else SupervisionKind.RESTART
    return TREE_FACTS.get(event.event)


class Gathering:
    """Clock and sources of one guardian's life."""

    def __init__(self, settings: GuardianSettings, info: SessionInfo, clock: Clock) -> None:
        self._info = info
        self._clock = clock
        self._mode = info.connection(settings.connection).mode
        self._started_ns, self._started_s = clock.now_ns(), clock.monotonic_s()
        self._line = LineLimit(settings)
        self._tree_number = 0
        self._looked_s = 0.0

    @property
    def is_live(self) -> bool:
        """Whether times of arrival mean anything."""
        return not self._info.lockstep

    def now_ns(self) -> int:
        """Now, as facts carry their arrival."""
        return self._started_ns + round((self._clock.monotonic_s() - self._started_s) * NS_PER_S)

    def arrival_ns(self) -> int | None:
        """Now for a judgement; None in lockstep."""
        return self.now_ns() if self.is_live else None

    def counts(self, fact: Fact) -> bool:
        """Whether a fact may be judged here."""
        return self.is_live or isinstance(fact, LOCKSTEP_FACTS)

    def as_of_ns(self, newest_bar_end_ns: int) -> int:
        """Market time between bars: with a real exchange it goes on while the feed is silent."""
        return newest_bar_end_ns if self._mode is BrokerMode.SIM else max(newest_bar_end_ns, self.now_ns())

    def scope(self, account: str) -> str:
        """Whose memory it is: a simulated session is a world of its own."""
        return self._info.session_id if self._mode is BrokerMode.SIM else account

    def is_due(self) -> bool:
        """Whether a look between bars is due; never in lockstep."""
        now_s = self._clock.monotonic_s()
        if not self.is_live or now_s - self._looked_s < LOOK_EVERY_S:
            return False
        self._looked_s = now_s
        return True

    def tree_notices(self) -> tuple[SupervisionNotice, ...]:
        """What the supervision's own log tells since the last look."""
        notices = []
        for number, event in read_events(Path(self._info.session_dir), after=self._tree_number):
            self._tree_number = number
            kind = _kind_of(event)
            if kind is not None:
                notices.append(
                    SupervisionNotice(arrival_ns=event.time_ns, number=number, kind=kind, node=event.node)
                )
        return tuple(notices)

    def line_down(self, latch: Latch) -> Finding | None:
        """The connection is away: since when is on disk; returns what halts, if that is due by now."""
        if not self.is_live:
            return None
        since = latch.fact(LINE_DOWN)
        if not since:
            since = str(self.now_ns())
            latch.note_fact(LINE_DOWN, since)
        self._line.take(Line(arrival_ns=int(since), up=False))
        return next((one for one in self._line.findings(self.now_ns()) if one.demand is Demand.HALT), None)

    def line_up(self, latch: Latch) -> None:
        """The connection stands."""
        self._line.take(Line(arrival_ns=self.now_ns(), up=True))
        if latch.fact(LINE_DOWN):
            latch.note_fact(LINE_DOWN, "")


def profit_usd(product: Product, memory: Memory, fills: tuple[Fill, ...], mark_ticks: int | None) -> Decimal:
    """Profit of an account's whole record: what its equity is less the record's begin."""
    book = AccountBook(product, memory)
    book.add(fills)
    return book.realized_usd + (Decimal(0) if mark_ticks is None else book.unrealized_usd(mark_ticks))
