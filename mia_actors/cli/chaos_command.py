"""`mia chaos`: one undisturbed and one disturbed lockstep session of the same tape, compared byte by byte."""

from typing import Annotated

import typer

from mia_actors.chaos.agent import ChaosLimits
from mia_actors.chaos.comparison import compare
from mia_actors.chaos.plan import Fault, FaultKind, offered, parse_kinds, plan_faults
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
)
from mia_actors.cli.chaos_report import DISTURBED, UNDISTURBED, chaos_document, tell_chaos
from mia_actors.cli.chaos_run import (
    Interrupts,
    Session,
    order_cycles,
    patient,
    trade,
    trading_connections,
)
from mia_actors.cli.config import SystemConfig, history_days, load_config
from mia_actors.cli.session_run import RunRequest
from mia_actors.cli.state import open_state
from mia_actors.cli.tapes import tape_choice
from mia_actors.core.session import BrokerMode
from mia_actors.telemetry.logs import configure_logging

CHAOS_FOLDER = "chaos"


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

        def session(name: str, tree: SystemConfig, plan: tuple[Fault, ...]) -> Session:
            messages.print(f"{name} session" + (f": {len(plan)} faults" if plan else ""), highlight=False)
            request = RunRequest(
                config=tree,
                config_dir=config.absolute().parent,
                mode=BrokerMode.SIM,
                gateway_arguments=choice.gateway_arguments(),
                contract_month=contract,
                pace="lockstep",
                address="local",
            )
            limits = ChaosLimits(hang_detected_s=hang_limit_s)
            return trade(request, parent / name, plan, limits, interrupts, quiet=as_json)

        before = session(UNDISTURBED, document, ())
        if interrupts.came():
            return ExitCode.INTERRUPTED
        if before.result is None or before.result.summary is None:
            messages.print(f"mia: the undisturbed session failed: {before.failure}", style="red")
            return ExitCode.FAILED
        plan = plan_faults(
            kinds=kinds,
            children={
                child.id: tuple(FaultKind(fault.value) for fault in child.faults)
                for _, child in document.tree.child_specs()
            },
            connections=trading_connections(document),
            cycles=before.result.summary.counts.cycles,
            order_cycles=order_cycles(before),
            count=count,
            seed=seed,
        )
        disturbed = patient(document)
        after = session(DISTURBED, disturbed, plan)
        if interrupts.came():
            return ExitCode.INTERRUPTED
        compared = compare(before.books(), after.books())
        equal = before.sha256 == after.sha256
        found = chaos_document(
            before, after, compared, plan=plan, seed=seed, equal=equal, tree=disturbed.tree
        )
        if as_json:
            print_json(found)
        else:
            tell_chaos(found)
        good = equal and not compared.lost and not compared.duplicated and not found["armed"]["late"]
        return ExitCode.DONE if good else ExitCode.FAILED

    guarded(command)
