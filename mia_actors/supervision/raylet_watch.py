"""A process of ours on another node goes with the raylet that started it.

Ray's word that a node is dead is its raylet's death, or its silence; workers of a raylet that was killed live on,
unseen by anybody. A raylet that hears that it was given up ends itself. So when Ray has confirmed the death of a
node, its hosts are dead if they end with their raylet; without this they are not.
"""

import os
import threading
from collections.abc import Callable

from mia_actors.supervision.processes import ProcessId

EXIT_CODE_ORPHANED = 71


def end_with_raylet(before: Callable[[], None] | None = None) -> None:
    """Ends this process as soon as its parent has ended, which is the raylet; calls `before` first."""
    raylet = ProcessId.of(os.getppid())

    def watch() -> None:
        try:
            if raylet is not None:
                raylet.wait_gone(None)
            if before is not None:
                before()
        finally:
            os._exit(EXIT_CODE_ORPHANED)

    threading.Thread(target=watch, name="raylet", daemon=True).start()
