"""Who hangs, in virtual time."""

from mia_actors.core.clock import VirtualClock
from mia_actors.supervision.activity import Activity
from mia_actors.supervision.hang_watch import HangWatch, Limits

LIMITS = Limits(alive_within_s=1.0, progress_within_s=10.0)


class Watching:
    """Looks ten times a second."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.watch = HangWatch(self.now_s)
        self.causes: list[str] = []

    def pass_time(self, seconds: float, *, pulse_of: str = "", stalled_s: float = 0.0) -> None:
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            if pulse_of:
                self.watch.heard(pulse_of, stalled_s=stalled_s, what="fold")
            self.causes += [hang.cause for hang in self.watch.look(self.now_s)]


def test_a_host_whose_pulse_is_heard_does_not_hang() -> None:
    watching = Watching()
    watching.watch.expect("a", LIMITS)
    watching.pass_time(30, pulse_of="a")
    assert watching.causes == []


def test_silence_over_the_limit_is_told_once() -> None:
    watching = Watching()
    watching.watch.expect("a", LIMITS)
    watching.pass_time(0.9)
    assert watching.causes == []
    watching.pass_time(30)
    assert len(watching.causes) == 1
    assert "no sign of life" in watching.causes[0]


def test_work_that_does_not_get_on_is_told_although_the_pulse_is_heard() -> None:
    watching = Watching()
    watching.watch.expect("a", LIMITS)
    watching.pass_time(1, pulse_of="a", stalled_s=10.0)
    assert watching.causes == []
    watching.pass_time(0.1, pulse_of="a", stalled_s=10.1)
    assert watching.causes == ["fold has made no progress for 10.1 s, at most 10 s"]


def test_a_limit_that_is_null_is_none() -> None:
    watching = Watching()
    watching.watch.expect("a", Limits(alive_within_s=None, progress_within_s=None))
    watching.watch.heard("a", stalled_s=1e6, what="fold")
    watching.pass_time(100)
    assert watching.causes == []


def test_silence_while_the_watcher_itself_slept_proves_nothing() -> None:
    watching = Watching()
    watching.watch.expect("a", LIMITS)
    watching.now_s += 3600
    assert watching.watch.look(watching.now_s) == ()
    watching.pass_time(0.5)
    assert watching.causes == []


def test_who_is_forgotten_and_who_is_a_stranger_hang_in_nobody_s_eyes() -> None:
    watching = Watching()
    watching.watch.expect("a", LIMITS)
    watching.watch.forget("a")
    watching.watch.heard("stranger", stalled_s=1e6, what="fold")
    watching.pass_time(5)
    assert watching.causes == []


def test_the_call_that_got_on_least_lately_is_the_stall() -> None:
    clock = VirtualClock()
    activity = Activity(clock)
    assert activity.stall().for_s == 0
    with activity.doing("fold"):
        clock.sleep_s(3)
        assert (activity.stall().what, activity.stall().for_s) == ("fold", 3)
        activity.progress()
        clock.sleep_s(1)
        assert activity.stall().for_s == 1
    assert activity.stall().for_s == 0


def test_the_time_a_call_waits_for_somebody_else_does_not_count() -> None:
    clock = VirtualClock()
    activity = Activity(clock)
    with activity.doing("fold"):
        clock.sleep_s(2)
        with activity.waiting():
            clock.sleep_s(50)
            assert activity.stall().for_s == 0
        clock.sleep_s(1)
        assert activity.stall().for_s == 1
    with activity.waiting():
        assert activity.stall().what == ""
