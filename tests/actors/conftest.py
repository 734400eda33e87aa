"""One Ray of our own for the whole run; every test has its own tree, namespace and directory in it."""

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mia_actors.core.clock import SystemClock
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.ray_runtime import RayRuntime
from mia_actors.supervision.spec import SupervisorSpec
from mia_actors.supervision.system import System

CHILDREN = Path(__file__).parent / "children"
CLOCK = SystemClock()
UP_WITHIN_S = 60.0
NUMBERS = itertools.count()
TreeOf = Callable[..., SupervisorSpec]
StartSystem = Callable[..., System]

sys.path.insert(0, str(CHILDREN))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs Ray."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("ray")


@pytest.fixture(scope="session")
def ray_runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayRuntime]:
    runtime = RayRuntime.start_local(tmp_path_factory.mktemp("ray"), cpus=2)
    yield runtime
    runtime.stop()


@pytest.fixture
def start_system(ray_runtime: RayRuntime, tmp_path: Path) -> Iterator[StartSystem]:
    """Starts trees; at the end stops them and makes sure that none of their processes is left."""
    systems: list[System] = []

    def start(
        tree: SupervisorSpec,
        *,
        hosts: int = 1,
        pool: PoolSpec | None = None,
        up: bool = True,
        session: Any = None,
        **options: Any,
    ) -> System:
        pool = pool or PoolSpec(hosts=hosts)
        system = System.start(tree, pool, session, tmp_path, namespace=f"test-{next(NUMBERS)}", **options)
        systems.append(system)
        if up:
            system.wait_up(UP_WITHIN_S)
        return system

    yield start
    for system in systems:
        system.stop(30.0)
        assert not [view for view in system.tree().processes if view.process.alive()]


@pytest.fixture(scope="session")
def tree_of() -> TreeOf:
    """A tree of diarists; a child is a name, or a dict."""

    def make(*children: Any, settings: dict[str, Any] | None = None, **flags: Any) -> SupervisorSpec:
        return SupervisorSpec.model_validate(
            {
                "id": "root",
                "intensity": 5,
                "period_s": 5,
                **flags,
                "children": [_child(one, settings) for one in children],
            }
        )

    return make


def _child(one: Any, settings: dict[str, Any] | None) -> dict[str, Any]:
    described: dict[str, Any] = {"id": one} if isinstance(one, str) else dict(one)
    if "children" in described:
        return {**described, "children": [_child(child, settings) for child in described["children"]]}
    own: dict[str, Any] = described.get("settings", {})
    return {"run": "supervised_children:Diarist", **described, "settings": {**(settings or {}), **own}}


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Waits until something is true, and not for ever."""

    def wait(condition: Callable[[], Any], within_s: float = 20.0) -> Any:
        deadline_s = CLOCK.monotonic_s() + within_s
        while not (found := condition()):
            if CLOCK.monotonic_s() > deadline_s:
                pytest.fail(f"not within {within_s} s")
            CLOCK.sleep_s(0.02)
        return found

    return wait
