"""Deadmen for every test of this folder that wants one."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mia_actors.guardian.latch import Latch
from tests.unit.guardian.deadman_world import Desk, World


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    with closing(Latch.open(tmp_path)) as latch:
        yield lambda **desk: World(tmp_path, latch, Desk(**desk))
