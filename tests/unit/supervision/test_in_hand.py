"""What a process had in hand is known after its death, and its inputs by name."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import PermanentError
from mia_actors.supervision.activity import Activity
from mia_actors.supervision.in_hand import (
    SLOTS,
    TEXT_BYTES_MAX,
    InHandFile,
    inputs_in,
    read_in_hand,
    told,
)
from mia_actors.supervision.inputs import Spool, clear_spool, input_of, keep_input, load_input
from mia_actors.supervision.messages import packed

VICTIM = """
import sys, threading
from pathlib import Path
from mia_actors.core.clock import SystemClock
from mia_actors.supervision.activity import Activity
from mia_actors.supervision.in_hand import InHandFile
from mia_actors.supervision.inputs import Spool, input_of
from mia_actors.supervision.messages import packed

directory, clock = Path(sys.argv[1]), SystemClock()
activity, spool = Activity(clock), Spool(directory, "a", 1)
activity.record_in(InHandFile(directory / "a-1.in_hand"))
ready = threading.Barrier(3)

def watch():
    with activity.doing("watch", noted_as="loop watch"):
        ready.wait()
        clock.sleep_s(60)

def read(value):
    args = packed((value,))
    with activity.doing("done"):
        pass
    with spool.keeping("read", args), activity.doing("read", noted_as=input_of("read", args), is_input=True):
        ready.wait()
        clock.sleep_s(60)

for target, args in ((watch, ()), (read, ({"bar": 7},))):
    threading.Thread(target=target, args=args, daemon=True).start()
ready.wait()
print("ready", flush=True)
clock.sleep_s(60)
"""
POISON = input_of("read", packed(({"bar": 7},)))


def test_after_sigkill_it_is_known_what_was_in_hand_and_the_input_is_kept_whole(tmp_path: Path) -> None:
    command = [sys.executable, "-c", VICTIM, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        victim.send_signal(signal.SIGKILL)
    held = read_in_hand(tmp_path / "a-1.in_hand")
    assert sorted(one.text for one in held) == ["loop watch", POISON]
    assert inputs_in(held) == (POISON,)
    kept = keep_input(tmp_path, "a", 1, POISON)
    clear_spool(tmp_path, "a", 1)
    assert kept is not None
    assert list((tmp_path / "quarantine").iterdir()) == [kept]
    assert list((tmp_path / "inputs").iterdir()) == []
    found = load_input(kept)
    assert (found.method, found.args) == ("read", ({"bar": 7},))
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(PermanentError, match="damaged"):
        load_input(kept)


def test_what_was_finished_is_in_hand_no_more_even_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a-1.in_hand"
    activity = Activity(SystemClock())
    with activity.doing("before there was a record"):
        activity.record_in(InHandFile(path))
        with activity.doing("outer"), activity.doing("inner"):
            assert told(read_in_hand(path)) == "outer; inner"
        with pytest.raises(ZeroDivisionError), activity.doing("divide"):
            os.getpid() / 0
    assert read_in_hand(path) == ()
    assert read_in_hand(tmp_path / "nobody") == ()


def test_more_than_there_is_room_for_is_left_out_and_room_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "a-1.in_hand"
    record = InHandFile(path)
    slots = [record.take("é" * 200, is_input=False) for _ in range(SLOTS + 1)]
    found = read_in_hand(path)
    assert (len(found), set(found[0].text), len(found[0].text)) == (SLOTS, {"é"}, TEXT_BYTES_MAX // 2)
    for slot in slots:
        record.release(slot)
    record.take("next", is_input=True)
    assert inputs_in(read_in_hand(path)) == ("next",)


def test_an_input_has_a_name_of_its_own_that_equal_ones_share() -> None:
    names = {
        input_of(method, packed(args))
        for method, args in [
            ("read", ({"bar": 7},)),
            ("read", ({"bar": 8},)),
            ("read", ()),
            ("write", ({"bar": 7},)),
            ("x" * 500, ()),
            ("x" * 501, ()),
        ]
    }
    assert len(names) == 6
    assert max(len(name.encode()) for name in names) <= TEXT_BYTES_MAX
    assert POISON in names
    assert input_of("read", packed(({"".join("bar"): int("7")},))) == POISON


def test_each_thread_keeps_its_own_and_only_while_it_serves_it(tmp_path: Path) -> None:
    spool, inside, leave = Spool(tmp_path, "a-1", 1), threading.Barrier(3), threading.Event()
    inputs = [packed(("x" * length,)) for length in (10_000, 1)]

    def serve(args: bytes) -> None:
        with spool.keeping("read", args):
            inside.wait(10)
            leave.wait(10)

    threads = [threading.Thread(target=serve, args=(args,)) for args in inputs]
    for thread in threads:
        thread.start()
    inside.wait(10)
    assert keep_input(tmp_path, "a", 1, input_of("read", inputs[0])) is None, "it is another child's"
    for args in inputs:
        kept = keep_input(tmp_path, "a-1", 1, input_of("read", args))
        assert kept is not None
        assert packed(load_input(kept).args) == args
    leave.set()
    for thread in threads:
        thread.join(10)
    with spool.keeping("read", inputs[0]):
        pass
    assert keep_input(tmp_path, "a-1", 1, input_of("read", inputs[0])) is None


def test_an_input_is_served_also_where_none_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "inputs").write_text("no folder")
    served = []
    with Spool(tmp_path, "a", 1).keeping("read", b""):
        served.append(1)
    assert served == [1]
