"""What a user of the gateway may do, and what TWS answers where he may not. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from mia_actors.exchange.gateway.refusals import Refused

READ_ONLY_TEXT = "Error validating request.-'bD' : cause - The API interface is currently in Read-Only mode."
WITH_ORDER_ID = {3: 1, 4: 2}
"""Where orders and cancels carry the order's number."""
ORDER_MESSAGES = {*WITH_ORDER_ID, 5, 15, 16, 58, 99}
"""Order requests and order lists: what the setting "Read-Only API" of TWS refuses. Executions are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTerms:
    """Settings of the user's account and of the gateway."""

    is_read_only: bool = False
    """No orders, no order lists: error 321."""
    has_market_data: bool = True
    """Without: 354 for live data, 162 for history; delayed quotes are had."""
    is_paced: bool = False
    """Whether TWS's limits to the pace of requests hold, on the machine's clock."""

    def admit(self, number: int, fields: Sequence[str]) -> None:
        """Lets a message pass that the setting "Read-Only API" allows.

        Raises:
            Refused: it is about orders.
        """
        if self.is_read_only and number in ORDER_MESSAGES:
            place = WITH_ORDER_ID.get(number)
            raise Refused(-1 if place is None else int(fields[place]), 321, READ_ONLY_TEXT)

    def need_market_data(self, request_id: int) -> None:
        """For live streams.

        Raises:
            Refused: there is no subscription.
        """
        if not self.has_market_data:
            raise Refused(request_id, 354, "Requested market data is not subscribed.")

    def need_history(self, request_id: int, exchange: str) -> None:
        """For bars and ticks of the past.

        Raises:
            Refused: there is no permission.
        """
        if not self.has_market_data:
            text = (
                f"Historical Market Data Service error message:No market data permissions for {exchange} FUT"
            )
            raise Refused(request_id, 162, text)
