"""`mia bench halt`: from the bar that breaks the daily loss limit to the guardian's global cancel at the gateway."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

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
from mia_actors.cli.bench_halt_tape import DAILY_LOSS_LIMIT_USD, TRIALS_MAX, trial_plans, write_tape
from mia_actors.cli.bench_halt_trial import Case, HaltTrials, TrialResult
from mia_actors.cli.config import SystemConfig, load_config
from mia_actors.cli.live import LiveView
from mia_actors.cli.session_run import RunRequest, SessionRun
from mia_actors.cli.state import open_state
from mia_actors.cli.summary import percentiles
from mia_actors.core.clock import SystemClock
from mia_actors.core.ids import RandomIds
from mia_actors.core.session import BrokerMode, SessionInfo
from mia_actors.core.units import product
from mia_actors.exchange.gateway.market import Role
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.system import System
from mia_actors.telemetry.logs import configure_logging

SYMBOL = "ES"
INTENSITY = 1000
"""Restarts every supervisor may make in its period: the bench itself must not spend a budget."""
CHANGES: dict[str, dict[str, Any]] = {
    "guardian": {"daily_loss_limit_usd": str(DAILY_LOSS_LIMIT_USD)},
    "ensemble": {"approve_above": 0.99},
}
ROLES = (Role.CYCLE, Role.GUARDIAN, Role.HOLDER)
TOLD_EVERY = 10
BARE_SOCKET, BARE_SYNC = "bare_socket_round_trip", "bare_disk_sync"
UNIT = "ms, the 5-second bar that breaks the limit leaving the gateway to the guardian's reqGlobalCancel arriving there"


@bench_app.command("halt")
def bench_halt(
    trials: Annotated[int, typer.Option(min=1, max=TRIALS_MAX, help="Halts of each case.")] = 100,
    case: Annotated[
        list[Case] | None, typer.Option("--case", help="Only this case; may be repeated.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """From the bar that breaks the daily loss limit to the cancel at the gateway, whatever else is broken.

    Example: mia bench halt --json
    """

    def command() -> int:
        found = measure_halts(config, tuple(case or Case), trials)
        if as_json:
            print_json(found)
        else:
            tell(found, ("ours", "rivals", "ratio", "machine"))
        accepted = sum(one["risk_increasing_accepted"] for one in found["ours"].values())
        return ExitCode.FAILED if accepted else ExitCode.DONE

    guarded(command)


def measure_halts(config: Path, cases: Sequence[Case], trials: int) -> dict[str, Any]:
    """The document of the command: one session of the whole tree for each case.

    Raises:
        MiaError: a session could not be started, or something did not come about in time.
    """
    document = bench_config(load_config(config))
    measured: dict[Case, list[TrialResult]] = {}
    loads: dict[Case, list[float]] = {}
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="mia-bench-") as folder:
            measured[case] = _session(document, config, Path(folder), case, trials)
        loads[case] = machine()["load"]
    return halt_document(measured, loads)


def bench_config(config: SystemConfig) -> SystemConfig:
    """The tree with a small loss limit, an ensemble that agrees to nothing and budgets that last."""

    def changed(node: ChildSpec | SupervisorSpec) -> ChildSpec | SupervisorSpec:
        if isinstance(node, SupervisorSpec):
            children = tuple(changed(child) for child in node.children)
            return node.model_copy(update={"children": children, "intensity": INTENSITY})
        return node.model_copy(update={"settings": node.settings | CHANGES.get(node.id, {})})

    session = config.session.model_copy(update={"instrument": SYMBOL})
    return config.model_copy(update={"tree": changed(config.tree), "session": session})


def halt_document(
    measured: Mapping[Case, Sequence[TrialResult]], loads: Mapping[Case, Sequence[float]]
) -> dict[str, Any]:
    """Figures of each case beside the bare socket and the bare disk of the same minutes."""
    ours = {case.value: _figures(results) | {"load": loads[case]} for case, results in measured.items()}
    floors = {
        case.value: _floor([value for one in results for value in one.floor_ms])
        for case, results in measured.items()
    }
    syncs = {
        case.value: _floor([value for one in results for value in one.sync_ms])
        for case, results in measured.items()
    }
    return {
        "ours": ours,
        "unit": UNIT,
        "rivals": {BARE_SOCKET: floors, BARE_SYNC: syncs},
        "ratio": {
            name: {
                BARE_SOCKET: ratio(ours[name]["p50"], floors[name]["p50"]),
                f"{BARE_SOCKET}_plus_{BARE_SYNC}": ratio(
                    ours[name]["p50"], floors[name]["p50"] + syncs[name]["p50"]
                ),
            }
            for name in ours
        },
        "machine": machine(),
    }


def _figures(results: Sequence[TrialResult]) -> dict[str, Any]:
    flat, confirmed = (
        percentiles([one.flat_market_s for one in results]),
        percentiles([one.confirmed_ms for one in results]),
    )
    return asdict(percentiles([one.cancel_ms for one in results])) | {
        "trials": len(results),
        "flat_market_s": {"p50": flat.p50, "max": flat.max},
        "flat_confirmed_ms": {"p50": confirmed.p50, "p99": confirmed.p99, "max": confirmed.max},
        "risk_increasing_attempts": sum(one.attempts for one in results),
        "risk_increasing_accepted": sum(one.accepted for one in results),
        "answers": dict(Counter(answer for one in results for answer in one.answers)),
    }


def _floor(values: Sequence[float]) -> dict[str, Any]:
    return asdict(percentiles(values)) | {"count": len(values)}


def _session(
    document: SystemConfig, config: Path, folder: Path, case: Case, trials: int
) -> list[TrialResult]:
    clock = SystemClock()
    plans = trial_plans(trials, product(SYMBOL))
    tape = folder / "halts.parquet"
    write_tape(tape, plans, product(SYMBOL))
    directory = open_state(folder / "state")
    configure_logging(directory=directory.path, process="bench")
    results: list[TrialResult] = []

    def tell_of(done: int) -> None:
        if done % TOLD_EVERY == 0 or done == trials:
            messages.print(f"{case.value}: {done} of {trials} halts", highlight=False)

    def conduct(session: SessionInfo, system: System) -> None:
        conductor = HaltTrials(session, system, case, spares=document.standby_pool.hosts, clock=clock)
        results.extend(conductor.run(plans, tell_of))

    request = RunRequest(
        config=document,
        config_dir=config.absolute().parent,
        mode=BrokerMode.SIM,
        gateway_arguments=("--tape", str(tape), "--lockstep-roles", ",".join(ROLES)),
        contract_month=None,
        pace="lockstep",
        address="local",
    )
    with LiveView(messages, clock, quiet=True) as view:
        SessionRun(request, state=directory, viewer=view, clock=clock, ids=RandomIds(), conduct=conduct).run()
    return results
