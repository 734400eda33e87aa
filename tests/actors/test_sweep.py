"""Runs of a sweep as Ray tasks: the outcomes of plain calls, and nothing left running when one fails."""

from dataclasses import replace
from pathlib import Path

import pytest

from mia_actors.cli.config import load_config
from mia_actors.cli.run_settings import run_settings
from mia_actors.cli.sweep_options import with_settings
from mia_actors.core.errors import ConfigError
from mia_actors.exchange.tape import TapeSelection
from mia_actors.supervision.ray_runtime import RayRuntime
from mia_actors.sweep.run import RunPlan, carry_out
from mia_actors.sweep.tasks import carry_out_all

CONFIG = Path(__file__).parents[2] / "supervision.yaml"
TEN = 1_773_151_200 * 10**9
"""10:00 New York on 10 March 2026."""


def _plans() -> tuple[RunPlan, ...]:
    selection = TapeSelection(
        source="synthetic:19", from_ns=TEN, to_ns=TEN + 6 * 3600 * 10**9, history_days=3
    )
    config = load_config(CONFIG)
    return tuple(
        RunPlan(
            variant=number,
            fold=None,
            stretch=0,
            selection=selection,
            settings=run_settings(
                with_settings(config, {"ensemble.approve_above": above}, CONFIG), CONFIG.parent
            ),
        )
        for number, above in enumerate((0.5, 0.9, 0.6))
    )


def _never() -> bool:
    return False


def test_outcomes_come_in_order_and_are_those_of_plain_calls(ray_runtime: RayRuntime) -> None:
    told: list[int] = []
    found = carry_out_all(_plans(), told.append, _never)
    assert told == [1, 2, 3]
    alone = [carry_out(plan) for plan in _plans()]
    assert [replace(one, seconds=0.0) for one in found] == [replace(one, seconds=0.0) for one in alone]
    assert len({one.result.ledger.sha256 for one in found}) > 1


def test_what_a_run_raises_is_raised_here(ray_runtime: RayRuntime) -> None:
    broken = replace(_plans()[0], selection=replace(_plans()[0].selection, source="nowhere.parquet"))
    with pytest.raises(ConfigError, match=r"nowhere\.parquet"):
        carry_out_all((broken, *_plans()), lambda _: None, _never)


def test_an_interrupt_ends_the_waiting(ray_runtime: RayRuntime) -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        carry_out_all(_plans() * 20, done.append, lambda: len(done) >= 1)
    assert len(done) < 10
