"""Downloads the bars of one contract, chunk by chunk, into the parts of a tape.

Guarantees: a chunk is asked for until it is there or its failure is final; a chunk that is there is never asked for
again, whoever was interrupted; what the file holds follows from the range, the contract and the broker's bars alone.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mia_actors.broker.history_pacing import Pacer
from mia_actors.broker.history_plan import Chunk, HistoryRange, chunks_of
from mia_actors.broker.history_source import HistorySource
from mia_actors.core.clock import NS_PER_S, Clock, iso_utc
from mia_actors.core.errors import (
    BrokerDisconnected,
    ConfigError,
    PacingExceeded,
    PermanentError,
    PermissionMissing,
    TransientError,
)
from mia_actors.core.market import Bar
from mia_actors.core.trade_date import trade_date
from mia_actors.store.tape_parts import TapeParts, table_of

SMALL_BARS_S = 30
"""IB counts requests for bars of this length or less."""
KINDS = (BrokerDisconnected, PacingExceeded, TransientError)
"""Failures that pass, each counted by itself."""
NAP_MIN_S, NAP_MAX_S = 0.001, 1.0
"""How often a wait is told of again."""
NOT_THERE = (
    "start TWS or IB Gateway with its API enabled and name its --host and --port; "
    "where the client id is in use, name another --client-id"
)
NOT_ALLOWED = "subscribe to CME market data for this login (IBKR Client Portal, Settings, Market Data)"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadLimits:
    """How long a download bears what goes wrong."""

    reconnect_within_s: float
    """A broker that is not back within this ends the download; the parts stay."""
    reconnect_first_s: float = 1.0
    reconnect_max_s: float = 30.0
    """Between attempts: doubled each time, up to this."""
    refusals_max: int = 10
    """Pacing complaints about one chunk."""
    losses_max: int = 10
    """Connections lost over one chunk."""
    failures_max: int = 5
    """Other passing failures of one chunk."""

    def attempts_of(self, kind: type[TransientError]) -> int:
        """How often one chunk may fail in this way."""
        limits = {BrokerDisconnected: self.losses_max, PacingExceeded: self.refusals_max}
        return limits.get(kind, self.failures_max)


class Activity(StrEnum):
    """What a download is at."""

    ASKING = "asking"
    PACING = "pacing"
    RECONNECTING = "reconnecting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a download is."""

    activity: Activity
    detail: str
    """The chunk asked for, or why it waits."""
    chunks_done: int
    chunks: int
    bars: int
    wait_s: float = 0.0
    """How long what it does now takes, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a download did. Counts are of this process; `bars` and days of the tape."""

    description: Mapping[str, Any]
    bars: int
    days: int
    empty_days: tuple[str, ...]
    chunks: int
    chunks_kept: int
    """Those that an earlier process had downloaded."""
    requests: int = 0
    refusals: int = 0
    reconnects: int = 0
    waited_s: float = 0.0
    """For the pacing."""


class HistoryDownload:
    """One download over one broker, paced and resumed."""

    def __init__(
        self,
        wanted: HistoryRange,
        *,
        symbol: str,
        name: str,
        parts: TapeParts,
        source: HistorySource,
        clock: Clock,
        limits: DownloadLimits,
        on_progress: Callable[[Progress], None],
    ) -> None:
        """`name` is the contract's in the tape."""
        self._wanted = wanted
        self._symbol = symbol
        self._name = name
        self._parts = parts
        self._source = source
        self._clock = clock
        self._limits = limits
        self._on_progress = on_progress
        self._pacer = Pacer(is_strict=wanted.timeframe.seconds <= SMALL_BARS_S)
        self._chunks = chunks_of(wanted)
        self._done = 0
        self._bars = 0
        self._requests = self._refusals = self._reconnects = 0
        self._waited_s = 0.0

    def run(self) -> Report:
        """Downloads what is missing and writes the tape; one that is written already is told of again.

        Raises:
            ConfigError: the contract is not known or not one, the range is not over yet, the file is another's.
            BrokerDisconnected: not there at the beginning, or away for longer than the limit.
            PermanentError: no permission, no bars at all, or bars that cannot be.
            TransientError: a chunk failed too often.
        """
        finished = self._parts.finished()
        if finished is not None:
            self._parts.clear()
            return self._report(finished, kept=len(self._chunks))
        missing = [chunk for chunk in self._chunks if not self._parts.has(chunk.name)]
        kept = len(self._chunks) - len(missing)
        self._done = kept
        self._bars = sum(self._parts.rows(chunk.name) for chunk in set(self._chunks).difference(missing))
        if missing:
            try:
                self._begin()
                for chunk in missing:
                    self._take(chunk)
            finally:
                self._source.close()
        return self._report(self._finish(), kept=kept)

    def _begin(self) -> None:
        try:
            contract = self._source.connect()
        except BrokerDisconnected as error:
            raise BrokerDisconnected(f"{error}; {NOT_THERE}") from error
        now_ns = self._source.now_ns()
        if self._wanted.end_ns > now_ns:
            raise ConfigError(
                f"--to {self._wanted.last_day}: this trade date ends at {iso_utc(self._wanted.end_ns)} and the "
                f"broker's clock says {iso_utc(now_ns)}; only whole days are downloaded: give an earlier one"
            )
        self._parts.describe(con_id=str(contract.con_id), expiry=contract.expiry)
        for line in self._parts.requests():
            stamp, _, request = line.partition(" ")
            age_s = (self._clock.now_ns() - int(stamp)) / NS_PER_S if stamp.isdigit() else -1.0
            if request and age_s >= 0:
                self._pacer.sent(request, self._clock.monotonic_s() - age_s)

    def _take(self, chunk: Chunk) -> None:
        first_ns, end_ns = chunk.from_ns, chunk.to_ns
        answer = self._answer(chunk)
        kept = {bar.start_ns: bar for bar in answer if first_ns <= bar.start_ns < end_ns}
        bars = [kept[start_ns] for start_ns in sorted(kept)]
        self._parts.write(chunk.name, table_of(bars, self._symbol, self._name))
        self._done += 1
        self._bars += len(bars)
        self._tell(Activity.ASKING, chunk.name)

    def _answer(self, chunk: Chunk) -> Sequence[Bar]:
        """Asks until there is one."""
        failed: Counter[type[TransientError]] = Counter()
        while True:
            self._wait_for_pacing(chunk)
            self._tell(Activity.ASKING, chunk.name)
            self._note(chunk)
            try:
                answer = self._source.bars(chunk, self._wanted.timeframe)
            except TransientError as error:
                kind = next(one for one in KINDS if isinstance(error, one))
                failed[kind] += 1
                if failed[kind] >= self._limits.attempts_of(kind):
                    raise
                self._recover(error)
            except PermissionMissing as error:
                raise PermissionMissing(f"{error}; {NOT_ALLOWED}") from error
            except ValueError as error:
                raise PermanentError(
                    f"{self._name}, {chunk.name}: the broker's bars are no {self._symbol} bars: {error}"
                ) from error
            else:
                self._pacer.answered()
                return answer

    def _recover(self, error: TransientError) -> None:
        if isinstance(error, BrokerDisconnected):
            self._reconnect(error)
            return
        if isinstance(error, PacingExceeded):
            self._refusals += 1
        self._pacer.refused(self._clock.monotonic_s())

    def _note(self, chunk: Chunk) -> None:
        self._requests += 1
        self._pacer.sent(chunk.name, self._clock.monotonic_s())
        self._parts.note_request(f"{self._clock.now_ns()} {chunk.name}")

    def _wait_for_pacing(self, chunk: Chunk) -> None:
        while (wait_s := self._pacer.wait_s(chunk.name, self._clock.monotonic_s())) > 0:
            self._tell(Activity.PACING, chunk.name, wait_s)
            nap_s = min(max(wait_s, NAP_MIN_S), NAP_MAX_S)
            self._waited_s += nap_s
            self._clock.sleep_s(nap_s)

    def _reconnect(self, lost: BrokerDisconnected) -> None:
        limits = self._limits
        deadline_s = self._clock.monotonic_s() + limits.reconnect_within_s
        wait_s, error = limits.reconnect_first_s, lost
        while True:
            if self._clock.monotonic_s() + wait_s > deadline_s:
                raise BrokerDisconnected(
                    f"the broker was not back within {limits.reconnect_within_s:g} s ({error}); "
                    "the same command goes on where this one ended"
                ) from error
            self._tell(Activity.RECONNECTING, str(error), wait_s)
            self._clock.sleep_s(wait_s)
            try:
                contract = self._source.connect()
            except BrokerDisconnected as again:
                wait_s, error = min(2 * wait_s, limits.reconnect_max_s), again
                continue
            self._parts.describe(con_id=str(contract.con_id), expiry=contract.expiry)
            self._reconnects += 1
            return

    def _finish(self) -> Mapping[str, Any]:
        table = self._parts.table(chunk.name for chunk in self._chunks)
        starts_ns = table.column("ts").cast("int64").to_pylist()
        if not starts_ns:
            self._parts.clear()
            raise PermanentError(
                f"{self._name}: the broker has no bars from {self._wanted.first_day} to {self._wanted.last_day}; "
                "ask for days on which this contract was traded"
            )
        traded = {trade_date(start_ns) for start_ns in starts_ns}
        empty = [day.isoformat() for day in self._wanted.days if day not in traded]
        return self._parts.finish(table, bars=len(starts_ns), empty_days=empty)

    def _report(self, description: Mapping[str, Any], *, kept: int) -> Report:
        return Report(
            description=description,
            bars=int(description["bars"]),
            days=len(self._wanted.days),
            empty_days=tuple(description["empty_days"]),
            chunks=len(self._chunks),
            chunks_kept=kept,
            requests=self._requests,
            refusals=self._refusals,
            reconnects=self._reconnects,
            waited_s=round(self._waited_s, 1),
        )

    def _tell(self, activity: Activity, detail: str, wait_s: float = 0.0) -> None:
        self._on_progress(
            Progress(
                activity=activity,
                detail=detail,
                chunks_done=self._done,
                chunks=len(self._chunks),
                bars=self._bars,
                wait_s=wait_s,
            )
        )


def description_of(wanted: HistoryRange, name: str) -> dict[str, str]:
    """What makes two downloads the same."""
    return {
        "contract": name,
        "bar": wanted.timeframe.value,
        "from": wanted.first_day.isoformat(),
        "to": wanted.last_day.isoformat(),
        "what": "TRADES, all hours",
    }
