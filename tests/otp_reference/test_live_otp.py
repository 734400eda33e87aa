"""Scenarios that nobody wrote: the state machine and the real OTP supervisor must leave the same trace."""

import importlib.util
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mia_actors.supervision.scenario import parse_scenario, trace_lines

BATCHES = int(os.environ.get("MIA_OTP_BATCHES", "3"))
"""Of so many scenarios each; the runs of a batch wait side by side."""
BATCH = 12
RUNS_MAX = 3
"""Two processes that die microseconds apart can be reported in swapped order: a difference must persist."""
LONG_S, SHORT_S, PAST_THE_SHORT_MS = 3600, 2, 3600


class Plan:
    """Draws one scenario; names are new, so that they are unique in the tree."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._count = 0
        self.members: dict[str, list[str]] = {}
        """The children of each supervisor."""
        self._focus: str | None = None
        """What the last step was about: the next one is often about it too."""
        self.period = draw(st.sampled_from([LONG_S, LONG_S, LONG_S, SHORT_S]))

    def scenario(self) -> dict[str, Any]:
        root = self.supervisor("root", depth=0)
        steps = [self.step() for _ in range(self._draw(st.integers(2, 12)))]
        return {"supervisor": root["supervisor"], "children": root["children"], "steps": steps}

    def supervisor(self, name: str, depth: int) -> dict[str, Any]:
        draw = self._draw
        self.members[name] = []
        strategy = draw(st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]))
        auto_shutdown = draw(st.sampled_from(["never", "never", "any_significant", "all_significant"]))
        count = draw(st.integers(0 if depth else 1, 4 - depth))
        children = [self.member(name, depth, auto_shutdown) for _ in range(count)]
        flags = {
            "strategy": strategy,
            "intensity": draw(st.integers(0, 4)),
            "period": self.period,
            "auto_shutdown": auto_shutdown,
        }
        return {"supervisor": flags, "children": children}

    def member(self, parent: str, depth: int, auto_shutdown: str, name: str = "") -> dict[str, Any]:
        draw = self._draw
        self._count += 1
        name = name or f"n{self._count}"
        self.members[parent].append(name)
        member: dict[str, Any] = {"id": name}
        restart = draw(st.sampled_from(["permanent", "permanent", "transient", "temporary"]))
        member["restart"] = restart
        if auto_shutdown != "never" and restart != "permanent":
            member["significant"] = draw(st.booleans())
        if draw(st.integers(0, 60)) == 60:
            member["start_failures"] = 1
        if depth < 2 and draw(st.integers(0, 4)) == 0:
            return {**member, **self.supervisor(name, depth + 1)}
        if draw(st.integers(0, 3)) == 0:
            return {**member, "stubborn": True, "shutdown": draw(st.sampled_from([50, "brutal_kill"]))}
        return {**member, "shutdown": draw(st.sampled_from([5000, "brutal_kill"]))}

    def step(self) -> dict[str, Any]:
        draw = self._draw
        everyone = [name for names in self.members.values() for name in names] or ["nobody"]
        name = draw(st.sampled_from([*everyone, "nobody"]))
        if self._focus is not None and draw(st.booleans()):
            name = self._focus
        self._focus = name
        holders = [holder for holder, names in self.members.items() if name in names]
        supervisor = holders[-1] if holders else draw(st.sampled_from(sorted(self.members)))
        kinds = ["exit"] * 5 + ["terminate_child"] * 2 + ["restart_child"] * 2
        kinds += ["delete_child", "start_child", "count_children", "fail_next_starts", "advance"]
        kind = draw(st.sampled_from([*kinds, *(["stop_supervisor"] if draw(st.integers(0, 9)) == 0 else [])]))
        if kind == "exit":
            reasons = ["crash", "crash", "normal", "shutdown"] + ([] if name in self.members else ["kill"])
            return {"step": kind, "id": name, "reason": draw(st.sampled_from(reasons))}
        if kind == "fail_next_starts":
            times = draw(st.integers(1, 3))
            return {"step": kind, "id": name, "times": times}
        simple: dict[str, dict[str, Any]] = {
            "advance": {"ms": PAST_THE_SHORT_MS if self.period == SHORT_S else 10},
            "stop_supervisor": {},
            "count_children": {"supervisor": supervisor},
        }
        if kind in simple:
            return {"step": kind, **simple[kind]}
        if kind == "start_child":
            again = name if holders and name not in self.members and draw(st.booleans()) else ""
            auto_shutdown = draw(st.sampled_from(["never", "never", "any_significant"]))
            child = self.member(supervisor, 2 if again else 1, auto_shutdown, again)
            return {"step": kind, "supervisor": supervisor, "child": child}
        return {"step": kind, "supervisor": supervisor, "id": name}


@st.composite
def scenarios(draw: st.DrawFn) -> dict[str, Any]:
    """Trees of up to three levels and up to twelve steps."""
    return Plan(draw).scenario()


def reference() -> Any:
    """The module beside this one; the folder is no package."""
    spec = importlib.util.spec_from_file_location("reference", Path(__file__).with_name("reference.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def difference(scenario: dict[str, Any]) -> str:
    """What OTP did otherwise, in each of several runs; empty when it did the same in one."""
    ours = [json.loads(line) for line in trace_lines(parse_scenario(json.dumps(scenario)))]
    theirs: list[dict[str, Any]] = []
    for _ in range(RUNS_MAX):
        theirs = reference().run(scenario)
        if theirs == ours:
            return ""
    lines = [json.dumps(scenario)]
    lines += [f"- {theirs[n]}\n+ {ours[n]}" for n in range(len(ours)) if theirs[n : n + 1] != ours[n : n + 1]]
    return "\n".join(lines)


@pytest.mark.skipif(shutil.which("escript") is None, reason="escript (Debian: erlang-base) is not installed")
@settings(
    max_examples=BATCHES,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)
@given(batch=st.lists(scenarios(), min_size=BATCH, max_size=BATCH))
def test_generated_scenarios_leave_the_trace_of_the_real_otp(batch: list[dict[str, Any]]) -> None:
    with ThreadPoolExecutor(BATCH) as pool:
        found = [said for said in pool.map(difference, batch) if said]
    assert not found, "\n\n".join(found)
