"""A world in virtual time around the tree's state machine: it starts, stops and buries children as told."""

import heapq
import itertools
from collections.abc import Callable
from typing import Any, assert_never

import pytest

from mia_actors.supervision.events import (
    CallHalt,
    ChildExited,
    ChildStarted,
    ChildStartFailed,
    Effect,
    Event,
    ExitReason,
    Fact,
    HaltHandled,
    KillChild,
    Report,
    SetTimer,
    StartChild,
    StartOverdue,
    StartTree,
    StopChild,
    StopOverdue,
    StopTree,
    TreeDown,
)
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.nodes import ChildNode, NodeState, SupervisorNode
from mia_actors.supervision.spec import SupervisorSpec

SAID = {
    Fact.SUPERVISOR_STARTING: "supervisor_start",
    Fact.CHILD_STARTED: "start",
    Fact.CHILD_START_FAILED: "start_failed",
    Fact.CHILD_EXITED: "down",
    Fact.SUPERVISOR_STOPPED: "down",
    Fact.SUPERVISOR_LEFT_DOWN: "left_down",
}


class World:
    """What the shell does with effects, without processes. It fails when a child would live twice."""

    def __init__(self, spec: SupervisorSpec, delay_s: Callable[[], float] = lambda: 0.0) -> None:
        self.machine = TreeMachine(spec)
        self.now_s = 0.0
        self.fail_next: dict[str, int] = {}
        self.stubborn: set[str] = set()
        self.hanging: set[str] = set()
        """Their starts never return."""
        self.answer_halt = True
        self.living: dict[str, int] = {}
        """Process of each child, whether it serves yet or not."""
        self.trace: list[dict[str, str]] = []
        self.effects: list[Effect] = []
        self.reports: list[Report] = []
        self.outcome: TreeDown | None = None
        self._delay_s = delay_s
        self._due: list[tuple[float, int, Event]] = []
        self._number = itertools.count()

    # --- what a test does ---

    def start(self) -> None:
        self.post(StartTree())
        self.settle()

    def stop(self) -> None:
        self.post(StopTree())
        self.settle()

    def exit(self, child_id: str, reason: ExitReason = ExitReason.CRASH) -> None:
        """The child's process ends by itself; nothing is settled yet."""
        incarnation = self.living.pop(child_id)
        self.post(ChildExited(child_id=child_id, incarnation=incarnation, reason=reason, cause="boom"))

    def crash(self, child_id: str) -> None:
        self.exit(child_id)
        self.settle()

    def advance(self, duration_s: float) -> None:
        until_s = self.now_s + duration_s
        while self._due and self._due[0][0] <= until_s:
            self.step()
        self.now_s = max(self.now_s, until_s)

    def said(self) -> list[str]:
        """The trace since the last call, one word and name each."""
        lines = [f"{item['event']} {item['id']}" for item in self.trace]
        self.trace.clear()
        return lines

    def state(self, node_id: str) -> NodeState:
        return self.machine.nodes[node_id].state

    def states(self) -> dict[str, str]:
        return {name: node.state.value for name, node in self.machine.nodes.items()}

    def ended(self) -> bool:
        return self.outcome is not None

    # --- how it runs ---

    def post(self, event: Event, after_s: float = 0.0) -> None:
        heapq.heappush(self._due, (self.now_s + after_s, next(self._number), event))

    def settle(self) -> None:
        """Until nothing is under way; timers that no longer matter do not move the clock."""
        for _ in range(100_000):
            if not self._due:
                return
            if self._is_stale(self._due[0][2]):
                heapq.heappop(self._due)
            else:
                self.step()
        pytest.fail("the tree never comes to rest")

    def step(self) -> None:
        due_s, _, event = heapq.heappop(self._due)
        self.now_s = max(self.now_s, due_s)
        for effect in self.machine.handle(event, self.now_s):
            self.effects.append(effect)
            self._apply(effect)

    def _is_stale(self, event: Event) -> bool:
        if not isinstance(event, StartOverdue | StopOverdue):
            return False
        node = self.machine.nodes[event.child_id]
        wanted = NodeState.STARTING if isinstance(event, StartOverdue) else NodeState.STOPPING
        return isinstance(node, ChildNode) and (
            node.incarnation != event.incarnation or node.state is not wanted
        )

    def _apply(self, effect: Effect) -> None:
        match effect:
            case StartChild():
                self._start_child(effect)
            case StopChild():
                if effect.child_id not in self.stubborn:
                    self._end(effect.child_id, effect.incarnation, ExitReason.SHUTDOWN)
            case KillChild():
                self._end(effect.child_id, effect.incarnation, ExitReason.KILLED)
            case SetTimer():
                self.post(effect.event, effect.after_s)
            case CallHalt():
                if self.answer_halt:
                    self.post(HaltHandled(supervisor_id=effect.supervisor_id), self._delay_s())
            case Report():
                self._note(effect)
            case TreeDown():
                assert not self.living, "the tree is said to be down while children run"
                self.outcome = effect
            case _:
                assert_never(effect)

    def _start_child(self, effect: StartChild) -> None:
        child_id, incarnation = effect.child_id, effect.incarnation
        assert child_id not in self.living, f"{child_id} would live twice"
        if self.fail_next.get(child_id, 0) > 0:
            self.fail_next[child_id] -= 1
            failed = ChildStartFailed(child_id=child_id, incarnation=incarnation, cause="no")
            self.post(failed, self._delay_s())
            return
        self.living[child_id] = incarnation
        if child_id not in self.hanging:
            self.post(ChildStarted(child_id=child_id, incarnation=incarnation), self._delay_s())

    def _end(self, child_id: str, incarnation: int, reason: ExitReason) -> None:
        if self.living.get(child_id) == incarnation:
            del self.living[child_id]
            self.post(
                ChildExited(child_id=child_id, incarnation=incarnation, reason=reason, cause=""),
                self._delay_s(),
            )

    def _note(self, report: Report) -> None:
        self.reports.append(report)
        word = SAID.get(report.fact)
        if word is None:
            return
        item = {"event": word, "id": report.node_id}
        if word == "down" and report.reason is not None:
            item["reason"] = report.reason.value
        self.trace.append(item)


def at_rest(node: SupervisorNode) -> bool:
    """Whether a supervisor that is up has nothing under way."""
    return node.purpose.value == "none" and all(
        child.state in {NodeState.UP, NodeState.DOWN, NodeState.REMOVED, NodeState.LEFT_DOWN}
        for child in node.children
    )


@pytest.fixture(scope="session")
def world_of() -> Callable[..., World]:
    """Makes a world of a tree given as plain data; a bare name is a permanent child."""

    def make(tree: dict[str, Any], **options: Any) -> World:
        return World(SupervisorSpec.model_validate(_completed(tree)), **options)

    return make


def _completed(node: Any) -> dict[str, Any]:
    if isinstance(node, str):
        node = {"id": node}
    if "children" in node:
        return {**node, "children": [_completed(child) for child in node["children"]]}
    return {"run": "somewhere:Something", **node}


@pytest.fixture(scope="session")
def is_at_rest() -> Callable[[SupervisorNode], bool]:
    """See `at_rest`."""
    return at_rest
