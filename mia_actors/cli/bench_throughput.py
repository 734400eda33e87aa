"""`mia bench throughput`: bars per second and order round trips through the socket, beside a bare script's."""

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import ray
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

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
from mia_actors.cli.bench_throughput_contenders import (
    US_PER_S,
    Contender,
    Figures,
    Heard,
    Ours,
    Script,
    stopped,
)
from mia_actors.cli.config import load_config
from mia_actors.cli.summary import percentiles
from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.errors import ConfigError
from mia_actors.core.market import Timeframe
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.exchange.gateway.process import LOOPBACK, GatewayProcess
from mia_actors.supervision.ray_runtime import RayRuntime
from mia_actors.telemetry.logs import configure_logging

ROLE = "holder"
GATEWAY_ARGUMENTS = ("--tape", "synthetic", "--history-days", "2", "--lockstep-roles", ROLE)
BARS_MAX = 3800
"""Both hear so many twice: about as many as the tape has."""
WARM_UP_BARS = 60
"""Not counted: what is done for the first time is done in them."""
ROUNDS_MAX = 5
BURSTS = 2
"""In each round."""
PAUSE_S = 0.04
"""After each call: three messages in two pauses stay below TWS's limit of fifty in a second."""
SETTLE_S = 0.05
"""Until a burst lies in the sockets of a stopped process."""
RAY_CALLS = 200
IB_ASYNC_PYTHON = "MIA_IB_ASYNC_PYTHON"


@dataclass(slots=True)
class Market:
    """A gateway that shows as many bars as it is told to, as fast as they are read."""

    gateway: GatewayProcess
    control: ControlClient
    shown: int = 0
    seconds: float = 0.0

    @classmethod
    def open(cls, started: ExitStack) -> "Market":
        """One that has shown its first bar."""
        gateway = GatewayProcess.start(GATEWAY_ARGUMENTS)
        started.callback(gateway.stop)
        control = ControlClient(LOOPBACK, gateway.control_port)
        started.callback(control.close)
        control.start()
        return cls(gateway, control)

    def burst(self, count: int, clock: Clock) -> None:
        """So many more bars."""
        now_ns = int(self.control.status()["market_time_ns"])
        began_s = clock.monotonic_s()
        self.control.ack(ROLE, now_ns + (count - 1) * Timeframe.S5.ns)
        self.seconds += clock.monotonic_s() - began_s
        self.shown += count


@bench_app.command("throughput")
def bench_throughput(
    bars: Annotated[
        int,
        typer.Option(
            "--bars", min=100, max=BARS_MAX, help="Bars heard by each, live, and again as a backlog."
        ),
    ] = 3500,
    orders: Annotated[int, typer.Option("--orders", min=5, max=2000, help="Brackets placed by each.")] = 200,
    ib_async_python: Annotated[
        Path | None,
        typer.Option(
            "--ib-async-python",
            envvar=IB_ASYNC_PYTHON,
            help="A Python that has ib_async; without it the bare script uses ib_insync.",
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Messages per second and order round trips of the broker actor beside a bare script on the same gateway.

    Example: mia bench throughput --ib-async-python .venv-clients/ib_async/bin/python --json
    """

    def command() -> int:
        library = "ib_insync" if ib_async_python is None else "ib_async"
        if ib_async_python is not None and not os.access(ib_async_python, os.X_OK):
            raise ConfigError(
                f"--ib-async-python {ib_async_python}: cannot be run; name a Python with ib_async"
            )
        pool = load_config(config).standby_pool
        clock = SystemClock()
        with ExitStack() as started:
            folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="mia-bench-")))
            configure_logging(directory=folder, process="bench")
            messages.print("starting Ray, the gateway and the contenders", highlight=False)
            runtime = RayRuntime.start_local(folder / "ray")
            started.callback(runtime.stop)
            market = Market.open(started)
            ours = Ours(folder / "tree", tws_port=market.gateway.tws_port, pool=pool, clock=clock)
            started.callback(ours.close)
            script = Script(
                ib_async_python or Path(sys.executable),
                library,
                tws_port=market.gateway.tws_port,
                local_symbol=str(market.gateway.hello["contract"]),
            )
            started.callback(script.close)
            ray_ms = _take_turns([ours, script], market, bars=bars, orders=orders, clock=clock)
            found = _document(ours, script, library, market, ray_ms)
        if as_json:
            print_json(found)
        else:
            tell(found, ("ours", "rivals", "ray_round_trip_ms", "gateway", "ratio", "machine"))
        return ExitCode.DONE

    guarded(command)


def _take_turns(
    contenders: Sequence[Contender], market: Market, *, bars: int, orders: int, clock: Clock
) -> list[float]:
    """Rounds, so that whatever else the machine does hits both; answers round trips of a bare Ray actor."""
    rounds = min(ROUNDS_MAX, orders)
    ray_ms: list[float] = []
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
    ) as progress:
        task = progress.add_task("turns", total=rounds * len(contenders))
        for number in range(rounds):
            ray_ms += _ray_round_trips_ms(RAY_CALLS // rounds, clock)
            for contender in contenders:
                name = type(contender).__name__.lower()
                if not messages.is_terminal:
                    messages.print(f"round {number + 1}: {name}", highlight=False)
                progress.update(task, description=name)
                _turn(contender, market, bars // rounds, len(range(number, orders, rounds)), clock)
                progress.update(task, advance=1)
    return ray_ms


def _turn(contender: Contender, market: Market, bars: int, orders: int, clock: Clock) -> None:
    figures = contender.figures
    contender.begin()
    contender.expect(WARM_UP_BARS)
    market.burst(WARM_UP_BARS, clock)
    contender.received()
    burst = bars // BURSTS
    for _ in range(BURSTS):
        contender.expect(burst)
        market.burst(burst, clock)
        figures.live.add(burst - 1, *contender.received())

        def fill() -> None:
            market.burst(burst, clock)
            clock.sleep_s(SETTLE_S)

        contender.expect(burst)
        stopped(contender.pid, fill)
        figures.backlog.add(burst - 1, *contender.received())
    contender.orders(orders, PAUSE_S)
    contender.end()


def _ray_round_trips_ms(count: int, clock: Clock) -> list[float]:
    """Of a bare actor, threaded as our hosts are, in the rhythm of the orders."""

    class Echo:
        def echo(self, value: int) -> int:
            return value

    echo: Any = ray.remote(Echo).options(num_cpus=0, max_concurrency=2).remote()
    ray.get(echo.echo.remote(0))
    found = []
    for _ in range(count):
        clock.sleep_s(PAUSE_S)
        began_s = clock.monotonic_s()
        ray.get(echo.echo.remote(0))
        found.append((clock.monotonic_s() - began_s) * 1000)
    ray.kill(echo)
    return found


def _document(
    ours: Ours, script: Script, library: str, market: Market, ray_ms: Sequence[float]
) -> dict[str, Any]:
    name = f"bare_{library}"
    mine, theirs = ours.figures, script.figures
    hop = percentiles(ray_ms)
    return {
        "ours": _figures(mine)
        | {f"{call}_inside_ms": asdict(percentiles(values)) for call, values in ours.inside_ms.items()},
        "rivals": {name: _figures(theirs) | {"library": f"{library} {script.version}"}},
        "ray_round_trip_ms": asdict(hop) | {"calls": len(ray_ms), "pause_ms": PAUSE_S * 1000},
        "gateway": {"messages_per_s": round(market.shown / market.seconds) if market.seconds else 0},
        "ratio": {
            "time_per_message": _ratios(mine.live.us, theirs.live.us, 0)["p50"],
            "time_per_message_backlog": _ratios(mine.backlog.us, theirs.backlog.us, 0)["p50"],
            "place": _ratios(mine.place_ms, theirs.place_ms, 0),
            "cancel": _ratios(mine.cancel_ms, theirs.cancel_ms, 0),
            "place_inside": _ratios(ours.inside_ms["place"], theirs.place_ms, 0),
            "cancel_inside": _ratios(ours.inside_ms["cancel"], theirs.cancel_ms, 0),
            "place_less_ray_round_trip": _ratios(mine.place_ms, theirs.place_ms, hop.p50),
            "cancel_less_ray_round_trip": _ratios(mine.cancel_ms, theirs.cancel_ms, hop.p50),
        },
        "machine": machine(),
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "messages": figures.live.messages + figures.backlog.messages,
        "bursts": len(figures.live.us),
        **_heard("", figures.live),
        **_heard("backlog_", figures.backlog),
        "place_ms": asdict(percentiles(figures.place_ms)),
        "cancel_ms": asdict(percentiles(figures.cancel_ms)),
        "orders": len(figures.place_ms),
    }


def _heard(name: str, heard: Heard) -> dict[str, float]:
    """Of the burst in the middle."""
    middle_us = percentiles(heard.us).p50
    return {
        f"{name}messages_per_s": round(US_PER_S / middle_us) if middle_us else 0,
        f"{name}cpu_us_per_message": round(percentiles(heard.cpu_us).p50, 1),
    }


def _ratios(ours: Sequence[float], theirs: Sequence[float], hop_ms: float) -> dict[str, float | None]:
    """At the same percentile, after so much was taken off each of ours."""
    mine, other = percentiles(ours), percentiles(theirs)
    return {"p50": ratio(mine.p50 - hop_ms, other.p50), "p99": ratio(mine.p99 - hop_ms, other.p99)}
