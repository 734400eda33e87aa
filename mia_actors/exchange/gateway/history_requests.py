"""One client's requests for what the market did before."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from mia_actors.core.calendar import is_regular_hours
from mia_actors.core.market import Bar
from mia_actors.core.units import Contract
from mia_actors.exchange.gateway import history_frames
from mia_actors.exchange.gateway.family import CONTRACT_FIELDS, Handler, Peer, RequestFamily, ignored
from mia_actors.exchange.gateway.historical_bars import BarFold
from mia_actors.exchange.gateway.history_wanted import CONTRACT_PLACE, EPOCH_FORM, HistoryWanted
from mia_actors.exchange.gateway.listed import meant
from mia_actors.exchange.gateway.moments import moment_ns
from mia_actors.exchange.gateway.pacing import SMALL_BARS_S
from mia_actors.exchange.gateway.price_points import PricePoint, Shown, moves, trades
from mia_actors.exchange.gateway.refusals import Refused, require_contract
from mia_actors.exchange.gateway.subscriptions import Subscriptions
from mia_actors.exchange.gateway.trading_hours import schedule

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.server import Gateway

SERVICE = "Historical Market Data Service error message:"
TICK_KINDS = ("TRADES", "BID_ASK", "MIDPOINT")
TICKS_MAX = 1000
TICK_FIELDS, HEAD_FIELDS = 21, 18


@dataclass(slots=True, kw_only=True)
class KeptBars:
    """A request whose last bar goes on."""

    wanted: HistoryWanted
    shown: Shown
    fold: BarFold = field(repr=False)


class HistoryRequests(RequestFamily):
    """Historical bars, sessions and ticks."""

    def __init__(self, gateway: "Gateway", peer: Peer) -> None:
        self._gateway = gateway
        self._peer = peer
        self._kept: Subscriptions[KeptBars] = Subscriptions(
            unknown_code=366, unknown_text="No historical data query found for ticker id:{}"
        )

    def handlers(self) -> Mapping[int, Handler]:
        """See `RequestFamily.handlers`."""
        return {
            20: self._history,
            25: lambda fields: self._kept.cancel(int(fields[2])),
            87: self._head,
            90: ignored,  # answered at once, there is nothing left to cancel
            96: self._ticks,
        }

    def bar_shown(self, bar: Bar) -> None:
        """See `RequestFamily.bar_shown`."""
        for request_id, kept in self._kept.items():
            admits = _filter(regular_only=kept.wanted.regular_only)
            if admits is not None and not admits(bar):
                continue
            kept.fold.add(bar)
            if kept.fold.current is not None:
                frame = history_frames.update(
                    self._peer.dialect, request_id, kept.fold.current, kept.shown, epoch=kept.wanted.epoch
                )
                self._peer.send(frame)

    def forget_streams(self) -> None:
        """See `RequestFamily.forget_streams`."""
        self._kept.clear()

    # --- bars ---

    def _history(self, fields: list[str]) -> None:
        gateway = self._gateway
        request_id = int(fields[1])
        if self._other(request_id, fields) is None:
            self._need(request_id, fields)
        wanted = HistoryWanted.parsed(fields)
        self._kept.need_new(request_id)
        if wanted.size.seconds <= SMALL_BARS_S:
            self._pace(request_id, fields, what=fields[19], weight=1)
        until_ns = min(gateway.now_ns, wanted.until_ns if wanted.until_ns is not None else gateway.now_ns)
        try:
            if wanted.shown is None:
                self._schedule(wanted, until_ns)
            elif (other := self._other(request_id, fields)) is not None:
                self._bars_of_other(wanted, wanted.shown, until_ns, other)
            else:
                self._bars(wanted, wanted.shown, until_ns)
        except ValueError as error:
            raise Refused(request_id, 162, f"{SERVICE}{error}") from error

    def _bars(self, wanted: HistoryWanted, shown: Shown, until_ns: int) -> None:
        past, peer = self._gateway.past, self._peer
        admits = _filter(regular_only=wanted.regular_only)
        if wanted.goes_on:
            found, fold = past.folded(wanted.size, wanted.duration, until_ns, admits=admits)
            found += [] if fold.current is None else [fold.current]
            if not found:  # clients drop the updates of an empty list
                text = f"{SERVICE}HMDS query returned no data: {self._gateway.contract.instrument}"
                raise Refused(wanted.request_id, 162, text)
            self._kept.add(wanted.request_id, KeptBars(wanted=wanted, shown=shown, fold=fold))
        else:
            found = past.bars(wanted.size, wanted.duration, until_ns, admits=admits)
        peer.send(
            history_frames.historical(peer.dialect, wanted.request_id, found, shown, epoch=wanted.epoch)
        )

    def _other(self, request_id: int, fields: list[str]) -> Contract | None:
        """The contract that is meant, where it is listed and not the tape's."""
        gateway = self._gateway
        contract = fields[CONTRACT_PLACE : CONTRACT_PLACE + CONTRACT_FIELDS]
        found = meant(request_id, contract, gateway.listed, gateway.product)[0]
        return None if found == gateway.contract else found

    def _bars_of_other(self, wanted: HistoryWanted, shown: Shown, until_ns: int, contract: Contract) -> None:
        gateway, peer = self._gateway, self._peer
        gateway.access.need_history(wanted.request_id, gateway.product.exchange)
        admits = _filter(regular_only=wanted.regular_only)
        found = gateway.listed[contract].bars(wanted.size, wanted.duration, until_ns, admits=admits)
        if wanted.goes_on or not found:
            text = f"{SERVICE}HMDS query returned no data: {contract.instrument}"
            raise Refused(wanted.request_id, 162, text)
        peer.send(
            history_frames.historical(peer.dialect, wanted.request_id, found, shown, epoch=wanted.epoch)
        )

    def _schedule(self, wanted: HistoryWanted, until_ns: int) -> None:
        days, _, unit = wanted.duration.partition(" ")
        if unit != "D":
            raise ValueError(f"duration {wanted.duration!r}: allowed for SCHEDULE: a number and D")
        sessions = schedule(until_ns, int(days), regular_only=wanted.regular_only)
        self._peer.send(history_frames.schedule(wanted.request_id, sessions))

    # --- the rest ---

    def _head(self, fields: list[str]) -> None:
        request_id = int(fields[1])
        self._need(request_id, fields)
        if len(fields) < HEAD_FIELDS or fields[16] not in set(Shown):
            raise Refused(request_id, 321, f"a head time stamp is of {', '.join(Shown)}")
        first_ns = self._gateway.past.first_ns(_filter(regular_only=fields[15] == "1"))
        if first_ns is None or first_ns >= self._gateway.now_ns:
            raise Refused(request_id, 162, f"{SERVICE}No head time stamp")
        self._peer.send(history_frames.head(request_id, first_ns, epoch=fields[17] == EPOCH_FORM))

    def _ticks(self, fields: list[str]) -> None:
        request_id = int(fields[1])
        self._need(request_id, fields)
        if len(fields) < TICK_FIELDS or fields[18] not in TICK_KINDS:
            raise Refused(request_id, 321, f"historical ticks are of {', '.join(TICK_KINDS)}")
        start, end, count, kind = fields[15], fields[16], int(fields[17]), fields[18]
        if bool(start) == bool(end) or not 0 < count <= TICKS_MAX:
            text = f"either a start or an end is needed, and a count from 1 to {TICKS_MAX}"
            raise Refused(request_id, 321, f"Error validating request: {text}")
        self._pace(request_id, fields, what=kind, weight=2 if kind == "BID_ASK" else 1)
        try:
            border_ns = min(moment_ns(start or end), self._gateway.now_ns)
        except ValueError as error:
            raise Refused(request_id, 321, f"Error validating request: {error}") from error
        admits = _filter(regular_only=fields[19] == "1")
        found = self.past_ticks(kind, border_ns, count, is_start=bool(start), admits=admits)
        self._peer.send(history_frames.ticks(self._peer.dialect, request_id, found, kind))

    def past_ticks(
        self,
        kind: str,
        border_ns: int,
        count: int,
        *,
        is_start: bool,
        admits: Callable[[Bar], bool] | None = None,
    ) -> list[PricePoint]:
        """The first ticks of bars from a moment on, or the last ones of bars before it, ascending."""
        past, points = self._gateway.past, trades if kind == "TRADES" else moves
        if is_start:
            bars = past.small_bars(border_ns, self._gateway.now_ns)
            onward = (point for bar in bars if admits is None or admits(bar) for point in points(bar))
            return list(islice(onward, count))
        bars = past.small_bars_back(border_ns)
        back = (
            point for bar in bars if admits is None or admits(bar) for point in reversed(list(points(bar)))
        )
        return list(islice(back, count))[::-1]

    def _need(self, request_id: int, fields: list[str]) -> None:
        gateway = self._gateway
        contract = fields[CONTRACT_PLACE : CONTRACT_PLACE + CONTRACT_FIELDS]
        require_contract(request_id, contract, gateway.contract, gateway.product)
        gateway.access.need_history(request_id, gateway.product.exchange)

    def _pace(self, request_id: int, fields: list[str], *, what: str, weight: int) -> None:
        pacing = self._gateway.pacing
        contract = tuple(fields[CONTRACT_PLACE : CONTRACT_PLACE + CONTRACT_FIELDS])
        if pacing is not None and not pacing.admits_history(
            self._gateway.monotonic_s(),
            request=(fields[0], *fields[CONTRACT_PLACE:]),
            market=(*contract, what),
            weight=weight,
        ):
            raise Refused(request_id, 162, f"{SERVICE}Historical data request pacing violation")


def _filter(*, regular_only: bool) -> Callable[[Bar], bool] | None:
    return (lambda bar: is_regular_hours(bar.start_ns)) if regular_only else None
