"""The latch without a disk: what `Latch` does, as functions of small values; a test compares the two."""

from typing import NamedTuple

from mia_actors.guardian.core import TradingState

DOWNWARDS = (TradingState.ACTIVE, TradingState.REDUCE_ONLY, TradingState.HALTED)


class Look(NamedTuple):
    """What a person looked at before resuming."""

    state: TradingState
    number: int
    requests: int


class PureLatch(NamedTuple):
    """The store's rows that decide anything."""

    state: TradingState = TradingState.ACTIVE
    number: int = 0
    requests: int = 0
    open_requests: tuple[int, ...] = ()
    epoch: int = 0

    @property
    def look(self) -> Look:
        """The latch as it stands."""
        return Look(self.state, self.number, self.requests)

    def lower(self, state: TradingState) -> "PureLatch":
        """See `Latch.lower`."""
        if DOWNWARDS.index(state) <= DOWNWARDS.index(self.state):
            return self
        return self._replace(state=state, number=self.number + 1, epoch=self.epoch + 1)

    def release(self, seen: Look) -> "PureLatch":
        """See `Latch.release`."""
        if self.look != seen:
            return self
        return self._replace(state=TradingState.ACTIVE, number=self.number + 1, open_requests=())

    def ask(self) -> "PureLatch":
        """See `Latch.ask`."""
        number = self.requests + 1
        return self._replace(requests=number, open_requests=(*self.open_requests, number))

    def handled(self, request: int) -> "PureLatch":
        """See `Latch.handled`."""
        return self._replace(open_requests=tuple(one for one in self.open_requests if one != request))

    def next_epoch(self) -> "PureLatch":
        """See `Latch.next_epoch`."""
        return self._replace(epoch=self.epoch + 1)
