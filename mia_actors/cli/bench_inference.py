"""`mia bench inference`: one vote of the three models, beside the same models asked through their own libraries."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import numpy as np
import typer

from mia_actors.cli.app import ExitCode, JsonOption, guarded, messages, print_json
from mia_actors.cli.bench_command import bench_app, machine, ratio, tell
from mia_actors.cli.summary import percentiles
from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.errors import PermanentError
from mia_actors.core.features import ENSEMBLE_FEATURES, EnsembleVector
from mia_actors.ensemble.export import NATIVE_DIFFERENCE_MAX, onnx_bytes
from mia_actors.ensemble.manifest import MODEL_NAMES, EnsembleWeights
from mia_actors.ensemble.serving import EnsembleServer, Model, OnnxModel
from mia_actors.ensemble.training import FittedModels, Float32Array, TrainingSettings, fit

ROWS = 20_000
"""Fitted on so many rows the trees are as deep and wide as those of real samples."""
SEED = 8
BLOCK = 200
"""Votes of one side before the other has its turn."""
THRESHOLD = 0.6
MS_PER_S = 1000.0
WARM_UP = 200

Ask = Callable[[Float32Array, EnsembleVector], float]


@dataclass(slots=True)
class _Side:
    """One way to ask, and how long each answer took."""

    ask: Ask
    seconds: list[float] = field(default_factory=list)
    cold_seconds: list[float] = field(default_factory=list)
    """Of the first answer of each turn: what it needs has left the processor's caches, as between two bars."""


@bench_app.command("inference")
def bench_inference(
    votes: Annotated[int, typer.Option("--votes", min=400, max=1_000_000, help="Votes of each.")] = 6_000,
    as_json: JsonOption = False,
) -> None:
    """Milliseconds of one uncached vote: checked input, three models, weights and the sentence that explains it.

    The models are fitted for the bench on generated rows with the settings of `mia train`; each side is asked about the
    same rows, in turns. A side that answers otherwise than the other fails the bench.

    Example: mia bench inference --json
    """

    def command() -> int:
        messages.print(f"fitting the three models on {ROWS} generated rows")
        models = _fitted()
        found = _measured(models, votes, SystemClock())
        if as_json:
            print_json(found)
        else:
            tell(found, ("ours", "rivals", "ratio", "machine"))
        return ExitCode.DONE

    guarded(command)


def _fitted() -> FittedModels:
    draw = np.random.default_rng(SEED)
    x = draw.random((ROWS, len(ENSEMBLE_FEATURES)), dtype=np.float32)
    y = (draw.random(ROWS) < 0.3 + 0.1 * x[:, 0]).astype(np.int64)
    return fit(x, y, TrainingSettings())


def _measured(models: FittedModels, votes: int, clock: Clock) -> dict[str, Any]:
    served: dict[str, Model] = {
        name: OnnxModel(name, onnx_bytes(name, models.by_name[name])) for name in MODEL_NAMES
    }
    server = EnsembleServer(served, version="bench", cache_entries=0)
    weights = EnsembleWeights()
    ours = _Side(lambda _, vector: server.vote(vector, threshold=THRESHOLD, weights=weights).p_good)
    libraries = _Side(lambda x, _: float(weights.mean(models.p_good(x))[0]))
    draw = np.random.default_rng(SEED + 1)
    rows = draw.random((votes + WARM_UP, len(ENSEMBLE_FEATURES)), dtype=np.float32)
    vectors = [EnsembleVector(values=tuple(float(value) for value in row)) for row in rows]
    for begin in range(0, len(rows), BLOCK):
        block = slice(begin, begin + BLOCK)
        answers = [
            _timed(side, rows[block], vectors[block], clock, counts=begin >= WARM_UP)
            for side in (ours, libraries)
        ]
        difference = max(abs(one - other) for one, other in zip(*answers, strict=True))
        if not difference <= NATIVE_DIFFERENCE_MAX:
            raise PermanentError(
                f"the answers differ by {difference:.2g}, allowed is {NATIVE_DIFFERENCE_MAX:g}"
            )
    return _document(ours, libraries)


def _timed(
    side: _Side, rows: Float32Array, vectors: list[EnsembleVector], clock: Clock, *, counts: bool
) -> list[float]:
    answers = []
    for place, vector in enumerate(vectors):
        row = rows[place : place + 1]
        began_s = clock.monotonic_s()
        answers.append(side.ask(row, vector))
        took_s = clock.monotonic_s() - began_s
        if counts:
            side.seconds.append(took_s)
            if place == 0:
                side.cold_seconds.append(took_s)
    return answers


def _document(ours: _Side, libraries: _Side) -> dict[str, Any]:
    here, there = _figures(ours), _figures(libraries)
    return {
        "ours": here,
        "rivals": {"scikit-learn and xgboost": there},
        "ratio": {
            f"theirs by ours, {name}": ratio(there[name], here[name]) for name in ("p50", "p99", "cold_p50")
        },
        "machine": machine(),
    }


def _figures(side: _Side) -> dict[str, float]:
    """Milliseconds."""
    found = percentiles([one * MS_PER_S for one in side.seconds])
    cold = percentiles([one * MS_PER_S for one in side.cold_seconds])
    return {**asdict(found), "cold_p50": cold.p50, "cold_max": cold.max, "votes": len(side.seconds)}
