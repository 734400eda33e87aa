"""One attempt to connect, with the reason when it fails."""

import asyncio
from collections.abc import Callable
from typing import Any

from mia_actors.broker.wire import WireIB, WireListener
from mia_actors.core.errors import BrokerDisconnected
from mia_actors.core.session import Connection

CLIENT_ID_IN_USE = 326
NOT_VALID = 321
READ_ONLY = "read-only"
"""TWS says so of whatever touches orders, also of their list, when its API is set to it."""


async def open_ib(
    listener: WireListener, connection: Connection, *, timeout_s: float, on_cut: Callable[[str], None]
) -> WireIB:
    """A connected `IB` whose start-up requests were all answered; `on_cut` hears when it breaks later.

    ib_insync waits for its whole timeout when a client id is in use, and only logs unanswered requests: here
    the gateway's code and the closed socket end the attempt at once, and an unanswered request fails it.

    Raises:
        BrokerDisconnected: with the reason; the object of the attempt was thrown away.
    """
    ib = WireIB(listener)
    refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def refuse(reason: str) -> None:
        if not refused.done():
            refused.set_result(reason)

    def hear_error(_request_id: int, code: int, text: str, _contract: Any) -> None:
        is_read_only = code == NOT_VALID and READ_ONLY in text.lower()
        if code == CLIENT_ID_IN_USE or (is_read_only and not connection.reads_only):
            refuse(f"code {code}: {text}")

    def hear_cut(reason: str = "the gateway closed the connection") -> None:
        refuse(reason)
        on_cut(reason)

    ib.errorEvent += hear_error  # before connecting, or the refusal is missed
    ib.client.apiError += hear_cut
    ib.disconnectedEvent += hear_cut
    connecting = asyncio.ensure_future(
        ib.connectAsync(
            connection.host,
            connection.port,
            connection.client_id,
            timeout=timeout_s,
            readonly=connection.reads_only,
        )
    )
    await asyncio.wait({connecting, refused}, return_when=asyncio.FIRST_COMPLETED)
    connecting.cancel()
    await asyncio.wait({connecting})
    reason = ""
    if connecting.cancelled() or connecting.exception() is not None:
        reason = refused.result() if refused.done() else repr(connecting.exception())
    elif left := ib.unanswered():
        reason = f"not answered: {', '.join(left)}"
    if reason:
        ib.client.disconnect()  # type: ignore[no-untyped-call]
        raise BrokerDisconnected(reason)
    return ib
