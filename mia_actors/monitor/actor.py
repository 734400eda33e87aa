"""The monitor as a supervised child: samples on a timer, stores, and alerts by the log and its own table."""

import json
import threading
from pathlib import Path
from typing import Any, cast

import psutil
from pydantic import BaseModel, ConfigDict, Field

from mia_actors.core.errors import MiaError
from mia_actors.core.session import SessionInfo
from mia_actors.monitor.thresholds import Alert, AlertBook, Threshold
from mia_actors.store.decision_journal import DECISIONS_FILE, DecisionJournal
from mia_actors.store.sqlite import open_database
from mia_actors.supervision.child import ChildContext
from mia_actors.telemetry.logs import get_logger

MONITOR_FILE = "monitor.db"
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (taken_ns INTEGER PRIMARY KEY, figures TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS alerts (
  id INTEGER PRIMARY KEY, raised_ns INTEGER NOT NULL, figure TEXT NOT NULL, level TEXT NOT NULL,
  value REAL NOT NULL, threshold REAL NOT NULL
);
"""
LATENCIES_LOOKED_AT = 100


class MonitorSettings(BaseModel):
    """Sampling and thresholds of domain section 18."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval_s: float = Field(default=30.0, ge=0.1, le=3600, description="Seconds between samples.")
    cooldown_s: float = Field(
        default=600.0, ge=0, le=86400, description="Seconds before an alert is repeated."
    )
    thresholds: dict[str, Threshold] = Field(
        default={
            "cpu_percent": Threshold(warning=70, critical=90),
            "memory_percent": Threshold(warning=70, critical=85),
            "disk_percent": Threshold(warning=85, critical=95),
            "cycle_latency_p95_ms": Threshold(warning=2000, critical=5000),
        },
        description="Warning and critical limit per figure.",
    )


class Monitor:
    """Samples the machine and the session; a failure of it touches no trade."""

    Settings = MonitorSettings
    work_threads = 2

    def __init__(self, settings: MonitorSettings, context: ChildContext) -> None:
        self._settings = settings
        self._context = context
        self._session = cast("SessionInfo", context.session)
        self._log = get_logger(actor=context.child_id, incarnation=context.incarnation)
        self._book = AlertBook(dict(settings.thresholds), settings.cooldown_s)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to sample."""
        psutil.cpu_percent()  # the first call only sets the reference
        self._thread = threading.Thread(target=self._loop, name="monitor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Takes a last sample, so that a short session has one too."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2.0)

    def figures(self) -> dict[str, float]:
        """The present figures, units in their names."""
        found = machine_figures(self._session.path("."))
        latencies = self._latencies_ms()
        if latencies:
            ordered = sorted(latencies)
            found["cycle_latency_p50_ms"] = ordered[len(ordered) // 2]
            found["cycle_latency_p95_ms"] = ordered[int(len(ordered) * 0.95)]
        found.update(self._model_figures())
        return found

    def _loop(self) -> None:
        connection = open_database(
            self._session.path(MONITOR_FILE), schema_version=SCHEMA_VERSION, schema=SCHEMA, durable=False
        )
        try:
            while True:
                ended = self._stopping.wait(self._settings.interval_s)
                figures = self.figures()
                now_ns = self._context.clock.now_ns()
                alerts = self._book.judge(figures, self._context.clock.monotonic_s())
                with connection:
                    connection.execute(
                        "INSERT OR REPLACE INTO samples VALUES (?, ?)", (now_ns, json.dumps(figures))
                    )
                    for alert in alerts:
                        connection.execute(
                            "INSERT INTO alerts (raised_ns, figure, level, value, threshold) VALUES (?,?,?,?,?)",
                            (now_ns, alert.figure, alert.level.value, alert.value, alert.limit),
                        )
                for alert in alerts:
                    self._tell(alert)
                if ended:
                    return
        finally:
            connection.close()

    def _tell(self, alert: Alert) -> None:
        self._log.warning(
            "monitor.level_changed",
            figure=alert.figure,
            level=alert.level,
            value=alert.value,
            limit=alert.limit,
        )

    def _latencies_ms(self) -> list[float]:
        path = self._session.path(DECISIONS_FILE)
        if not path.exists():
            return []
        journal = DecisionJournal.open(path)
        try:
            return journal.latencies_ms()[-LATENCIES_LOOKED_AT:]
        finally:
            journal.close()

    def _model_figures(self) -> dict[str, float]:
        try:
            answer: Any = self._context.ref("ensemble").ask("figures", timeout_s=1.0)
        except MiaError:
            return {}
        return {f"ensemble_{name}": float(value) for name, value in dict(answer).items()}


def machine_figures(directory: Path) -> dict[str, float]:
    """CPU, memory, disk and network of this machine as psutil reads them."""
    network = psutil.net_io_counters()
    return {
        "cpu_percent": psutil.cpu_percent(),
        "memory_percent": psutil.virtual_memory().percent,
        "disk_percent": psutil.disk_usage(str(directory)).percent,
        "network_sent_bytes": float(network.bytes_sent),
        "network_received_bytes": float(network.bytes_recv),
        "processes": float(len(psutil.pids())),
    }
