from typing import Any, cast

import pytest

from mia_actors.broker.desk_client import BrokerDeskClient
from mia_actors.core.errors import BrokerDisconnected, OrderRejected, TargetUnavailable
from mia_actors.supervision.ref import Ref


class FakeRef:
    """Answers or raises what it was given, and keeps what was asked."""

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome
        self.asked: list[tuple[str, tuple[object, ...]]] = []

    def ask(self, method: str, *args: object, timeout_s: float) -> Any:
        assert timeout_s > 0
        self.asked.append((method, args))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def _client(outcome: object) -> tuple[BrokerDeskClient, FakeRef]:
    ref = FakeRef(outcome)
    return BrokerDeskClient(cast("Ref", ref)), ref


def test_each_call_reaches_the_broker_with_what_it_was_given() -> None:
    client, ref = _client(())
    client.place([], None)
    client.cancel(["a"])
    client.snapshot()
    assert ref.asked == [
        ("place", ((), None)),
        ("cancel", (("a",),)),
        ("snapshot", ()),
    ]


def test_a_broker_that_died_over_a_group_is_a_question_and_not_an_answer() -> None:
    client, _ = _client(TargetUnavailable("died"))
    with pytest.raises(BrokerDisconnected, match="place: died"):
        client.place([], None)


def test_the_broker_s_own_refusal_passes() -> None:
    client, _ = _client(OrderRejected("margin"))
    with pytest.raises(OrderRejected, match="margin"):
        client.place([], None)
