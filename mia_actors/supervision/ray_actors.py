"""How our actors are made: detached, named, on one node, never restarted by Ray."""

import re
from collections.abc import Callable
from typing import Any, cast

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

WORKER_EXIT = re.compile(
    r"Worker exit type: (?P<kind>\w+) Worker exit detail: (?P<detail>.*?)(?= Some common| There are|$)",
    re.DOTALL,
)


def unrestarted_actor(actor_class: type[Any], lanes: dict[str, int]) -> Any:
    """The Ray actor class of `actor_class`, with a number of threads for each lane.

    A lifeline to an actor that Ray restarts would report its death more than a second late, so Ray restarts
    none of ours. None claims a CPU.
    """
    return cast("Any", ray.remote)(num_cpus=0, max_restarts=0, max_task_retries=0, concurrency_groups=lanes)(
        actor_class
    )


def create_on_node(actor: Any, name: str, *, namespace: str, node_id: str, arguments: dict[str, Any]) -> Any:
    """Begins to create an actor and returns its handle. `name` must never have been used in the namespace."""
    return actor.options(
        name=name,
        namespace=namespace,
        lifetime="detached",
        scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node_id, soft=False),
    ).remote(**arguments)


def when_done(pending: Any, tell: Callable[[Any, BaseException | None], None]) -> None:
    """Calls `tell(result, error)` in a thread of Ray once `pending` is there; it must be quick."""

    def called(future: Any) -> None:
        error = future.exception()
        tell(None if error is not None else future.result(), error)

    pending.future().add_done_callback(called)


def cause_of(error: BaseException) -> str:
    """What Ray says of a death, without its list of guesses."""
    text = str(error)
    found = WORKER_EXIT.search(text)
    if found is not None:
        return f"process died ({found['kind']}: {found['detail'].strip()})"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
