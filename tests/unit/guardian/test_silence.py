"""When a guardian counts as silent, and when its deadman may go: pure, by the second."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from mia_actors.guardian.silence import Account, DeadmanSettings, Duty, Master, Silence, Verdict

SETTINGS = DeadmanSettings(
    silent_after_s=10, confirm_after_s=3, look_every_s=0.5, stall_max_s=1.5, linger_s=20
)
LOOK_S = 0.5


class Watcher:
    """Looks every half second and notes when each verdict came."""

    def __init__(self) -> None:
        self.silence = Silence(SETTINGS)
        self.now_s = 100.0
        self.came: dict[Verdict, float] = {}

    def look(self, beat: str | None, *, sees_broker: bool = True, after_s: float = LOOK_S) -> Verdict:
        self.now_s += after_s
        verdict = self.silence.look(beat, self.now_s, sees_broker=sees_broker)
        self.came.setdefault(verdict, self.now_s)
        return verdict

    def watch(self, beat: str | None, for_s: float, *, sees_broker: bool = True) -> Verdict:
        for _ in range(round(for_s / LOOK_S)):
            verdict = self.look(beat, sees_broker=sees_broker)
        return verdict


def test_a_guardian_that_stops_beating_is_suspect_after_the_limit_and_silent_after_the_second_look() -> None:
    watcher = Watcher()
    watcher.look("1")
    heard_at_s = watcher.now_s
    assert watcher.watch("1", 9.5) is Verdict.HEARD
    assert watcher.look("1") is Verdict.SUSPECT
    assert watcher.watch("1", 2.5) is Verdict.SUSPECT
    assert watcher.look("1") is Verdict.SILENT
    assert watcher.now_s - heard_at_s == SETTINGS.limit_s


@pytest.mark.parametrize("when_s", [0.5, 9.5, 10.0, 12.5, 40.0])
def test_one_heartbeat_at_any_time_begins_anew(when_s: float) -> None:
    watcher = Watcher()
    watcher.look("1")
    watcher.watch("1", when_s)
    assert watcher.look("2") is Verdict.HEARD
    assert watcher.watch("2", 9.5) is Verdict.HEARD


@pytest.mark.parametrize("beats_every_s", [1.0, 5.0, 9.5])
def test_a_slow_guardian_is_never_suspect(beats_every_s: float) -> None:
    watcher = Watcher()
    for number in range(50):
        watcher.watch(str(number), beats_every_s)
    assert set(watcher.came) == {Verdict.HEARD}


def test_the_clock_a_heartbeat_was_written_by_does_not_matter() -> None:
    """It may be set back, and an old value of an earlier session is as silent as none."""
    watcher = Watcher()
    for beat in ("9", "3", "7"):
        assert watcher.watch(beat, 9.5) is Verdict.HEARD
    watcher = Watcher()
    watcher.look(None)
    assert watcher.watch(None, 13.0) is Verdict.SILENT


def test_its_own_stall_counts_for_nothing_and_begins_the_confirmation_anew() -> None:
    """The machine was suspended: the guardian could not beat either."""
    watcher = Watcher()
    watcher.look("1")
    assert watcher.look("1", after_s=3600.0) is Verdict.HEARD
    assert watcher.watch("1", 10.0) is Verdict.SUSPECT
    watcher.watch("1", 2.5)
    assert watcher.look("1", after_s=1.6) is Verdict.SUSPECT
    assert watcher.watch("1", 2.5) is Verdict.SUSPECT
    assert watcher.look("1") is Verdict.SILENT


def test_silence_while_the_broker_is_away_from_everybody_counts_for_nothing() -> None:
    """The gateway's daily restart: the guardian needs as long as this process to come back."""
    watcher = Watcher()
    watcher.look("1")
    watcher.watch("1", 9.0)
    assert watcher.watch("1", 90.0, sees_broker=False) is Verdict.HEARD
    assert watcher.watch("1", 9.5) is Verdict.HEARD
    assert watcher.watch("1", 3.5) is Verdict.SILENT


def test_once_silent_only_a_heartbeat_ends_it() -> None:
    watcher = Watcher()
    watcher.look("1")
    watcher.watch("1", 13.0)
    assert watcher.look("1", sees_broker=False) is Verdict.SILENT
    assert watcher.look("1", after_s=60.0) is Verdict.SILENT
    assert watcher.look("2") is Verdict.HEARD


@pytest.mark.parametrize(
    "absurd",
    [
        {"silent_after_s": 1},
        {"silent_after_s": -10},
        {"confirm_after_s": 0},
        {"look_every_s": 2},
        {"look_every_s": 1, "stall_max_s": 1},
        {"silent_after": 10},
    ],
    ids=str,
)
def test_absurd_limits_are_refused(absurd: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        DeadmanSettings(**absurd)  # type: ignore[arg-type]


EMPTY = Account(position_contracts=0, working_orders=0, seen_at_s=1e9)
EXPOSED = Account(position_contracts=1, working_orders=2, seen_at_s=1e9)


def over_after_s(
    master: Master, verdict: Verdict, account: Account | None, *, settled: bool = True
) -> float | None:
    """Seconds after which the duty was over; None when it was not within ten minutes."""
    duty = Duty(SETTINGS)
    for moment_s in range(600):
        if duty.is_over(master, verdict, account, float(moment_s), settled=settled):
            return moment_s
    return None


@pytest.mark.parametrize("account", [None, EMPTY, EXPOSED], ids=["unseen", "empty", "exposed"])
@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("master", list(Master))
@pytest.mark.parametrize("settled", [True, False])
def test_nobody_goes_while_there_is_something_to_guard(
    master: Master, verdict: Verdict, account: Account | None, *, settled: bool
) -> None:
    found = over_after_s(master, verdict, account, settled=settled)
    calm = account is EMPTY and settled
    if master is Master.STOP or (master is Master.END and calm):
        assert found == 0
    elif master is Master.GONE and verdict is Verdict.SILENT and calm:
        assert found == SETTINGS.linger_s
    else:
        assert found is None


def test_a_late_fill_begins_the_lingering_anew() -> None:
    duty = Duty(SETTINGS)

    def over(account: Account, moment_s: float) -> bool:
        return duty.is_over(Master.GONE, Verdict.SILENT, account, moment_s, settled=True)

    assert not over(EMPTY, 0)
    assert not over(EXPOSED, 19)
    assert not over(EMPTY, 20)
    assert not over(EMPTY, 39)
    assert over(EMPTY, 40)


def test_an_account_seen_empty_before_the_end_was_told_is_looked_at_again() -> None:
    duty = Duty(SETTINGS)
    stale = replace(EMPTY, seen_at_s=4.0)
    assert not duty.is_over(Master.WATCH, Verdict.HEARD, stale, 4.5, settled=True)
    assert not duty.is_over(Master.END, Verdict.HEARD, stale, 5.0, settled=True)
    assert not duty.is_over(Master.END, Verdict.HEARD, stale, 60.0, settled=True)
    assert duty.is_over(Master.END, Verdict.HEARD, replace(EMPTY, seen_at_s=5.0), 60.5, settled=True)


@pytest.mark.parametrize("master", list(Master))
@pytest.mark.parametrize("simulated", [True, False])
def test_only_a_simulated_account_is_lost_when_nobody_sees_it_after_its_session(
    master: Master, *, simulated: bool
) -> None:
    duty = Duty(SETTINGS, simulated=simulated)

    def over(moment_s: float) -> bool:
        return duty.is_over(master, Verdict.HEARD, None, moment_s, settled=False)

    leaving = master in {Master.END, Master.GONE}
    assert [over(0), over(4.9)] == [master is Master.STOP] * 2
    assert over(5.0) is (master is Master.STOP or (simulated and leaving))
