"""Gathers what `posture` judges, from the kernel and over one broker session."""

import ctypes
import os
from pathlib import Path

import psutil

from mia_actors.broker.session import IbSession, SessionEvents, SessionLimits
from mia_actors.cli.posture import BrokerFacts, MachineFacts
from mia_actors.core.clock import NS_PER_S, Clock
from mia_actors.core.errors import MiaError
from mia_actors.core.market import Timeframe
from mia_actors.core.session import Connection
from mia_actors.core.units import Product
from mia_actors.supervision.ray_environment import local_environment

TIMEX_BYTES = 512
"""More than any kernel's struct timex; all zero means: only tell."""
TIME_ERROR = 5
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - Ray's, not a file of ours
PROBE = ".posture"
HISTORY = "1800 S"


def machine_facts(state_dir: Path, *, own_ray: bool, clock: Clock) -> MachineFacts:
    """Of this machine and the file system of the state directory, which is there."""
    return MachineFacts(
        clock_synchronised=_clock_synchronised(),
        filesystem=_filesystem(state_dir),
        free_bytes=psutil.disk_usage(str(state_dir)).free,
        sync_ms=_sync_ms(state_dir / PROBE, clock),
        memory_bytes=psutil.virtual_memory().available,
        shared_memory_bytes=psutil.disk_usage(str(SHARED_MEMORY)).free if SHARED_MEMORY.exists() else 0,
        niceness=psutil.Process().nice(),
        oom_score_adjustment=int(Path("/proc/self/oom_score_adj").read_text()),
        ray_settings=local_environment(state_dir, state_dir) if own_ray else None,
    )


def broker_facts(
    connection: Connection,
    product: Product,
    *,
    month: str | None,
    roll_days: int,
    expiry_days_min: int,
    timeout_s: float,
    clock: Clock,
) -> BrokerFacts:
    """Connects as a client that sends nothing; every step within the limit."""
    address = f"{connection.host}:{connection.port}"
    limits = SessionLimits(connect_timeout_s=timeout_s, request_timeout_s=timeout_s, ack_timeout_s=timeout_s)
    events = SessionEvents(on_bar=lambda _: None, on_fill=lambda _: None, on_disconnect=lambda: None)
    session = IbSession(
        connection,
        product,
        limits=limits,
        events=events,
        monotonic_ns=lambda: round(clock.monotonic_s() * NS_PER_S),
    )
    try:
        session.connect()
        contract = session.choose_contract(month=month, roll_days=roll_days, expiry_days_min=expiry_days_min)
        data_problem, has_bars = _data(session)
        return BrokerFacts(
            address=address,
            account=session.account(),
            contract=contract.instrument,
            month=contract.month,
            elsewhere=session.held_elsewhere(),
            skew_s=(session.broker_time_ns() - clock.now_ns()) / NS_PER_S,
            data_problem=data_problem,
            has_bars=has_bars,
        )
    except MiaError as error:
        return BrokerFacts(address=address, problem=str(error))
    finally:
        session.close()


def _data(session: IbSession) -> tuple[str, bool]:
    """Why there are no bars, and whether there are some."""
    try:
        return "", bool(session.history(Timeframe.M1, HISTORY))
    except MiaError as error:
        return str(error), False


def _clock_synchronised() -> bool | None:
    try:
        state = int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != TIME_ERROR


def _filesystem(path: Path) -> str:
    """Kind of the file system mounted at the deepest place above `path`."""
    resolved = path.resolve()
    found = [
        (len(one.mountpoint), one.fstype)
        for one in psutil.disk_partitions(all=True)
        if resolved.is_relative_to(one.mountpoint)
    ]
    return max(found)[1] if found else "unknown"


def _sync_ms(path: Path, clock: Clock) -> float:
    began_s = clock.monotonic_s()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, b"posture")
        os.fsync(handle)
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)
    return (clock.monotonic_s() - began_s) * 1000
