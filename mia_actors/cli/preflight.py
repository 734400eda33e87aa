"""What is looked at before a session with a real broker begins."""

from dataclasses import dataclass, replace
from pathlib import Path

from mia_actors.broker.ib_library import installed
from mia_actors.cli.config import GUARDIAN, SystemConfig, guardian_settings, roll_days_of, session_connections
from mia_actors.cli.posture import Finding, Grade, broker_findings, library_finding, machine_findings
from mia_actors.cli.posture_facts import broker_facts, machine_facts
from mia_actors.core.clock import Clock
from mia_actors.core.errors import ConfigError
from mia_actors.core.session import BrokerMode
from mia_actors.core.units import product
from mia_actors.telemetry.logs import get_logger

PROBE_CONNECTION = "console"
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What was found."""

    findings: tuple[Finding, ...]
    contract_month: str | None = None
    """Of the contract to trade, `YYYYMM`; None where the broker did not tell. All parts of a session trade this one."""


def broker_examined(
    config: SystemConfig,
    mode: BrokerMode,
    live_account: str | None,
    timeout_s: float,
    clock: Clock,
    *,
    month: str | None = None,
) -> Examined:
    """Of the broker that the file names; that there is none is no error for who trades the simulated one."""
    simulates = mode is BrokerMode.SIM
    try:
        trades = BrokerMode.PAPER if simulates else mode
        connections = dict(session_connections(config, trades, None, live_account=live_account))
    except ConfigError as error:
        grade = Grade.WARNING if simulates else Grade.ERROR
        remedy = "see connections in supervision.yaml"
        return Examined(findings=(Finding(name="broker", grade=grade, found=str(error), remedy=remedy),))
    facts = broker_facts(
        connections[PROBE_CONNECTION],
        product(config.session.instrument),
        month=month,
        roll_days=roll_days_of(config),
        expiry_days_min=guardian_settings(config).expiry_days_min,
        timeout_s=timeout_s,
        clock=clock,
    )
    if facts.problem and simulates:
        found = f"none at {facts.address}: only the simulated one can be traded"
        remedy = "for paper trading: start TWS"
        return Examined(findings=(Finding(name="broker", grade=Grade.WARNING, found=found, remedy=remedy),))
    findings = broker_findings(facts, mode, guardian_client_id=config.connections[GUARDIAN].client_id)
    return Examined(findings=tuple(findings), contract_month=facts.month or None)


def preflight(
    config: SystemConfig,
    mode: BrokerMode,
    *,
    live_account: str | None,
    state_dir: Path,
    own_ray: bool,
    clock: Clock,
    month: str | None = None,
) -> Examined:
    """What a person should see before the session begins, and the contract it is to trade; in the log all of it.

    Raises:
        ConfigError: the broker cannot be traded as asked, or the machine is not fit for live trading.
    """
    if live_account is not None and mode is not BrokerMode.LIVE:
        raise ConfigError(f"--live-account goes with --broker live, not with --broker {mode.value}")
    if mode is BrokerMode.SIM:
        return Examined(findings=(), contract_month=month)
    machine = machine_findings(machine_facts(state_dir, own_ray=own_ray, clock=clock), mode)
    library = library_finding(installed(), mode)
    examined = broker_examined(config, mode, live_account, TIMEOUT_S, clock, month=month)
    broker = [library, *examined.findings]
    log = get_logger(actor="run")
    for one in (*machine, *broker):
        log.info("posture.examined", **one.document())
    deciding = [*machine, *broker] if mode is BrokerMode.LIVE else broker
    errors = [one for one in deciding if one.grade is Grade.ERROR]
    if errors:
        said = "\n".join(f"{one.name}: {one.found}; {one.remedy}" for one in errors)
        raise ConfigError(f"--broker {mode.value} is refused:\n{said}")
    shown = tuple(one for one in (*machine, *broker) if one.grade is not Grade.OK)
    return replace(examined, findings=shown)
