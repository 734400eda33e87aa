"""`mia chaos`: one undisturbed and one disturbed lockstep session of the same tape, compared byte by byte."""

import signal
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from mia_actors.chaos.agent import ChaosAgent, ChaosLimits, ChaosReport
from mia_actors.chaos.comparison import Books, BrokerOrder, Comparison, compare
from mia_actors.chaos.plan import Fault, FaultKind, offered, parse_kinds, plan_faults
from mia_actors.chaos.recovery import Recovery, kills, recoveries
from mia_actors.cli.app import (
    DEFAULT_CONFIG,
    ConfigOption,
    ContractOption,
    DateOption,
    ExitCode,
    FromOption,
    JsonOption,
    StateOption,
    TapeOption,
    ToOption,
    app,
    guarded,
    messages,
    print_json,
    results,
)
from mia_actors.cli.config import SystemConfig, history_days, load_config
from mia_actors.cli.live import LiveView
from mia_actors.cli.session_run import Ending, RunRequest, SessionResult, SessionRun
from mia_actors.cli.state import StateDirectory, locked, open_state
from mia_actors.cli.summary import percentiles
from mia_actors.cli.tapes import tape_choice
from mia_actors.core.clock import SystemClock
from mia_actors.core.decisions import Outcome
from mia_actors.core.errors import MiaError
from mia_actors.core.ids import RandomIds
from mia_actors.core.session import BrokerMode, SessionInfo
from mia_actors.cycle.actor import DECISIONS_FILE
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.store.decision_journal import DecisionJournal
from mia_actors.supervision.event_log import read_events
from mia_actors.supervision.leftovers import clean_leftovers
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.system import System
from mia_actors.telemetry.logs import configure_logging

INTENSITY = 1000
"""Restarts that every supervisor of the disturbed session may make in its period: the most a budget can be."""
EVENTS_MAX = 1_000_000
CHAOS_FOLDER = "chaos"
SENDING = frozenset({Outcome.ENTERED, Outcome.EXITED})
TOLD = (
    "ledger_sha256_undisturbed",
    "ledger_sha256_disturbed",
    "lost",
    "duplicated",
    "kills",
    "hangs_not_detected",
    "halts",
    "seed",
    "cycles",
    "orders",
    "fills",
    "restarts",
    "restart_intensity",
    "seconds",
    "sessions",
)
"""What a person is told of the document, beside the verdict and the times."""
UNDISTURBED, DISTURBED = "undisturbed", "disturbed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One of the two sessions."""

    folder: Path | None
    result: SessionResult | None
    """None when it failed with an error."""
    failure: str
    seconds: float
    report: ChaosReport | None
    broker_orders: tuple[BrokerOrder, ...]

    @property
    def sha256(self) -> str | None:
        """Of its ledger."""
        summary = self.result.summary if self.result is not None else None
        return summary.ledger.sha256 if summary is not None else None

    @property
    def ending(self) -> Ending:
        """Why it ended."""
        return self.result.ending if self.result is not None else Ending.FAILED

    def books(self) -> Books:
        """What there is to compare."""
        summary = self.result.summary if self.result is not None else None
        return Books(ledger=summary.ledger.text if summary is not None else "", broker=self.broker_orders)


@dataclass(slots=True)
class Interrupts:
    """Ctrl-C goes to whichever session runs."""

    target: Callable[[], None] | None = None
    _came: bool = False

    def came(self) -> bool:
        """Whether there was one."""
        return self._came

    def install(self) -> None:
        """First Ctrl-C: closes the position and ends; a second one ends at once."""

        def first(_signal: int, _frame: object) -> None:
            self._came = True
            if self.target is not None:
                self.target()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            messages.print("interrupted: closing the position and stopping; Ctrl-C again to stop at once")

        signal.signal(signal.SIGINT, first)
        signal.signal(signal.SIGTERM, first)


@app.command("chaos")
def chaos(
    count: Annotated[int, typer.Option("--kills", min=1, help="Faults of the plan.")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same plan.")] = 1,
    faults: Annotated[str, typer.Option("--faults", help=f"Kinds, by comma: {offered()}.")] = "kill",
    tape: TapeOption = None,
    day: DateOption = None,
    start: FromOption = None,
    end: ToOption = None,
    contract: ContractOption = None,
    cycles: Annotated[int | None, typer.Option("--cycles", help="End after so many base bars.")] = None,
    hang_limit_s: Annotated[
        float, typer.Option("--hang-limit-s", min=0.1, help="A stopped child nobody replaced goes on then.")
    ] = 15.0,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log more.")] = False,
) -> None:
    """Trade the same tape undisturbed and under a seeded plan of faults, and compare the ledgers.

    Example: mia chaos --tape bars.parquet --date 2013-10-08 --kills 40 --seed 7 --faults kill,socket --json
    """

    def command() -> int:
        document = load_config(config)
        kinds = parse_kinds(faults)
        choice = tape_choice(
            source=tape or document.session.tape,
            day=day,
            start=start,
            end=end,
            contract=contract,
            history_days=history_days(document),
            cycles=cycles,
        )
        parent = open_state(state or document.session.state).path / CHAOS_FOLDER
        configure_logging(directory=parent.parent / "logs", process="chaos", verbose=verbose)
        interrupts = Interrupts()
        interrupts.install()

        def trade(name: str, tree: SystemConfig, plan: tuple[Fault, ...]) -> Session:
            messages.print(f"{name} session" + (f": {len(plan)} faults" if plan else ""), highlight=False)
            request = RunRequest(
                config=tree,
                config_dir=config.absolute().parent,
                mode=BrokerMode.SIM,
                tape_arguments=choice.gateway_arguments(),
                contract_month=contract,
                pace="lockstep",
                address="local",
            )
            limits = ChaosLimits(hang_detected_s=hang_limit_s)
            return _trade(request, parent / name, plan, limits, interrupts, quiet=as_json)

        before = trade(UNDISTURBED, document, ())
        if interrupts.came():
            return ExitCode.INTERRUPTED
        if before.result is None or before.result.summary is None:
            messages.print(f"mia: the undisturbed session failed: {before.failure}", style="red")
            return ExitCode.FAILED
        plan = plan_faults(
            kinds=kinds,
            children=[child.id for _, child in document.tree.child_specs()],
            connections=trading_connections(document),
            cycles=before.result.summary.counts.cycles,
            order_cycles=_order_cycles(before),
            count=count,
            seed=seed,
        )
        after = trade(DISTURBED, patient(document), plan)
        if interrupts.came():
            return ExitCode.INTERRUPTED
        compared = compare(before.books(), after.books())
        equal = before.sha256 == after.sha256
        found = _document(before, after, compared, plan=plan, seed=seed, equal=equal)
        if as_json:
            print_json(found)
        else:
            _tell(found)
        return ExitCode.DONE if equal and not compared.lost and not compared.duplicated else ExitCode.FAILED

    guarded(command)


def patient(config: SystemConfig) -> SystemConfig:
    """The tree with every restart budget raised to `INTENSITY`: chaos itself must not spend one."""

    def changed(node: ChildSpec | SupervisorSpec) -> ChildSpec | SupervisorSpec:
        if isinstance(node, ChildSpec):
            return node
        children = tuple(changed(child) for child in node.children)
        return node.model_copy(update={"children": children, "intensity": INTENSITY})

    return config.model_copy(update={"tree": changed(config.tree)})


def trading_connections(config: SystemConfig) -> list[str]:
    """Connections that a child of the tree keeps open, in the tree's order."""
    named = (child.settings.get("connection") for _, child in config.tree.child_specs())
    return [name for name in named if name in config.connections]


def _order_cycles(session: Session) -> list[int]:
    """Which cycles of a session that is over sent orders, counted from 1."""
    if session.folder is None:
        return []
    journal = DecisionJournal.open(session.folder / DECISIONS_FILE)
    try:
        decided = journal.decisions()
    finally:
        journal.close()
    return [number for number, one in enumerate(decided, start=1) if one.decision.outcome in SENDING]


def _trade(
    request: RunRequest,
    path: Path,
    plan: tuple[Fault, ...],
    limits: ChaosLimits,
    interrupts: Interrupts,
    *,
    quiet: bool,
) -> Session:
    clock = SystemClock()
    directory = open_state(path)
    agent: ChaosAgent | None = None
    report: ChaosReport | None = None
    session: SessionInfo | None = None

    def begin(started: SessionInfo) -> None:
        nonlocal agent, session
        session = started
        control = ControlClient(started.control_host, started.control_port)
        closing.callback(control.close)
        agent = ChaosAgent(plan, started, control=control, clock=clock, limits=limits)
        closing.callback(agent.abort)
        agent.start()

    def end(system: System) -> None:
        nonlocal report
        if agent is not None and not interrupts.came():
            report = agent.finish(wait=system.failed is None)

    began_s = clock.monotonic_s()
    result, failure = None, ""
    with locked(directory), LiveView(messages, clock, quiet=quiet) as view, ExitStack() as closing:
        _forget_latch(directory)
        run = SessionRun(
            request,
            state=directory,
            viewer=view,
            clock=clock,
            ids=RandomIds(),
            after_start=begin,
            before_stop=end,
        )
        interrupts.target = run.interrupt
        if interrupts.came():
            run.interrupt()
        try:
            result = run.run()
            failure = result.detail if result.ending is Ending.FAILED else ""
        except MiaError as error:
            if session is None:
                raise
            failure = f"{type(error).__name__}: {error}"
        finally:
            interrupts.target = None
            closing.close()
    return Session(
        folder=directory.current(),
        result=result,
        failure=failure,
        seconds=round(clock.monotonic_s() - began_s, 1),
        report=report,
        broker_orders=report.broker_orders if report is not None else (),
    )


def _forget_latch(directory: StateDirectory) -> None:
    """A halt in an earlier drill was part of that drill; this directory is used for nothing else."""
    clean_leftovers(directory.path)
    for path in directory.path.glob("guardian.db*"):
        path.unlink()


def _document(
    before: Session, after: Session, compared: Comparison, *, plan: tuple[Fault, ...], seed: int, equal: bool
) -> dict[str, Any]:
    report = after.report
    events = [event for _, event in read_events(after.folder, limit=EVENTS_MAX)] if after.folder else []
    found = recoveries(report.strikes if report is not None else (), events)
    killed = kills(found)
    summary = after.result.summary if after.result is not None else None
    return {
        "equal": equal,
        "ledger_sha256_undisturbed": before.sha256,
        "ledger_sha256_disturbed": after.sha256,
        "kills": len(killed),
        "kills_by_child": {target: len(ones) for target, ones in _by_target(killed).items()},
        "orders_lost": len(compared.lost),
        "orders_duplicated": len(compared.duplicated),
        "mttr_ms": _times(killed)
        | {"by_child": {target: _times(ones) for target, ones in _by_target(killed).items()}},
        "halts": int(after.ending is Ending.HALTED),
        "seed": seed,
        "faults": _by_kind(plan, found),
        "not_carried_out": [asdict(fault) for fault in (report.not_carried_out if report else plan)],
        "hangs_not_detected": report.hangs_not_detected if report is not None else 0,
        "lost": list(compared.lost),
        "duplicated": list(compared.duplicated),
        "cycles": summary.counts.cycles if summary is not None else None,
        "orders": summary.ledger.orders if summary is not None else None,
        "fills": summary.ledger.fills if summary is not None else None,
        "restarts": summary.restarts if summary is not None else None,
        "restart_intensity": f"raised to {INTENSITY} for every supervisor of the disturbed session",
        "ending": {UNDISTURBED: before.ending.value, DISTURBED: after.ending.value},
        "failure": after.failure,
        "seconds": {UNDISTURBED: before.seconds, DISTURBED: after.seconds},
        "sessions": {UNDISTURBED: str(before.folder), DISTURBED: str(after.folder)},
    }


def _by_target(found: Iterable[Recovery]) -> dict[str, list[Recovery]]:
    groups: dict[str, list[Recovery]] = {}
    for one in found:
        groups.setdefault(one.strike.fault.target, []).append(one)
    return dict(sorted(groups.items()))


def _times(found: Iterable[Recovery]) -> dict[str, float | None]:
    values = [one.mttr_ms for one in found if one.mttr_ms is not None]
    figures = percentiles(values)
    return {"p50": figures.p50, "p99": figures.p99} if values else {"p50": None, "p99": None}


def _by_kind(plan: tuple[Fault, ...], found: tuple[Recovery, ...]) -> dict[str, dict[str, Any]]:
    document = {}
    for kind in FaultKind:
        planned = sum(fault.kind is kind for fault in plan)
        own = [one for one in found if one.strike.fault.kind is kind]
        if planned:
            document[kind.value] = {
                "planned": planned,
                "carried_out": len(own),
                "confirmed": sum(one.confirmed for one in own),
                "mttr_ms": _times(one for one in own if one.confirmed),
            }
    return document


def _tell(found: dict[str, Any]) -> None:
    good = found["equal"] and not found["lost"] and not found["duplicated"]
    results.print(
        "the ledgers are equal, nothing lost, nothing doubled" if good else "NOT EQUAL",
        style="bold green" if good else "bold red",
    )
    if found["failure"]:
        results.print(f"the disturbed session failed: {found['failure']}", style="red", markup=False)
    facts = Table.grid(padding=(0, 2))
    for name in TOLD:
        value = found[name]
        shown = ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else value
        facts.add_row(name.replace("_", " "), str(shown))
    results.print(facts)
    table = Table(box=None, pad_edge=False)
    for column in ("killed", "times", "recovery p50 ms", "p99 ms"):
        table.add_column(column, justify="left" if column == "killed" else "right")
    for child, times in found["mttr_ms"]["by_child"].items():
        table.add_row(child, str(found["kills_by_child"][child]), str(times["p50"]), str(times["p99"]))
    for kind, faults in found["faults"].items():
        times = faults["mttr_ms"]
        done = f"{faults['confirmed']} of {faults['planned']}"
        table.add_row(f"all of {kind}", done, str(times["p50"]), str(times["p99"]))
    results.print(table)
