"""Runs as Ray tasks: as many at once as there are cores, none left when the caller goes."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import ray
from ray.exceptions import RayError, RayTaskError

from mia_actors.core.errors import MiaError, PermanentError
from mia_actors.sweep.run import RunOutcome, RunPlan, carry_out

LOOK_EVERY_S = 0.2


def carry_out_all(
    plans: Sequence[RunPlan], on_done: Callable[[int], None], is_interrupted: Callable[[], bool]
) -> tuple[RunOutcome, ...]:
    """Outcomes in the order of `plans`, in the Ray that this process is connected to.

    `on_done` is told after each how many are done. When a run fails, or the whole is interrupted, the others are
    cancelled.

    Raises:
        MiaError: what a run raised; `PermanentError` where its process died.
        KeyboardInterrupt: it was interrupted.
    """
    task: Any = cast("Any", ray.remote)(carry_out).options(num_cpus=1, max_retries=0)
    pending: dict[Any, int] = {task.remote(plan): place for place, plan in enumerate(plans)}
    found: dict[int, RunOutcome] = {}
    try:
        while pending:
            if is_interrupted():
                raise KeyboardInterrupt
            for ready in ray.wait(list(pending), num_returns=1, timeout=LOOK_EVERY_S)[0]:
                found[pending[ready]] = _outcome(ready)
                del pending[ready]
                on_done(len(found))
    finally:
        for left in pending:
            ray.cancel(left)
    return tuple(found[place] for place in range(len(plans)))


def _outcome(ready: Any) -> RunOutcome:
    try:
        outcome: RunOutcome = ray.get(ready)
    except RayTaskError as error:
        if isinstance(error.cause, MiaError):
            raise error.cause from None
        raise PermanentError(f"a run failed: {error.cause}") from error
    except RayError as error:
        raise PermanentError(f"the process of a run died: {error}") from error
    return outcome
