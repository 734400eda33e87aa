"""One case of a drill: a simulated gateway, a trader with a position, the real deadman, and a fault."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mia_actors.cli.assignment import write_assignment
from mia_actors.cli.config import SystemConfig, session_connections
from mia_actors.cli.deadman_process import DeadmanProcess
from mia_actors.cli.drill_record import DrillCase
from mia_actors.cli.drill_trader import HOLDING, TRADING
from mia_actors.cli.state import open_state
from mia_actors.core.clock import NS_PER_S, Clock
from mia_actors.core.errors import TransientError
from mia_actors.core.market import Timeframe
from mia_actors.core.session import BrokerMode, SessionInfo
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.exchange.gateway.process import GatewayProcess, Listening
from mia_actors.guardian import console
from mia_actors.guardian.deadman import DEADMAN
from mia_actors.guardian.latch import Latch

TAPE = ("--tape", "synthetic:19", "--from", "2026-03-10T13:30", "--to", "2026-03-10T20:00")
PACE = "20x"
SETTLE_S = 2.0
"""Beyond the limit of silence: cancel, offset, and flat confirmed twice."""
AWAY_S = 5.0
"""How long, beyond that limit, gateway or market stay away."""
BACK_WITHIN_S = 5.0
"""After a gateway or market is back: reconnect, or the longest pause between two offsets."""
WAIT_S = 60.0
LOOK_EVERY_S = 0.02


class Case(StrEnum):
    """What happens to the trader or to the way to the market."""

    TRADER_STOPPED = "trader_stopped"
    TRADER_KILLED = "trader_killed"
    TRADER_CUT_OFF = "trader_cut_off"
    GATEWAY_DEAD = "gateway_dead"
    """It is stopped and answers nobody; then it goes on."""
    MARKET_CLOSED = "market_closed"
    """Cancels do not take and orders are refused; then it opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything a case needs, running."""

    state_dir: Path
    gateway: GatewayProcess
    control: ControlClient
    trader: "subprocess.Popen[str]"
    trading_client_id: int


def run_case(case: Case, config: SystemConfig, folder: Path, clock: Clock) -> DrillCase:
    """Sets the stage in `folder`, strikes, and waits until flat is confirmed, within a limit.

    Raises:
        MiaError: the stage could not be set; nothing is left running.
    """
    limit_s = config.deadman.limit_s
    with stage_of(config, folder, clock) as stage:
        protected = stage.control.status()["working_orders"] == 2
        struck_s, struck_ns = clock.monotonic_s(), clock.now_ns()
        back_s = _strike(case, stage, limit_s + AWAY_S, clock)
        early = console.read_state(stage.state_dir, clock)
        flat = _wait(lambda: _is_flat(stage.state_dir, clock), limit_s + WAIT_S, clock)
        flat_s = clock.monotonic_s()
        found = console.read_state(stage.state_dir, clock)
        books = stage.control.status()
        with closing(Latch.open(stage.state_dir)) as latch:
            latched = latch.read()
    allowed_s = limit_s + SETTLE_S + (BACK_WITHIN_S if back_s is not None else 0.0)
    took_s = flat_s - (back_s if back_s is not None else struck_s)
    is_empty = (books["position_contracts"], books["working_orders"]) == (0, 0)
    honest = back_s is None or not (early.halted and early.confirmed_flat)
    ok = protected and flat and honest and is_empty and found.who == DEADMAN and took_s <= allowed_s
    return DrillCase(
        case=case.value,
        ok=ok,
        halted_after_s=round((latched.at_ns - struck_ns) / NS_PER_S, 2) if found.halted else None,
        time_to_flat_s=round(took_s, 2) if flat else None,
        allowed_s=allowed_s,
        outcome=found.outcome if honest else f"said {early.outcome} while the way to the market was closed",
    )


def _strike(case: Case, stage: Stage, away_s: float, clock: Clock) -> float | None:
    """Does it; returns when gateway or market were back, where they were away."""
    if case is Case.TRADER_STOPPED:
        stage.trader.send_signal(signal.SIGSTOP)
    elif case is Case.TRADER_CUT_OFF:
        stage.control.drop(stage.trading_client_id)
    elif case is Case.TRADER_KILLED:
        stage.trader.kill()
    elif case is Case.MARKET_CLOSED:
        stage.control.close_market("the exchange is closed")
        stage.trader.kill()
        clock.sleep_s(away_s)
        stage.control.close_market("")
        return clock.monotonic_s()
    else:
        os.kill(stage.gateway.pid, signal.SIGSTOP)
        stage.trader.kill()
        clock.sleep_s(away_s)
        os.kill(stage.gateway.pid, signal.SIGCONT)
        return clock.monotonic_s()
    return None


def _is_flat(state_dir: Path, clock: Clock) -> bool:
    found = console.read_state(state_dir, clock)
    return found.halted and found.confirmed_flat


def _wait(condition: Callable[[], bool], within_s: float, clock: Clock) -> bool:
    deadline_s = clock.monotonic_s() + within_s
    while not condition():
        if clock.monotonic_s() >= deadline_s:
            return False
        clock.sleep_s(LOOK_EVERY_S)
    return True


@contextmanager
def stage_of(config: SystemConfig, folder: Path, clock: Clock) -> Iterator[Stage]:
    """A market that runs, a position with stop and target resting, and a deadman that watches."""
    state = open_state(folder)
    with ExitStack() as started:
        master = config.connections["guardian"].client_id
        listening = Listening.open()
        started.callback(listening.close)
        arguments = (*TAPE, *("--pace", PACE, "--master-client-id", str(master)))
        gateway = GatewayProcess.start(arguments, listening=listening)
        started.callback(gateway.stop)
        session_folder = state.new_session(folder.name)
        state.mark_newest(folder.name)
        connections = session_connections(config, BrokerMode.SIM, gateway.tws_port)
        session = SessionInfo(
            session_id=folder.name,
            state_dir=str(state.path),
            session_dir=str(session_folder),
            symbol=config.session.instrument,
            contract_month=None,
            base_timeframe=Timeframe(gateway.hello["base_timeframe"]),
            lockstep=False,
            control_host="127.0.0.1",
            control_port=gateway.control_port,
            connections=connections,
        )
        write_assignment(session, config)
        control = ControlClient("127.0.0.1", gateway.control_port)
        started.callback(control.close)
        deadman = DeadmanProcess(
            session, config.deadman, lifelines=(listening.lifeline.fileno(),), clock=clock
        )
        started.callback(deadman.end, in_order=True)
        trader = _start_trader(session_folder, started)
        control.start()
        if trader.stdout is None or trader.stdout.readline().strip() != HOLDING:
            raise TransientError(
                f"the drill's trader got no position; its log is {session_folder}/trader.stderr"
            )
        deadman.watch()
        yield Stage(
            state_dir=state.path,
            gateway=gateway,
            control=control,
            trader=trader,
            trading_client_id=config.connections[TRADING].client_id,
        )


def _start_trader(session_folder: Path, started: ExitStack) -> "subprocess.Popen[str]":
    errors = started.enter_context((session_folder / "trader.stderr").open("w"))
    trader = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "mia_actors.cli.drill_trader", str(session_folder)],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )

    def end() -> None:
        trader.kill()
        trader.communicate()

    started.callback(end)
    return trader
