"""How `mia bench mttr` measures: from the signal to somebody else's answer, in turns, and what it tells."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from mia_actors.cli.app import app
from mia_actors.cli.bench_command import ratio
from mia_actors.cli.bench_mttr import ROUNDS, SUPERVISORD, Contender, _document, _take_turns
from mia_actors.core.clock import Clock, SystemClock, VirtualClock

SECOND_ANSWERS_AFTER_S = 0.25


class Counted(Contender):
    """Only counts."""

    def kill(self, clock: Clock) -> None:
        self.mttr_ms.append(float(len(self.mttr_ms) + 1))


def counted(name: str) -> Counted:
    return Counted(name=name, ask=os.getpid, is_calm=lambda: True, facts={"spare_hosts": 2})


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    started = subprocess.Popen(
        [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    yield started
    started.kill()
    started.communicate()


def test_a_figure_lasts_until_another_process_answers(process: "subprocess.Popen[bytes]") -> None:
    """Answers of the old one do not count, even where one still comes after the signal."""
    clock = VirtualClock()
    answers = iter([process.pid, process.pid, process.pid + 1])

    def ask() -> int:
        clock.sleep_s(SECOND_ANSWERS_AFTER_S)
        return next(answers)

    contender = Contender(name="one", ask=ask, is_calm=lambda: True, facts={})
    contender.kill(clock)
    assert process.wait(10) < 0, "ended by a signal"
    assert contender.mttr_ms == [pytest.approx(2 * SECOND_ANSWERS_AFTER_S * 1000)]


def test_a_kill_waits_until_nothing_is_being_started(process: "subprocess.Popen[bytes]") -> None:
    looks = iter([False, False, True])
    answers = iter([process.pid, process.pid + 1])
    contender = Contender(name="one", ask=lambda: next(answers), is_calm=lambda: next(looks), facts={})
    contender.kill(SystemClock())
    assert next(looks, None) is None


@pytest.mark.parametrize("kills", [1, ROUNDS - 1, ROUNDS, 50, 53])
def test_every_contender_has_as_many_kills_as_asked_for(kills: int) -> None:
    contenders = [counted("one"), counted("two")]
    _take_turns(list(contenders), kills, VirtualClock())
    assert [len(one.mttr_ms) for one in contenders] == [kills, kills]


def test_a_rival_that_is_not_installed_is_named_and_has_no_ratio() -> None:
    ours, rival = counted("ours"), counted("rival")
    ours.mttr_ms, rival.mttr_ms = [10.0, 20.0, 30.0], [100.0, 200.0, 300.0]
    found = _document([ours, rival], {SUPERVISORD: {"left_out": "not installed"}})
    assert (found["ours"]["p50"], found["ours"]["kills"], found["ours"]["spare_hosts"]) == (20.0, 3, 2)
    assert found["ratio"] == {"rival": 0.1, SUPERVISORD: None}
    assert set(found["rivals"]) == {"rival", SUPERVISORD}
    assert {"cores", "load"} <= set(found["machine"])


def test_a_rival_without_a_figure_has_no_ratio() -> None:
    assert ratio(5.0, 0.0) is None


def test_every_bench_is_a_command_of_the_group() -> None:
    import mia_actors.cli.main  # noqa: F401 - registers all commands

    shown = CliRunner().invoke(app, ["bench", "--help"])
    assert shown.exit_code == 0
    assert {"cycle", "mttr"} <= set(shown.output.split())
