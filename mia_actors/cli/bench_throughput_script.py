"""The rival of `mia bench throughput`: what one would write with `ib_async` or `ib_insync` alone.

A program of its own: `python bench_throughput_script.py LIBRARY PORT CLIENT_ID SYMBOL EXCHANGE LOCAL_SYMBOL`. It needs
nothing but the library, takes one JSON request per line on standard input and answers each with one line.
"""

import asyncio
import importlib
import json
import logging
import sys
import time
from typing import Any

HOST = "127.0.0.1"
FAR = 1000.0
"""Points below the market: no bar comes near."""
STOP_BELOW = 10.0
WORKING = frozenset({"Submitted", "PreSubmitted"})


class Script:
    """A connected client that counts bars and times orders."""

    def __init__(self, library: str, port: int, client_id: int) -> None:
        self._library: Any = importlib.import_module(library)
        logging.getLogger(library).setLevel(logging.CRITICAL)  # it would write a line for each order
        self._ib: Any = self._library.IB()
        self._port = port
        self._client_id = client_id
        self._contract: Any = None
        self._count = self._wanted = 0
        self._close = 0.0
        self._done = asyncio.Event()
        self._first_s = self._last_s = self._first_cpu_s = self._last_cpu_s = 0.0

    async def begin(self, symbol: str, exchange: str, local_symbol: str) -> dict[str, Any]:
        """Connects and subscribes."""
        await self._ib.connectAsync(HOST, self._port, self._client_id, timeout=30)
        self._contract = self._library.Future(symbol, exchange=exchange, localSymbol=local_symbol)
        await self._ib.qualifyContractsAsync(self._contract)
        bars = self._ib.reqRealTimeBars(self._contract, 5, "TRADES", False)
        bars.updateEvent += self._on_bar
        await self._ib.reqCurrentTimeAsync()
        return {"version": self._library.__version__}

    def expect(self, count: int) -> dict[str, Any]:
        """So many bars are about to come."""
        self._count, self._wanted = 0, count
        self._done.clear()
        return {}

    async def received(self) -> dict[str, float]:
        """Waits for the bars expected: seconds from the first to the last, and CPU seconds."""
        await asyncio.wait_for(self._done.wait(), 60)
        return {"seconds": self._last_s - self._first_s, "cpu_s": self._last_cpu_s - self._first_cpu_s}

    async def orders(self, count: int, pause_s: float) -> dict[str, list[float]]:
        """So many brackets far from the market, each placed and then cancelled, with a pause after each."""
        loop = asyncio.get_running_loop()
        found: dict[str, list[float]] = {"place_ms": [], "cancel_ms": []}
        for _ in range(count):
            began_s = loop.time()
            trades = self._place()
            await _until(trades, WORKING)
            placed_s = loop.time()
            await asyncio.sleep(pause_s)
            cancels_s = loop.time()
            self._ib.cancelOrder(trades[0].order)
            await _until(trades, frozenset({"Cancelled"}))
            found["place_ms"].append((placed_s - began_s) * 1000)
            found["cancel_ms"].append((loop.time() - cancels_s) * 1000)
            await asyncio.sleep(pause_s)
        return found

    def end(self) -> dict[str, Any]:
        """Disconnects."""
        self._ib.disconnect()
        return {}

    def _place(self) -> list[Any]:
        price = self._close - FAR
        entry = self._library.LimitOrder("BUY", 1, price, tif="GTC", transmit=False)
        entry.orderId = self._ib.client.getReqId()
        stop = self._library.StopOrder("SELL", 1, price - STOP_BELOW, tif="GTC", parentId=entry.orderId)
        return [self._ib.placeOrder(self._contract, order) for order in (entry, stop)]

    def _on_bar(self, bars: Any, _is_new: bool) -> None:  # noqa: FBT001 - the library's signature
        self._close = bars[-1].close
        self._count += 1
        if self._count == 1:
            self._first_s, self._first_cpu_s = time.perf_counter(), time.process_time()
        if self._count == self._wanted:
            self._last_s, self._last_cpu_s = time.perf_counter(), time.process_time()
            self._done.set()


async def _until(trades: list[Any], states: frozenset[str]) -> None:
    """Until the gateway has said so of each."""
    changed = asyncio.Event()
    for trade in trades:
        trade.statusEvent += lambda _: changed.set()
    while not all(trade.orderStatus.status in states for trade in trades):
        changed.clear()
        await asyncio.wait_for(changed.wait(), 10)


async def main() -> None:
    """Serves requests until standard input ends."""
    library, port, client_id, *contract = sys.argv[1:]
    script = Script(library, int(port), int(client_id))
    loop = asyncio.get_running_loop()
    answer: dict[str, Any] = await script.begin(*contract)
    while True:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            return
        request = json.loads(line)
        found = getattr(script, request.pop("do"))(**request)
        answer = await found if asyncio.iscoroutine(found) else found


if __name__ == "__main__":
    asyncio.run(main())
