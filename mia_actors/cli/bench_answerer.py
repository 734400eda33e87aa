"""What `mia bench mttr` kills: a class with the imports of the trading children, and a bare process around it.

As a program, `python -m mia_actors.cli.bench_answerer SOCKET` tells its process id to everybody who connects.
"""

import importlib
import os
import socket
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mia_actors.supervision.child import ChildContext

IMPORTS = (
    "numpy",
    "onnxruntime",
    "mia_actors.broker.actor",
    "mia_actors.features.actor",
    "mia_actors.cycle.actor",
)
"""What the trading children need, all of them: every contender has them imported before it answers."""
WAITING_MAX = 16

for _name in IMPORTS:
    importlib.import_module(_name)


class AnswererSettings(BaseModel):
    """There is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Answerer:
    """Says in which process it lives. The same class under our supervision and under Ray's."""

    Settings = AnswererSettings

    def __init__(self, settings: AnswererSettings, context: ChildContext | None) -> None:
        del settings, context

    def start(self) -> None:
        """Nothing to do: what takes time are the imports."""

    def stop(self) -> None:
        """Nothing to drain."""

    def who(self) -> int:
        """Process id."""
        return os.getpid()


def main(path: Path) -> None:
    """Answers on a Unix socket until it is killed."""
    path.unlink(missing_ok=True)
    answer = f"{Answerer(AnswererSettings(), None).who()}\n".encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen(WAITING_MAX)
        while True:
            connection, _ = server.accept()
            with connection:
                connection.sendall(answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
