"""What is looked at before a session with a real broker begins."""

from pathlib import Path

from mia_actors.broker.ib_library import installed
from mia_actors.cli.config import GUARDIAN, SystemConfig, roll_days_of, session_connections
from mia_actors.cli.posture import Finding, Grade, broker_findings, library_finding, machine_findings
from mia_actors.cli.posture_facts import broker_facts, machine_facts
from mia_actors.core.clock import Clock
from mia_actors.core.errors import ConfigError
from mia_actors.core.session import BrokerMode
from mia_actors.core.units import product
from mia_actors.telemetry.logs import get_logger

PROBE_CONNECTION = "console"
TIMEOUT_S = 10.0


def broker_examined(
    config: SystemConfig, mode: BrokerMode, live_account: str | None, timeout_s: float, clock: Clock
) -> list[Finding]:
    """Of the broker that the file names; that there is none is no error for who trades the simulated one."""
    simulates = mode is BrokerMode.SIM
    try:
        trades = BrokerMode.PAPER if simulates else mode
        connections = dict(session_connections(config, trades, None, live_account=live_account))
    except ConfigError as error:
        grade = Grade.WARNING if simulates else Grade.ERROR
        return [
            Finding(
                name="broker", grade=grade, found=str(error), remedy="see connections in supervision.yaml"
            )
        ]
    facts = broker_facts(
        connections[PROBE_CONNECTION],
        product(config.session.instrument),
        month=None,
        roll_days=roll_days_of(config),
        timeout_s=timeout_s,
        clock=clock,
    )
    if facts.problem and simulates:
        found = f"none at {facts.address}: only the simulated one can be traded"
        return [
            Finding(name="broker", grade=Grade.WARNING, found=found, remedy="for paper trading: start TWS")
        ]
    return broker_findings(facts, mode, guardian_client_id=config.connections[GUARDIAN].client_id)


def preflight(
    config: SystemConfig,
    mode: BrokerMode,
    *,
    live_account: str | None,
    state_dir: Path,
    own_ray: bool,
    clock: Clock,
) -> list[Finding]:
    """What a person should see before the session begins; in the log all of it.

    Raises:
        ConfigError: the broker cannot be traded as asked, or the machine is not fit for live trading.
    """
    if live_account is not None and mode is not BrokerMode.LIVE:
        raise ConfigError(f"--live-account goes with --broker live, not with --broker {mode.value}")
    if mode is BrokerMode.SIM:
        return []
    machine = machine_findings(machine_facts(state_dir, own_ray=own_ray, clock=clock), mode)
    library = library_finding(installed(), mode)
    broker = [library, *broker_examined(config, mode, live_account, TIMEOUT_S, clock)]
    log = get_logger(actor="run")
    for one in (*machine, *broker):
        log.info("posture.examined", **one.document())
    deciding = [*machine, *broker] if mode is BrokerMode.LIVE else broker
    errors = [one for one in deciding if one.grade is Grade.ERROR]
    if errors:
        said = "\n".join(f"{one.name}: {one.found}; {one.remedy}" for one in errors)
        raise ConfigError(f"--broker {mode.value} is refused:\n{said}")
    return [one for one in (*machine, *broker) if one.grade is not Grade.OK]
