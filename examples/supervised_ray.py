"""Supervised Ray actors without any trading: a counter is killed and is back before its caller notices."""
# ruff: noqa: D101, D102, D103, D106 - an example is short and prints

import tempfile
from pathlib import Path

from pydantic import BaseModel

from mia_actors.supervision.child import ChildContext
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.ray_runtime import RayRuntime
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.system import System


class Counter:
    class Settings(BaseModel):
        first: int = 0

    def __init__(self, settings: Settings, context: ChildContext) -> None:
        self._next, self._context = settings.first, context

    def start(self) -> None: ...
    def stop(self) -> None: ...

    def count(self) -> str:
        self._next += 1
        return f"{self._next} in life {self._context.incarnation}"


def main() -> None:
    counter_spec = ChildSpec(id="counter", run="supervised_ray:Counter", settings={"first": 41})
    tree = SupervisorSpec(id="example", intensity=3, period_s=10, children=(counter_spec,))
    with (
        tempfile.TemporaryDirectory() as folder,
        RayRuntime.start_local(Path(folder)),
        System.start(tree, PoolSpec(hosts=1), None, Path(folder, "session"), namespace="example") as system,
    ):
        system.wait_up(60.0)
        counter = system.ref("counter")
        print(counter.ask("count"))
        system.kill("counter")
        print(counter.ask("count"))


if __name__ == "__main__":
    main()
