"""What `mia bench throughput` makes of its figures."""

from typer.testing import CliRunner

from mia_actors.cli.app import app
from mia_actors.cli.bench_throughput import _figures, _ratios
from mia_actors.cli.bench_throughput_contenders import Figures


def test_rates_are_those_of_the_burst_in_the_middle() -> None:
    figures = Figures(place_ms=[5.0], cancel_ms=[4.0])
    for seconds in (0.1, 0.1, 7.0):
        figures.live.add(1000, seconds, 0.02)
        figures.backlog.add(1000, seconds / 2, 0.02)
    found = _figures(figures)
    assert (found["messages_per_s"], found["backlog_messages_per_s"]) == (10_000, 20_000)
    assert (found["cpu_us_per_message"], found["messages"], found["bursts"]) == (20.0, 6000, 3)
    assert (found["place_ms"]["p50"], found["orders"]) == (5.0, 1)


def test_the_ray_round_trip_is_taken_off_ours_alone() -> None:
    assert _ratios([5.0], [2.0], 0) == {"p50": 2.5, "p99": 2.5}
    assert _ratios([5.0], [2.0], 2.4) == {"p50": 1.3, "p99": 1.3}


def test_a_python_that_is_none_is_refused_before_anything_starts() -> None:
    answer = CliRunner().invoke(app, ["bench", "throughput", "--ib-async-python", "nowhere/python"])
    assert answer.exit_code == 2
    assert "nowhere/python" in answer.output
