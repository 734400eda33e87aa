"""What one client subscribed, by its own request numbers. Pure."""

from collections.abc import ItemsView
from typing import Generic, TypeVar

from mia_actors.exchange.gateway.refusals import Refused

Stream = TypeVar("Stream")


class Subscriptions(Generic[Stream]):
    """One kind of stream."""

    def __init__(self, *, unknown_code: int, unknown_text: str) -> None:
        """Code and text answer a cancel of what is not subscribed; `{}` in the text is the request's number."""
        self._streams: dict[int, Stream] = {}
        self._unknown_code, self._unknown_text = unknown_code, unknown_text

    def need_new(self, request_id: int) -> None:
        """Lets a number pass that is not in use.

        Raises:
            Refused: it is.
        """
        if request_id in self._streams:
            raise Refused(
                request_id, 322, f"Error processing request.-'bO' : cause - Duplicate ticker id {request_id}"
            )

    def add(self, request_id: int, stream: Stream) -> None:
        """Under a new number."""
        self._streams[request_id] = stream

    def cancel(self, request_id: int) -> None:
        """Ends one.

        Raises:
            Refused: there is none.
        """
        if self._streams.pop(request_id, None) is None:
            raise Refused(request_id, self._unknown_code, self._unknown_text.format(request_id))

    def clear(self) -> None:
        """Ends all without a word."""
        self._streams.clear()

    def items(self) -> ItemsView[int, Stream]:
        """Request numbers and streams, oldest first."""
        return self._streams.items()

    def __len__(self) -> int:
        return len(self._streams)
