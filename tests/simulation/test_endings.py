"""However a session ends, nothing of it is left, and what it says is true."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from mia_actors.supervision.snapshot import read_tree
from tests.simulation.session_driver import TAPE, Session, after_cycles, entering

PACED = (*TAPE, "--pace", "60x")
GONE_WITHIN_S = 30.0


def _processes(session: Session, driver: int) -> list[psutil.Process]:
    """Every process of a running session: the command's descendants, Ray's servers and our hosts."""
    folder = session.folder
    assert folder is not None
    found = psutil.Process(driver).children(recursive=True)
    tree = read_tree(folder)
    for view in tree.processes if tree else ():
        if psutil.pid_exists(view.pid):
            found.append(psutil.Process(view.pid))
    return found


def _assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=GONE_WITHIN_S)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_an_interrupt_with_a_position_ends_flat_and_clean(session: Session) -> None:
    process = session.start()
    session.wait(process, entering)
    processes = _processes(session, process.pid)
    process.send_signal(signal.SIGINT)
    code, document = session.result(process)
    assert code == 130
    assert document["final_position"] == 0
    assert document["guardian"]["state"] == "active"
    assert ".exit," in session.ledger() or document["round_trips"] >= 1
    _assert_gone(processes)


def test_an_interrupt_before_anything_trades_leaves_nothing(make_session: Callable[..., Session]) -> None:
    session = make_session(arguments=PACED)
    process = session.start()
    deadline = time.monotonic() + 120
    while session.folder is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.wait(120)
    assert process.returncode == 130
    _assert_gone(children)


def test_a_killed_command_is_cleaned_up_by_the_next_one(
    session: Session, make_session: Callable[..., Session]
) -> None:
    first = make_session(arguments=PACED)
    process = first.start()
    first.wait(process, after_cycles(1))
    processes = _processes(first, process.pid)
    process.kill()
    process.wait(30)
    code, document = session.run()
    assert code == 0
    assert document["final_position"] == 0
    _assert_gone(processes)


def test_a_second_copy_is_refused_and_harms_nothing(
    make_session: Callable[..., Session], tmp_path: Path
) -> None:
    first = make_session(arguments=PACED)
    process = first.start()
    first.wait(process, after_cycles(1))
    second = make_session(arguments=PACED).start()
    assert second.wait(60) == 2
    refusal = (tmp_path / "state.stderr").read_text()
    assert f"another mia (pid {process.pid}) runs with this state directory" in refusal
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    code, document = first.result(process)
    assert (code, document["final_position"]) == (130, 0)
