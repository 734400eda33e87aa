"""A tree's state machine in virtual time, with children that do as they are told: no processes, no Ray."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from mia_actors.core.errors import InvariantViolated
from mia_actors.supervision.events import (
    ArmOverdue,
    Call,
    CallAnswered,
    CallHalt,
    ChildDeclined,
    ChildExited,
    ChildStarted,
    ChildStartFailed,
    Effect,
    Event,
    ExitReason,
    Fact,
    HaltHandled,
    KeepInput,
    KillChild,
    ReloadCall,
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
from mia_actors.supervision.nodes import ChildNode, NodeState
from mia_actors.supervision.spec import SupervisorSpec
from mia_actors.supervision.tree_state import TreeState

EVENTS_UNTIL_REST_MAX = 100_000
NOBODY_ASKS = -1
SAID = {
    Fact.SUPERVISOR_STARTING: "supervisor_start",
    Fact.CHILD_STARTED: "start",
    Fact.CHILD_START_FAILED: "start_failed",
    Fact.CHILD_EXITED: "down",
    Fact.SUPERVISOR_STOPPED: "down",
    Fact.SUPERVISOR_LEFT_DOWN: "left_down",
}


class VirtualWorld:
    """What the shell does with effects, without processes; time passes only when told.

    Raises:
        InvariantViolated: a child would live twice or although it is held, the tree is said to be down while
            children run, or it never comes to rest.
    """

    def __init__(self, spec: SupervisorSpec, delay_s: Callable[[], float] = lambda: 0.0) -> None:
        self.machine = TreeMachine(spec, may_start=self._may_start)
        self.now_s = 0.0
        self.fail_next: dict[str, int] = {}
        self.stubborn: set[str] = set()
        """They ignore the request to stop, as those do whose settings say `stubborn`."""
        self.hanging: set[str] = set()
        """Their starts never return."""
        self.declining: set[str] = set()
        """Their starts say that there is nothing to do."""
        self.answer_halt = True
        self.living: dict[str, int] = {}
        """Process of each child, whether it serves yet or not."""
        self.trace: list[dict[str, str]] = []
        self.effects: list[Effect] = []
        self.reports: list[Report] = []
        self.answers: dict[int, CallAnswered] = {}
        """What calls were answered, by their numbers."""
        self.outcome: TreeDown | None = None
        self._spec = spec
        self._dying: dict[str, int] = {}
        """Processes that a takeover ends, until that is confirmed."""
        self._delay_s = delay_s
        self._due: list[tuple[float, int, Event]] = []
        self._number = itertools.count()

    # --- what is done to it ---

    def start(self) -> None:
        """Starts the tree, until nothing is under way."""
        self.post(StartTree())
        self.settle()

    def stop(self) -> None:
        """Stops the tree, until nothing is under way."""
        self.post(StopTree())
        self.settle()

    def exit(self, child_id: str, reason: ExitReason = ExitReason.CRASH) -> None:
        """The child's process ends by itself; nothing is settled yet."""
        incarnation = self.living.pop(child_id)
        self.post(ChildExited(child_id=child_id, incarnation=incarnation, reason=reason, cause="boom"))

    def crash(self, child_id: str) -> None:
        """The child crashes, and all that follows from it happens."""
        self.exit(child_id)
        self.settle()

    def ask(self, call: Call | ReloadCall) -> CallAnswered:
        """Makes a call on the tree, until nothing is under way.

        Raises:
            InvariantViolated: it was not answered.
        """
        call_id = next(self._number)
        self.post(replace(call, call_id=call_id))
        self.settle()
        answer = self.answers.get(call_id)
        if answer is None:
            raise InvariantViolated(f"{call} was not answered")
        return answer

    def take_over(self) -> None:
        """The supervisor dies; another one goes on from what was written, with those children that serve."""
        before = self.machine
        state = TreeState.model_validate_json(before.state(epoch=1).model_dump_json())
        self.machine = TreeMachine.resumed(self._spec, state)
        self._due.clear()
        for name, incarnation in tuple(self.living.items()):
            if not (self._is_up(self.machine, name, incarnation) and self._is_up(before, name, incarnation)):
                self._dying[name] = self.living.pop(name)
        for name, incarnation in self._dying.items():
            self._lost(name, incarnation, self._delay_s())
        for node in self.machine.nodes.values():
            if (
                isinstance(node, ChildNode)
                and node.state is NodeState.UP
                and self.living.get(node.node_id) is None
                and self._dying.get(node.node_id) != node.incarnation
            ):
                self._lost(node.node_id, node.incarnation, 0.0)
        for timer in self.machine.timers(self.now_s):
            self.post(timer.event, timer.after_s)
        if state.reload is not None:
            self.post(ReloadCall(call_id=NOBODY_ASKS, tree=state.reload))
        if state.stopping:
            self.post(StopTree())

    def advance(self, duration_s: float) -> None:
        """Time passes."""
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
        """Where a child or supervisor stands."""
        return self.machine.nodes[node_id].state

    def states(self) -> dict[str, str]:
        """The same of all, by name."""
        return {name: node.state.value for name, node in self.machine.nodes.items()}

    def ended(self) -> bool:
        """Whether the tree is down."""
        return self.outcome is not None

    # --- how it runs ---

    def post(self, event: Event, after_s: float = 0.0) -> None:
        """The machine will be given the event, after those posted before it for that time."""
        heapq.heappush(self._due, (self.now_s + after_s, next(self._number), event))

    def settle(self) -> None:
        """Until nothing is under way; timers that no longer matter do not move the clock.

        A child that is up and not armed yet is at rest.
        """
        arming: list[tuple[float, int, Event]] = []
        for _ in range(EVENTS_UNTIL_REST_MAX):
            if not self._due:
                self._due = arming
                return
            if isinstance(self._due[0][2], ArmOverdue):
                heapq.heappush(arming, heapq.heappop(self._due))
            elif self._is_stale(self._due[0][2]):
                heapq.heappop(self._due)
            else:
                self.step()
        raise InvariantViolated("the tree never comes to rest")

    def step(self) -> None:
        """One event: the next that is due."""
        due_s, _, event = heapq.heappop(self._due)
        self.now_s = max(self.now_s, due_s)
        if isinstance(event, ChildExited) and self._dying.get(event.child_id) == event.incarnation:
            del self._dying[event.child_id]
        for effect in self.machine.handle(event, self.now_s):
            self.effects.append(effect)
            self._apply(effect)

    def _is_stale(self, event: Event) -> bool:
        if not isinstance(event, StartOverdue | StopOverdue):
            return False
        node = self.machine.nodes.get(event.child_id)
        wanted = NodeState.STARTING if isinstance(event, StartOverdue) else NodeState.STOPPING
        alive = isinstance(node, ChildNode) and node.incarnation == event.incarnation
        return node is None or not alive or node.state is not wanted

    def _apply(self, effect: Effect) -> None:  # noqa: C901 - one case for each kind of effect
        match effect:
            case StartChild():
                self._start_child(effect)
            case StopChild():
                if not self._is_stubborn(effect.child_id):
                    self._end(effect.child_id, effect.incarnation, ExitReason.SHUTDOWN)
            case KillChild():
                self._end(effect.child_id, effect.incarnation, ExitReason.KILLED)
            case SetTimer():
                self.post(effect.event, effect.after_s)
            case CallHalt():
                if self.answer_halt:
                    self.post(HaltHandled(supervisor_id=effect.supervisor_id), self._delay_s())
            case KeepInput():
                pass
            case CallAnswered():
                self._keep_answer(effect)
            case Report():
                self._note(effect)
            case TreeDown():
                self._down(effect)
            case _:
                assert_never(effect)

    def _is_stubborn(self, child_id: str) -> bool:
        node = self.machine.nodes.get(child_id)
        said_so = isinstance(node, ChildNode) and node.spec.settings.get("stubborn", False)
        return child_id in self.stubborn or bool(said_so)

    def _keep_answer(self, answer: CallAnswered) -> None:
        if answer.call_id == NOBODY_ASKS:
            return
        if answer.call_id in self.answers:
            raise InvariantViolated(f"call {answer.call_id} is answered twice")
        self.answers[answer.call_id] = answer

    def _down(self, effect: TreeDown) -> None:
        if self.living:
            raise InvariantViolated("the tree is said to be down while children run")
        self.outcome = effect

    def _may_start(self, supervisor_id: str) -> bool:
        failures = self.fail_next.get(supervisor_id, 0)
        self.fail_next[supervisor_id] = max(0, failures - 1)
        return failures == 0

    def _start_child(self, effect: StartChild) -> None:
        child_id, incarnation = effect.child_id, effect.incarnation
        if child_id in self.living or child_id in self._dying:
            raise InvariantViolated(f"{child_id} would live twice")
        if self.machine.nodes[child_id].state is NodeState.HELD:
            raise InvariantViolated(f"{child_id} would live although it is held")
        if child_id in self.declining:
            declined = ChildDeclined(child_id=child_id, incarnation=incarnation, cause="nothing to do")
            self.post(declined, self._delay_s())
            return
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

    @staticmethod
    def _is_up(machine: TreeMachine, child_id: str, incarnation: int) -> bool:
        node = machine.nodes.get(child_id)
        return isinstance(node, ChildNode) and node.state is NodeState.UP and node.incarnation == incarnation

    def _lost(self, child_id: str, incarnation: int, after_s: float) -> None:
        lost = ChildExited(child_id=child_id, incarnation=incarnation, reason=ExitReason.KILLED, cause="lost")
        self.post(lost, after_s)

    def _note(self, report: Report) -> None:
        self.reports.append(report)
        word = SAID.get(report.fact)
        if word is None:
            return
        item = {"event": word, "id": report.node_id}
        if word == "down" and report.reason is not None:
            item["reason"] = report.reason.value
        self.trace.append(item)
