import asyncio
import threading
from collections.abc import Iterator

import pytest

from mia_actors.broker.loop_thread import LoopThread
from mia_actors.core.errors import BrokerDisconnected, InvariantViolated


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    found = LoopThread("test")
    yield found
    found.stop()


async def _answer() -> int:
    return 7


def test_a_question_is_answered_in_a_plain_loop_of_its_own_thread(thread: LoopThread) -> None:
    async def where() -> tuple[str, str]:
        return threading.current_thread().name, type(asyncio.get_running_loop()).__module__

    name, module = thread.call(where, 5.0)
    assert (name, module) == ("test", "asyncio.unix_events")
    assert thread.call(_answer, 5.0) == 7


def test_a_question_that_takes_too_long_is_given_up(thread: LoopThread) -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(BrokerDisconnected, match=r"no answer within 0\.01 s"):
        thread.call(forever, 0.01)


def test_an_error_of_the_question_is_the_caller_s(thread: LoopThread) -> None:
    async def fail() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        thread.call(fail, 5.0)


def test_stopping_releases_whoever_waits(thread: LoopThread) -> None:
    begun = threading.Event()
    errors: list[Exception] = []

    async def forever() -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    def ask() -> None:
        try:
            thread.call(forever, 30.0)
        except BrokerDisconnected as error:
            errors.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    assert begun.wait(5.0)
    thread.stop()
    asker.join(5.0)
    assert len(errors) == 1


def test_a_stopped_thread_answers_nothing(thread: LoopThread) -> None:
    thread.stop()
    with pytest.raises(BrokerDisconnected, match="closed"):
        thread.call(_answer, 1.0)
    thread.stop()


def test_the_thread_refuses_to_wait_for_itself(thread: LoopThread) -> None:
    async def ask_again() -> int:
        return thread.call(_answer, 1.0)

    with pytest.raises(InvariantViolated, match="wait for itself"):
        thread.call(ask_again, 5.0)
