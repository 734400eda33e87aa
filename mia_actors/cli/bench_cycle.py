"""`mia bench cycle`: latency of cycles that send orders, beside the floor that Ray itself sets in the same run."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import ray
import typer

from mia_actors.cli.app import (
    DEFAULT_CONFIG,
    ConfigOption,
    ExitCode,
    JsonOption,
    guarded,
    messages,
    print_json,
)
from mia_actors.cli.bench_command import bench_app, machine, ratio, tell
from mia_actors.cli.config import SystemConfig, load_config
from mia_actors.cli.live import LiveView
from mia_actors.cli.session_run import RunRequest, SessionRun
from mia_actors.cli.state import open_state
from mia_actors.cli.summary import Percentiles, percentiles
from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.ids import RandomIds
from mia_actors.core.session import BrokerMode
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.system import System
from mia_actors.telemetry import conventions
from mia_actors.telemetry.logs import configure_logging
from mia_actors.telemetry.trace_store import StoredSpan, TraceReader

HOPS = ("broker: next bar", "features", "ensemble", "execution", "guardian: permit", "broker: place")
COMPUTATION = (
    conventions.SPAN_PROPOSE,
    conventions.SPAN_CONCLUDE,
    conventions.SPAN_JOURNAL,
)
ROUND_TRIPS = 1000
ROUND_TRIPS_WARM_UP = 100
PACED_ROUND_TRIPS = 100
PACE_S = 0.015
"""About what lies between two calls of the same actor in a lockstep session: by then caches are cold."""
BUSY_CYCLE = {
    "strategies_agree_min": 1,
    "confluence_coverage_min": 0.0,
    "confluence_min": 0.5,
    "confidence_min": 0.0,
    "holding_minutes_max": 5,
    "entries_from": "00:00",
    "entries_until": "16:50",
    "flat_by": "16:55",
    "stop_ticks_max": 80,
    "risk_reward_min": 1,
    "trades_per_day_max": 200,
    "risk": {
        "risk_per_trade_usd_max": 5000,
        "risk_per_trade_equity_max": 0.05,
        "allowance_share_max": 1,
    },
}
"""The same path with its gates wide open, so that one session sends orders dozens of times."""
BUSY_ENSEMBLE = {"approve_above": 0.5}
BUSY_GUARDIAN = {"consecutive_losses_max": 100}


@bench_app.command("cycle")
def bench_cycle(
    sessions: Annotated[int, typer.Option(min=1, max=50, help="Synthetic sessions to trade.")] = 8,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """From the last 5-second bar of the minute to the order's bytes, beside Ray's own round trips.

    Example: mia bench cycle --json
    """

    def command() -> int:
        document = busy(load_config(config))
        placed: list[StoredSpan] = []
        working_ms: list[float] = []
        bare = BareRoundTrips()
        for number in range(1, sessions + 1):
            with tempfile.TemporaryDirectory(prefix="mia-bench-") as folder:
                traces = _trade(document, config, Path(folder), f"synthetic:{number}", bare)
                placed += [span for span in traces.named(conventions.SPAN_PLACE_ORDERS) if _is_entry(span)]
                working_ms += _computation_ms(traces, placed)
        found = _document(placed, working_ms, bare)
        if as_json:
            print_json(found)
        else:
            tell(found, ("ours", "rivals", "computation_ms", "ratio", "machine"))
        return ExitCode.DONE

    guarded(command)


def busy(config: SystemConfig) -> SystemConfig:
    """The tree with the gates of `BUSY_CYCLE`."""
    changes: dict[str, dict[str, Any]] = {
        "cycle": BUSY_CYCLE,
        "ensemble": BUSY_ENSEMBLE,
        "guardian": BUSY_GUARDIAN,
    }

    def changed(node: ChildSpec | SupervisorSpec) -> ChildSpec | SupervisorSpec:
        if isinstance(node, SupervisorSpec):
            return node.model_copy(update={"children": tuple(changed(child) for child in node.children)})
        return node.model_copy(update={"settings": node.settings | changes.get(node.id, {})})

    tree = changed(config.tree)
    return config.model_copy(update={"tree": tree})


@dataclass(slots=True)
class BareRoundTrips:
    """A bare Ray actor, threaded like our hosts, asked one question after the other: milliseconds."""

    back_to_back_ms: list[float] = field(default_factory=list)
    paced_ms: list[float] = field(default_factory=list)
    """With a pause of `PACE_S` before each."""

    def measure(self, clock: Clock) -> None:
        """One more series of each, in the Ray that is running."""

        class Echo:
            def echo(self, value: int) -> int:
                return value

        echo: Any = ray.remote(Echo).options(num_cpus=0, max_concurrency=2).remote()

        def round_trip_ms(pause_s: float) -> float:
            if pause_s:
                clock.sleep_s(pause_s)
            began_s = clock.monotonic_s()
            ray.get(echo.echo.remote(0))
            return (clock.monotonic_s() - began_s) * 1000

        for _ in range(ROUND_TRIPS_WARM_UP):
            round_trip_ms(0)
        self.back_to_back_ms += [round_trip_ms(0) for _ in range(ROUND_TRIPS)]
        self.paced_ms += [round_trip_ms(PACE_S) for _ in range(PACED_ROUND_TRIPS)]
        ray.kill(echo)


def _trade(document: SystemConfig, config: Path, state: Path, tape: str, bare: BareRoundTrips) -> TraceReader:
    clock = SystemClock()
    directory = open_state(state)
    configure_logging(directory=state, process="bench")
    request = RunRequest(
        config=document,
        config_dir=config.absolute().parent,
        mode=BrokerMode.SIM,
        gateway_arguments=("--tape", tape, "--history-days", "10"),
        contract_month=None,
        pace="lockstep",
        address="local",
    )

    def measure(_system: System) -> None:
        bare.measure(clock)

    with LiveView(messages, clock, quiet=True) as view:
        run = SessionRun(
            request, state=directory, viewer=view, clock=clock, ids=RandomIds(), before_stop=measure
        )
        run.run()
    session = directory.current()
    return TraceReader((session or state) / "traces.db")


def _is_entry(span: StoredSpan) -> bool:
    return str(span.attributes.get(conventions.ORDER_REF, "")).endswith(".entry")


def _computation_ms(traces: TraceReader, placed: Sequence[StoredSpan]) -> list[float]:
    """Time spent in our own code on the runner, per cycle that placed an entry."""
    wanted = {span.trace_id for span in placed}
    sums: dict[str, float] = {}
    for name in COMPUTATION:
        for span in traces.named(name):
            if span.trace_id in wanted:
                sums[span.trace_id] = sums.get(span.trace_id, 0.0) + span.duration_ms
    return list(sums.values())


def _document(
    placed: Sequence[StoredSpan], working_ms: Sequence[float], round_trips: BareRoundTrips
) -> dict[str, Any]:
    ours = percentiles([float(span.attributes[conventions.ORDER_WRITTEN_AFTER_BAR_MS]) for span in placed])
    bare, paced = percentiles(round_trips.back_to_back_ms), percentiles(round_trips.paced_ms)
    working = percentiles(working_ms)
    floor, paced_floor = _times_hops(bare), _times_hops(paced)
    return {
        "ours": asdict(ours)
        | {"orders": len(placed), "unit": "ms, last 5-second bar received to order bytes written"},
        "rivals": {
            "bare_ray_round_trip": asdict(bare) | {"calls": len(round_trips.back_to_back_ms)},
            "bare_ray_round_trips_times_hops": floor | {"hops": list(HOPS)},
            "paced_ray_round_trip": asdict(paced)
            | {"calls": len(round_trips.paced_ms), "pause_ms": PACE_S * 1000},
            "paced_ray_round_trips_times_hops": paced_floor,
        },
        "computation_ms": asdict(working),
        "ratio": {
            "bare_ray_round_trips_times_hops": ratio(ours.p50, floor["p50"]),
            "floor_plus_computation": ratio(ours.p50, floor["p50"] + working.p50),
            "paced_floor_plus_computation": ratio(ours.p50, paced_floor["p50"] + working.p50),
        },
        "machine": machine(),
    }


def _times_hops(round_trip: Percentiles) -> dict[str, float]:
    return {
        "p50": round(round_trip.p50 * len(HOPS), 3),
        "p99": round(round_trip.p99 * len(HOPS), 3),
    }
