"""What every family of requests of one connected client has and is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mia_actors.core.market import Bar
from mia_actors.exchange.gateway.dialect import Dialect
from mia_actors.exchange.gateway.framing import Field

Handler = Callable[[list[str]], None]
"""Takes a message's fields, its number first; raises `Refused` where TWS would answer with an error."""

CONTRACT_FIELDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A client that has its id."""

    client_id: int
    dialect: Dialect
    send: Callable[[Sequence[Field]], None]
    """Queues a frame."""


class RequestFamily:
    """Requests that belong together, and what one client subscribed with them."""

    def handlers(self) -> Mapping[int, Handler]:
        """By message number."""
        raise NotImplementedError

    def bar_shown(self, bar: Bar) -> None:
        """A 5-second bar passed; executions in it were told before."""

    def forget_streams(self) -> None:
        """Nothing of the market is streamed any more, and nobody is told."""

    def account_changed(self) -> None:
        """There was an execution."""


def ignored(_fields: list[str]) -> None:
    """A request that needs no answer here."""
