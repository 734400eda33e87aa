"""Before the first session after an installation: the kernels are compiled, once for all processes."""

from mia_actors.cli.app import messages
from mia_actors.core.kernel import cache_is_full


def compile_kernels() -> None:
    """Fills the cache of compiled kernels unless it is full: actors then find machine code when they start."""
    if cache_is_full():
        return
    messages.print("compiling the kernels of features and gates: once, about half a minute")
    from mia_actors.cycle.warm import fill_cache  # noqa: PLC0415 - importing it compiles

    fill_cache()
