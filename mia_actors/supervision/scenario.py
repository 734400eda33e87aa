"""A supervision scenario on the state machine, in virtual time: what the tree does, as a trace.

    python -m mia_actors.supervision.scenario FILE.scenario.json

prints one JSON object a line, as `tests/otp_reference/README.md` tells. The same scenario, run by the real
supervisor of Erlang/OTP, leaves the same trace.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mia_actors.core.errors import ConfigError
from mia_actors.supervision.events import (
    Call,
    CallOutcome,
    DeleteChildCall,
    ExitReason,
    RestartChildCall,
    StartChildCall,
    TerminateChildCall,
)
from mia_actors.supervision.nodes import ChildNode, Node, NodeState, SupervisorNode
from mia_actors.supervision.spec import AutoShutdown, ChildSpec, Restart, Strategy, SupervisorSpec
from mia_actors.supervision.virtual_world import VirtualWorld

NO_CLASS = "scenario:Process"
"""A child of a scenario is a name; there is no class behind it."""
SAID_OF = {NodeState.UP: "running", NodeState.RESTARTING: "restarting"}
CALLS: dict[str, type[TerminateChildCall | RestartChildCall | DeleteChildCall]] = {
    "terminate_child": TerminateChildCall,
    "restart_child": RestartChildCall,
    "delete_child": DeleteChildCall,
}
SAID_OF_OUTCOME = {CallOutcome.OK: "ok", CallOutcome.INVALID_SPEC: "error:start_failed"}
OK = "ok"
NOT_RUNNING = "error:not_running"


class Flags(BaseModel):
    """Of a supervisor; the defaults are OTP's."""

    model_config = ConfigDict(frozen=True)

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 1
    period: float = 5
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER


class Member(BaseModel):
    """A child or, with `children`, a supervisor."""

    model_config = ConfigDict(frozen=True)

    id: str
    restart: Restart = Restart.PERMANENT
    significant: bool = False
    shutdown: int | Literal["brutal_kill", "infinity"] = 5000
    """Milliseconds."""
    stubborn: bool = False
    start_failures: int = 0
    supervisor: Flags = Flags()
    children: "tuple[Member, ...] | None" = None

    def all(self) -> "Iterator[Member]":
        """This one and all below it."""
        yield self
        for child in self.children or ():
            yield from child.all()

    def spec(self) -> ChildSpec | SupervisorSpec:
        """What the machine is told of it."""
        if self.children is not None:
            return SupervisorSpec(
                id=self.id,
                restart=self.restart,
                significant=self.significant,
                auto_shutdown=self.supervisor.auto_shutdown,
                strategy=self.supervisor.strategy,
                intensity=self.supervisor.intensity,
                period_s=self.supervisor.period,
                children=tuple(child.spec() for child in self.children),
            )
        return ChildSpec(
            id=self.id,
            run=NO_CLASS,
            restart=self.restart,
            significant=self.significant,
            shutdown_s=self._shutdown_s,
            settings={"stubborn": self.stubborn},
        )

    @property
    def _shutdown_s(self) -> float | None:
        match self.shutdown:
            case "brutal_kill":
                return 0
            case "infinity":
                return None
            case milliseconds:
                return milliseconds / 1000


class Step(BaseModel):
    """One thing that is done to the tree; which fields it has depends on `step`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    step: Literal[
        "exit",
        "advance",
        "fail_next_starts",
        "stop_supervisor",
        "terminate_child",
        "restart_child",
        "delete_child",
        "start_child",
        "count_children",
    ]
    id: str = ""
    reason: Literal["normal", "shutdown", "crash", "kill"] = "crash"
    ms: int = 0
    times: int = 0
    supervisor: str = ""
    child: Member | None = None


class Scenario(BaseModel):
    """A tree and what befalls it."""

    model_config = ConfigDict(frozen=True)

    supervisor: Flags
    children: tuple[Member, ...]
    steps: tuple[Step, ...] = Field(default=())

    @property
    def root(self) -> Member:
        """The whole tree."""
        return Member(id="root", supervisor=self.supervisor, children=self.children)


class Rehearsal:
    """A scenario being played."""

    def __init__(self, scenario: Scenario) -> None:
        spec = scenario.root.spec()
        if not isinstance(spec, SupervisorSpec):
            raise ConfigError("the root of a scenario is a supervisor")
        self._world = VirtualWorld(spec)
        self._scenario = scenario
        self._prime(scenario.root)

    def trace(self) -> Iterator[dict[str, Any]]:
        """What happened, one item for the start and one for each step."""
        self._world.start()
        yield self._item({"step": "start"}, "error:shutdown" if self._world.outcome else OK)
        for step in self._scenario.steps:
            result = self._carry_out(step)
            self._world.settle()
            yield self._item(step.model_dump(mode="json", exclude_unset=True, exclude={"child"}), result)

    def _prime(self, member: Member) -> None:
        for one in member.all():
            self._world.fail_next[one.id] = one.start_failures

    def _carry_out(self, step: Step) -> Any:
        world = self._world
        match step.step:
            case "exit":
                return self._exit(step)
            case "advance":
                world.advance(step.ms / 1000)
            case "fail_next_starts":
                world.fail_next[step.id] = step.times
            case "stop_supervisor":
                if world.machine.root.state is not NodeState.UP:
                    return NOT_RUNNING
                world.stop()
            case "count_children":
                counts = world.machine.count_children(step.supervisor)
                return NOT_RUNNING if counts is None else asdict(counts)
            case "start_child":
                return self._start_child(step)
            case "terminate_child" | "restart_child" | "delete_child":
                call = CALLS[step.step]
                return self._ask(call(supervisor_id=step.supervisor, child_id=step.id))
            case _:
                assert_never(step.step)
        return OK

    def _exit(self, step: Step) -> str:
        world = self._world
        if step.id in world.living:
            world.exit(step.id, ExitReason.KILLED if step.reason == "kill" else ExitReason(step.reason))
            return OK
        node = world.machine.nodes.get(step.id)
        if not isinstance(node, SupervisorNode) or node.state is not NodeState.UP:
            return NOT_RUNNING
        if step.reason == "kill":
            raise ConfigError(f"{step.id}: a supervisor is no process here that could be killed")
        return OK  # a supervisor does not care for the message

    def _start_child(self, step: Step) -> str:
        if step.child is None:
            raise ConfigError("start_child without a child")
        if self._world.machine.count_children(step.supervisor) is None:
            return NOT_RUNNING
        self._prime(step.child)
        try:
            spec = step.child.spec()
        except ValidationError:
            return "error:start_failed"
        return self._ask(StartChildCall(supervisor_id=step.supervisor, spec=spec))

    def _ask(self, call: Call) -> str:
        outcome = self._world.ask(call).outcome
        return SAID_OF_OUTCOME.get(outcome, f"error:{outcome}")

    def _item(self, step: dict[str, Any], result: Any) -> dict[str, Any]:
        events = [
            {
                happened["event"]: happened["id"],
                **({"reason": happened["reason"]} if "reason" in happened else {}),
            }
            for happened in self._world.trace
        ]
        self._world.trace.clear()
        return {**step, "result": result, "events": events, "children": said_of(self._world.machine.root)}


def said_of(node: Node) -> str | list[list[Any]]:
    """A node's state in the words of a trace: a supervisor that is up is the list of its children."""
    if isinstance(node, ChildNode):
        return SAID_OF.get(node.state, "terminated")
    if node.state is NodeState.UP:
        return [
            [child.node_id, said_of(child)] for child in node.children if child.state is not NodeState.REMOVED
        ]
    if node.parent is None:
        return "down"
    return SAID_OF.get(node.state, "terminated")


def parse_scenario(text: str) -> Scenario:
    """A scenario from its JSON.

    Raises:
        ConfigError: it is not one.
    """
    try:
        return Scenario.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"not a scenario: {error}") from error


def trace_lines(scenario: Scenario) -> list[str]:
    """The trace, one line of JSON each."""
    return [json.dumps(item, sort_keys=True) for item in Rehearsal(scenario).trace()]


def main(arguments: list[str]) -> int:
    """Prints the trace of each file; 2 when one cannot be read."""
    if not arguments:
        sys.stderr.write("usage: python -m mia_actors.supervision.scenario FILE.scenario.json ...\n")
        return 2
    for name in arguments:
        try:
            scenario = parse_scenario(Path(name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ConfigError) as error:
            sys.stderr.write(f"{name}: {error}\n")
            return 2
        for line in trace_lines(scenario):
            sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
