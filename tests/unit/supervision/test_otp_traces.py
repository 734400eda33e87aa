"""The same scenario must leave the trace that the supervisor of Erlang/OTP left when it ran it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mia_actors.supervision.events import ExitReason
from mia_actors.supervision.nodes import ChildNode, Node, NodeState

SHARED = Path(os.environ.get("MIA_SHARED", Path(__file__).parents[4] / "shared"))
SCENARIOS = SHARED / "otp_reference" / "scenarios"
STEPS_UNDERSTOOD = {"exit", "advance", "fail_next_starts", "stop_supervisor"}
REASONS = {"kill": ExitReason.KILLED}
STATES = {NodeState.UP: "running", NodeState.RESTARTING: "restarting"}


def scenarios() -> list[str]:
    """Those that need neither the administration calls nor significant children."""
    found = []
    for path in sorted(SCENARIOS.glob("*.scenario.json")):
        text = path.read_text()
        steps = {step["step"] for step in json.loads(text)["steps"]}
        if steps <= STEPS_UNDERSTOOD and "significant" not in text:
            found.append(path.name.removesuffix(".scenario.json"))
    return found


def tree_of(node: dict[str, Any]) -> dict[str, Any]:
    restart = node.get("restart", "permanent")
    if "children" in node:
        flags = node["supervisor"]
        return {
            "id": node.get("id", "root"),
            "restart": restart,
            "strategy": flags.get("strategy", "one_for_one"),
            "intensity": flags.get("intensity", 1),
            "period_s": flags.get("period", 5),
            "children": [tree_of(child) for child in node["children"]],
        }
    shutdown = node.get("shutdown", 5000)
    return {
        "id": node["id"],
        "restart": restart,
        "shutdown_s": 0 if shutdown == "brutal_kill" else shutdown / 1000,
    }


def flattened(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for node in nodes for found in (node, *flattened(node.get("children", [])))]


def state_of(node: Node) -> Any:
    if isinstance(node, ChildNode):
        return STATES.get(node.state, "terminated")
    if node.state is not NodeState.UP:
        return "down" if node.parent is None else "terminated"
    shown = [child for child in node.children if child.state is not NodeState.REMOVED]
    return [[child.node_id, state_of(child)] for child in shown]


def events_of(world: Any) -> list[dict[str, str]]:
    found = [
        {item["event"]: item["id"], **({"reason": item["reason"]} if "reason" in item else {})}
        for item in world.trace
    ]
    world.trace.clear()
    return found


def carry_out(world: Any, step: dict[str, Any]) -> str:
    match step["step"]:
        case "exit":
            if step["id"] not in world.living:
                return "error:not_running"
            world.exit(step["id"], REASONS.get(step["reason"]) or ExitReason(step["reason"]))
        case "advance":
            world.advance(step["ms"] / 1000)
        case "fail_next_starts":
            world.fail_next[step["id"]] = step["times"]
        case "stop_supervisor":
            if world.machine.root.state is NodeState.DOWN:
                return "error:not_running"
            world.stop()
    world.settle()
    return "ok"


@pytest.mark.skipif(not SCENARIOS.is_dir(), reason="recorded OTP traces are not on this machine (MIA_SHARED)")
def test_the_trace_equals_that_of_otp(world_of: Callable[..., Any], subtests: pytest.Subtests) -> None:
    names = scenarios()
    assert len(names) >= 10
    for name in names:
        scenario = json.loads((SCENARIOS / f"{name}.scenario.json").read_text())
        recorded = [json.loads(line) for line in (SCENARIOS / f"{name}.trace.jsonl").read_text().splitlines()]
        world = world_of(tree_of(scenario))
        everyone = flattened(scenario["children"])
        world.stubborn = {node["id"] for node in everyone if node.get("stubborn")}
        world.fail_next = {
            node["id"]: node["start_failures"] for node in everyone if "start_failures" in node
        }
        for number, expected in enumerate(recorded):
            with subtests.test(scenario=name, step=number):
                if number == 0:
                    world.start()
                    result = "error:shutdown" if world.outcome else "ok"
                else:
                    result = carry_out(world, scenario["steps"][number - 1])
                ours = {
                    "result": result,
                    "events": events_of(world),
                    "children": state_of(world.machine.root),
                }
                assert ours == {key: expected[key] for key in ours}
