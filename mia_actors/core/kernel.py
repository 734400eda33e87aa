"""Compiled functions: one source, run as machine code live and in a backtest, so that both give the same bits.

Numba compiles a kernel at its first call and keeps the machine code in a cache on disk. Numba looks at the file a
kernel stands in, not at the files whose kernels it calls; the cache's directory is therefore named after the state of
every file that may hold one.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast

import numba
from numba.core import config

PACKAGE = Path(__file__).parent.parent
LAYERS_WITH_KERNELS = ("core", "features", "strategies", "risk", "cycle")

Function = TypeVar("Function", bound=Callable[..., object])


def _state_of_sources() -> str:
    state = hashlib.sha256(numba.__version__.encode())
    for layer in LAYERS_WITH_KERNELS:
        for path in sorted((PACKAGE / layer).glob("*.py")):
            found = path.stat()
            state.update(f"{path}:{found.st_mtime_ns}:{found.st_size};".encode())
    return state.hexdigest()[:16]


STATE = _state_of_sources()


def _cache_directory() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "mia-actors" / f"kernels-{STATE}"


if not config.CACHE_DIR:  # type: ignore[attr-defined]  # read from the environment by numba
    config.CACHE_DIR = str(_cache_directory())  # type: ignore[attr-defined]


def kernel(function: Function) -> Function:
    """Compiles `function` at its first call: IEEE arithmetic in the order written, errors as in Python.

    Integers are of 64 bits and wrap around: a kernel keeps its sums below that, or uses floats. Where the cache
    cannot be written every process compiles for itself.
    """
    try:
        return cast("Function", numba.njit(function, cache=True, nogil=True))
    except RuntimeError:  # no directory for the cache
        return cast("Function", numba.njit(function, nogil=True))


def cache_is_full() -> bool:
    """Whether every kernel was compiled into the cache once, as the sources stand."""
    return _stamp().exists()


def note_full_cache() -> None:
    """Every kernel is in the cache now."""
    with suppress(OSError):  # no directory for the cache
        _stamp().parent.mkdir(parents=True, exist_ok=True)
        _stamp().touch()


def _stamp() -> Path:
    return Path(config.CACHE_DIR) / f"{STATE}.full"  # type: ignore[attr-defined]
