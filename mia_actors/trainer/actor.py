"""The trainer as a supervised child: retrains on a schedule, in a process of its own, off the trade path."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field

from mia_actors.core.clock import iso_utc
from mia_actors.core.session import SessionInfo
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.ensemble.training import TrainingSettings
from mia_actors.supervision.child import ChildContext
from mia_actors.telemetry.logs import get_logger
from mia_actors.trainer.retraining import RetrainingRequest

REPORT_FILE = "trainer.jsonl"
LAST_WORDS = 500
NICENESS = 10


class TrainerSettings(BaseModel):
    """When to retrain, on what, and what it takes to be promoted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Path = Field(
        default=Path("models"), description="Directory of versions, relative to supervision.yaml."
    )
    retrain_after_s: float = Field(
        default=3600.0,
        ge=60,
        le=604_800,
        description="Seconds between two retrainings, and before the first.",
    )
    sessions_max: int = Field(default=250, ge=1, le=5000, description="Newest recorded sessions looked at.")
    p_value_max: float = Field(
        default=0.05,
        gt=0,
        le=0.2,
        description="Of the paired bootstrap that shows the challenger to be better.",
    )
    timeout_s: float = Field(default=1800.0, ge=10, le=86_400, description="Longest a retraining may take.")
    training: TrainingSettings = TrainingSettings(holdout_share=0.3, folds=3)
    decision: DecisionSettings = Field(
        default=DecisionSettings(), description="Strategies and entry timeframe that samples are made with."
    )


class Trainer:
    """A failure of it touches no trade; what it promotes, sessions started afterwards vote with (ADR 19)."""

    Settings = TrainerSettings
    work_threads = 2

    def __init__(self, settings: TrainerSettings, context: ChildContext) -> None:
        self._settings = settings
        self._context = context
        self._session = cast("SessionInfo", context.session)
        self._log = get_logger(actor=context.child_id, incarnation=context.incarnation)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._last: dict[str, Any] = {}

    def start(self) -> None:
        """Begins to wait for the first retraining."""
        self._thread = threading.Thread(target=self._loop, name="trainer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends a retraining that is under way; nothing of it is kept."""
        self._stopping.set()
        with self._lock:
            if self._process is not None:
                self._process.kill()
        if self._thread is not None:
            self._thread.join(2.0)

    @property
    def pid(self) -> int | None:
        """Of the retraining under way."""
        process = self._process
        return process.pid if process is not None else None

    def last(self) -> dict[str, Any]:
        """The last report of this incarnation; empty before the first."""
        return dict(self._last)

    def retrain(self) -> dict[str, Any]:
        """Retrains now; the report, or `refused` or `failed` with the reason."""
        report = self._run(self._request())
        self._last = report
        with self._session.path(REPORT_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(report) + "\n")
        self._tell(report)
        return report

    def _loop(self) -> None:
        while not self._stopping.wait(self._settings.retrain_after_s):
            self.retrain()

    def _request(self) -> RetrainingRequest:
        settings = self._settings
        return RetrainingRequest(
            state_dir=Path(self._session.state_dir),
            models_dir=Path(self._session.config_dir) / settings.models,
            out_dir=self._session.path("challengers"),
            symbol=self._session.symbol,
            sessions_max=settings.sessions_max,
            p_value_max=settings.p_value_max,
            decision=settings.decision,
            training=settings.training,
            at=iso_utc(self._context.clock.now_ns()),
        )

    def _run(self, request: RetrainingRequest) -> dict[str, Any]:
        with self._lock:
            if self._stopping.is_set() or self._process is not None:
                return {"refused": "another retraining is under way, or the session ends"}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mia_actors.trainer"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        try:
            os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)
            out, err = self._process.communicate(request.model_dump_json(), timeout=self._settings.timeout_s)
            return dict(json.loads(out)) if out else {"failed": err.strip()[-LAST_WORDS:] or "killed"}
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return {"failed": f"it took longer than {self._settings.timeout_s:.0f} s"}
        finally:
            with self._lock:
                self._process = None

    def _tell(self, report: dict[str, Any]) -> None:
        if "judgement" not in report:
            self._log.warning("trainer.nothing_trained", **report)
            return
        judgement, found = report["judgement"], report["drift"]
        self._log.info(
            "trainer.judged",
            champion=report["champion"],
            challenger=report["challenger"],
            promoted=judgement["is_promoted"],
            reason=judgement["reason"],
        )
        if found["drifted"]:
            self._log.warning("trainer.inputs_drifted", inputs=found["drifted"])
