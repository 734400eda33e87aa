"""What `mia bench throughput` makes of its figures."""

import pytest
from typer.testing import CliRunner

from mia_actors.cli.app import app
from mia_actors.cli.bench_throughput import _figures, _ratios
from mia_actors.cli.bench_throughput_contenders import Figures
from mia_actors.cli.summary import percentiles

HEARD = Figures(
    messages=1000,
    live_s=0.1,
    live_cpu_s=0.02,
    backlog_s=0.05,
    backlog_cpu_s=0.02,
    place_ms=[5.0],
    cancel_ms=[4.0],
)


def test_rates_are_messages_by_time_and_costs_time_by_message() -> None:
    found = _figures(HEARD)
    assert (found["messages_per_s"], found["backlog_messages_per_s"]) == (10_000, 20_000)
    assert found["cpu_us_per_message"] == pytest.approx(20.0)
    assert (found["place_ms"]["p50"], found["orders"]) == (5.0, 1)


def test_the_ray_round_trip_is_taken_off_ours_alone() -> None:
    assert _ratios([5.0], [2.0], None) == {"p50": 2.5, "p99": 2.5}
    assert _ratios([5.0], [2.0], percentiles([2.4])) == {"p50": 1.3, "p99": 1.3}


def test_a_python_that_is_none_is_refused_before_anything_starts() -> None:
    answer = CliRunner().invoke(app, ["bench", "throughput", "--ib-async-python", "nowhere/python"])
    assert answer.exit_code == 2
    assert "nowhere/python" in answer.output
