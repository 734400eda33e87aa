"""An asyncio loop of its own in a thread of its own, asked from other threads with limits."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Protocol, TypeVar

from mia_actors.core.errors import BrokerDisconnected, InvariantViolated

Answer = TypeVar("Answer")
STOP_WITHIN_S = 5.0
CLOSING_ROUNDS = 3
TICK_S = 0.5


class Watched(Protocol):
    """Whoever notices a loop that does not get on."""

    def loop(self, name: str) -> AbstractContextManager[None]:
        """Watches this thread's loop for as long as the block runs."""
        ...

    def progress(self) -> None:
        """This thread's loop has got on."""
        ...


class LoopThread:
    """One plain asyncio loop (never uvloop, whose rules ib_insync breaks), set as its thread's loop."""

    def __init__(self, name: str, watched: Watched | None = None) -> None:
        """Reports to `watched` that the loop turns, as long as it does."""
        self._name = name
        self._watched = watched
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, make: Callable[[], Awaitable[Answer]], timeout_s: float) -> Answer:
        """Runs the coroutine `make` returns in the loop and waits for its end.

        Raises:
            BrokerDisconnected: it took longer than `timeout_s`, or the loop has stopped.
            InvariantViolated: asked from the loop's own thread, which would wait for itself.
        """
        if threading.current_thread() is self._thread:
            raise InvariantViolated("the session's thread must not wait for itself")

        async def run() -> Answer:
            return await make()

        coroutine = run()
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError as error:
            coroutine.close()
            raise BrokerDisconnected("the session is closed") from error
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            if future.done():  # the coroutine's own
                raise
            future.cancel()
            raise BrokerDisconnected(f"no answer within {timeout_s:g} s") from error
        except (concurrent.futures.CancelledError, asyncio.CancelledError) as error:
            raise BrokerDisconnected("the session was closed meanwhile") from error

    def soon(self, action: Callable[[], None]) -> None:
        """Runs `action` in the loop's thread; nothing happens when the loop has stopped."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(action)

    def stop(self) -> None:
        """Ends the loop; whoever waits in `call` is told. Harmless when repeated."""
        self.soon(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(STOP_WITHIN_S)

    def _tick(self) -> None:
        if self._watched is not None:
            self._watched.progress()
            self._loop.call_later(TICK_S, self._tick)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            with self._watched.loop(self._name) if self._watched is not None else nullcontext():
                self._tick()
                self._loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            for _ in range(CLOSING_ROUNDS):  # a transport frees its socket in a later round
                self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()
