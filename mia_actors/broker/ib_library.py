"""Which asyncio client of the TWS API is installed: ib_async, or ib_insync, of which it is the maintained fork.

The two have the same names and never belong into one environment, as both bring a module `eventkit`. Where both can
be imported all the same, ib_async is taken: a halt must not fail for it. A session with a real broker does not begin.
"""

from importlib.util import find_spec

IB_ASYNC, IB_INSYNC = "ib_async", "ib_insync"


def installed() -> tuple[str, ...]:
    """Those that can be imported, the one that is taken first."""
    return tuple(name for name in (IB_ASYNC, IB_INSYNC) if find_spec(name) is not None)


LIBRARY = next(iter(installed()), IB_INSYNC)
"""The one that is taken; where there is none, the import that follows says what is missing."""
