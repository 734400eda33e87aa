"""What a ref decides before anything is sent."""

from typing import Any

import pytest

from mia_actors.core.clock import VirtualClock
from mia_actors.core.errors import ConfigError, TargetUnavailable
from mia_actors.supervision.messages import Resolution, Whereabouts
from mia_actors.supervision.ref import Ref


class FakeRouter:
    """Answers as told; time passes while it is asked to wait."""

    def __init__(self, clock: VirtualClock, *answers: Resolution) -> None:
        self._clock = clock
        self._answers = list(answers)
        self.asked: list[tuple[str, int, float]] = []
        self.early: list[bool] = []

    def resolve(self, child_id: str, newer_than: int, timeout_s: float, *, early: bool) -> Resolution:
        self.early.append(early)
        self.asked.append((child_id, newer_than, timeout_s))
        self._clock.sleep_s(min(timeout_s, 2.0))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def ref_of(*answers: Resolution) -> tuple[Ref, FakeRouter]:
    clock = VirtualClock()
    router = FakeRouter(clock, *answers)
    return Ref("a", router=router, clock=clock), router


def test_a_child_that_never_comes_up_is_waited_for_until_the_limit() -> None:
    ref, router = ref_of(Resolution(whereabouts=Whereabouts.COMING))
    with pytest.raises(TargetUnavailable, match="a was not up within 5 s"):
        ref.ask("anything", timeout_s=5)
    assert [wait_s for _, _, wait_s in router.asked] == [0.0, 5.0, 3.0, 1.0]


def test_a_child_that_is_down_for_good_is_not_waited_for() -> None:
    ref, router = ref_of(Resolution(whereabouts=Whereabouts.GONE))
    with pytest.raises(TargetUnavailable, match="nothing will start it"):
        ref.ask("anything")
    assert len(router.asked) == 1


def test_a_name_that_is_not_in_the_tree_is_a_mistake() -> None:
    ref, _ = ref_of(Resolution(whereabouts=Whereabouts.UNKNOWN))
    with pytest.raises(ConfigError, match="no child 'a'"):
        ref.ask("anything")


def test_a_known_host_is_used_without_asking_and_a_newer_one_when_it_is_needed() -> None:
    hosts: list[Any] = [object(), object()]
    first, second = (
        Resolution(whereabouts=Whereabouts.UP, incarnation=number, host=host)
        for number, host in enumerate(hosts, 1)
    )
    ref, router = ref_of(first, second)
    assert ref.find(newer_than=0, fresh=False, wait_s=0).host is hosts[0]  # type: ignore[union-attr]
    assert ref.find(newer_than=0, fresh=False, wait_s=0).host is hosts[0]  # type: ignore[union-attr]
    assert len(router.asked) == 1
    assert ref.find(newer_than=1, fresh=False, wait_s=0).host is hosts[1]  # type: ignore[union-attr]
    ref.find(newer_than=1, fresh=True, wait_s=0)
    assert [newer_than for _, newer_than, _ in router.asked] == [0, 1, 1]


def test_a_host_that_still_starts_is_asked_too_but_not_for_what_may_be_done_once_only() -> None:
    host: Any = object()
    ref, router = ref_of(Resolution(whereabouts=Whereabouts.STARTING, incarnation=1, host=host))
    assert ref.find(newer_than=0, fresh=False, wait_s=0).host is host  # type: ignore[union-attr]
    ref.find(newer_than=0, fresh=True, wait_s=0)
    assert router.early == [True, False]
