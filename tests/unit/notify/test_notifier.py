"""The notifier over a real event log: in order, at least once, nothing lost, nobody waits for it."""

import threading
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import pytest

from mia_actors.core.clock import VirtualClock
from mia_actors.core.errors import ConfigError, TransientError
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import Latch
from mia_actors.notify.actor import CURSOR_FILE, DRY_RUN_FILE, Notifier, NotifierSettings, notice_of
from mia_actors.notify.notices import Channel, Notice, Urgency
from mia_actors.supervision.child import ChildContext
from mia_actors.supervision.event_log import EventLog, LoggedEvent
from mia_actors.supervision.ref import Ref
from tests.unit.guardian.account import session_info

BOUND_S = 30.0
MakeNotifier = Callable[..., Notifier]


def event(node: str, name: str = "child.exited", **changes: object) -> LoggedEvent:
    known: dict[str, object] = {"reason": "killed", **changes}
    return LoggedEvent(time_ns=0, node=node, incarnation=1, event=name, **known)  # type: ignore[arg-type]


class Killed(BaseException):
    """The process is gone in the middle of what it did."""


class Crashed(BaseException):
    """The child ended its process: its supervisor starts it again."""


class FakeOutlet:
    """Delivers, except where `failures` says otherwise: one entry a try, None for a delivery."""

    def __init__(self, *failures: BaseException | None) -> None:
        self.failures = list(failures)
        self.delivered: list[Notice] = []

    def send(self, told: Notice) -> None:
        """See `Outlet`."""
        failure = self.failures.pop(0) if self.failures else None
        if not isinstance(failure, TransientError | OSError):
            self.delivered.append(told)
        if failure is not None:
            raise failure

    @property
    def titles(self) -> list[str]:
        """Nodes told of, in order."""
        return [told.title.split(":")[0] for told in self.delivered]


class LastLook(threading.Event):
    """Is set, so that one look is the last; notes each wait and lets a virtual clock pass in it."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self.waits: list[float] = []
        self.set()

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        self._clock.sleep_s(timeout or 0)
        return True


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def make_notifier(tmp_path: Path, clock: VirtualClock) -> MakeNotifier:
    """A notifier of the session in `tmp_path`, as a new process has it."""

    def crash(error: BaseException) -> NoReturn:
        raise Crashed from error

    def refs(name: str) -> Ref:
        raise AssertionError(f"the notifier asks nobody, least of all {name}")

    def make(settings: NotifierSettings | None = None) -> Notifier:
        context = ChildContext(
            child_id="notifier",
            incarnation=1,
            session=session_info(tmp_path),
            clock=clock,
            refs=refs,
            finish=lambda: None,
            crash=crash,
        )
        return Notifier(settings or NotifierSettings(), context)

    return make


def log_of(directory: Path, *nodes: str, name: str = "child.exited") -> None:
    with closing(EventLog(directory)) as log:
        log.append([event(node, name) for node in nodes])


def one_look(notifier: Notifier, outlet: FakeOutlet, clock: VirtualClock) -> LastLook:
    """The notifier's loop, once, in this thread."""
    look = LastLook(clock)
    notifier._stopping = look
    notifier._guarded_loop(outlet)
    return look


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        (event("broker"), (Urgency.WARNING, "broker: child.exited")),
        (event("broker", "child.start_failed"), (Urgency.WARNING, "broker: child.start_failed")),
        (event("mentor", "child.input_quarantined"), (Urgency.CRITICAL, "mentor: child.input_quarantined")),
        (event("root", "supervision.budget_spent"), (Urgency.CRITICAL, "root: supervision.budget_spent")),
        (event("root", "supervision.tree_gave_up"), (Urgency.CRITICAL, "root: supervision.tree_gave_up")),
        (event("broker", reason="normal"), None),
        (event("broker", reason="shutdown"), None),
        (event("broker", "child.started"), None),
        (event("broker", "supervisor.started"), None),
    ],
)
def test_deaths_and_spent_budgets_are_told_and_the_orderly_course_of_things_is_not(
    happened: LoggedEvent, expected: tuple[Urgency, str] | None
) -> None:
    told = notice_of("s1", 7, happened)
    assert (None if told is None else (told.urgency, told.title)) == expected
    if told is not None:
        assert (told.notice_id, told.channel) == ("s1-7", Channel.ALERTS)


def test_a_restart_is_told_with_the_time_it_took() -> None:
    restarted = LoggedEvent(
        time_ns=0, node="broker", incarnation=2, event="child.started", decide_ms=10.0, start_ms=20.4
    )
    told = notice_of("s1", 8, restarted)
    assert told is not None
    assert (told.urgency, told.title) == (Urgency.INFO, "broker restarted")
    assert dict(told.fields)["restart took"] == "30 ms"  # what was not measured counts as nothing


def test_the_last_lines_of_a_long_traceback_are_told() -> None:
    told = notice_of("s1", 9, event("broker", traceback="x" * 9000 + "ValueError: the end"))
    assert told is not None
    assert dict(told.fields)["traceback"].endswith("ValueError: the end")


def test_each_event_is_told_once_in_order_by_one_life_after_the_other(
    tmp_path: Path, make_notifier: MakeNotifier, clock: VirtualClock
) -> None:
    outlet = FakeOutlet()
    for nodes in (("a", "b"), (), ("c",)):
        log_of(tmp_path, *nodes)
        one_look(make_notifier(), outlet, clock)
    assert outlet.titles == ["a", "b", "c"]
    assert [told.notice_id for told in outlet.delivered] == ["s1-1", "s1-2", "s1-3"]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_notifier_killed_after_a_delivery_repeats_that_one_recognisably_and_loses_none(
    tmp_path: Path, make_notifier: MakeNotifier, clock: VirtualClock, at: int
) -> None:
    log_of(tmp_path, "a", "b", "c")
    outlet = FakeOutlet(*[None] * at, Killed())
    with pytest.raises(Killed):
        one_look(make_notifier(), outlet, clock)
    one_look(make_notifier(), outlet, clock)
    assert outlet.titles == sorted([*"abc", "abc"[at]])
    assert len({told.notice_id for told in outlet.delivered}) == 3


def test_a_failed_delivery_is_tried_again_with_longer_and_longer_waits_before_the_next_notice(
    tmp_path: Path, make_notifier: MakeNotifier, clock: VirtualClock
) -> None:
    log_of(tmp_path, "a", "b")
    outlet = FakeOutlet(TransientError("503"), TransientError("503"), TransientError("503"))
    look = one_look(make_notifier(NotifierSettings(retry_max=4, look_every_s=0.25)), outlet, clock)
    assert outlet.titles == ["a", "b"]
    first_look, *waits = look.waits
    assert first_look == 0.25
    assert len(waits) == 3
    assert waits[0] >= 1
    assert [later / earlier for earlier, later in pairwise(waits)] == [2, 2]


def test_a_channel_that_stays_away_does_not_hold_up_the_log(
    tmp_path: Path, make_notifier: MakeNotifier, clock: VirtualClock
) -> None:
    log_of(tmp_path, "a", "b")
    outlet = FakeOutlet(TransientError("away"), TransientError("away"))
    one_look(make_notifier(NotifierSettings(retry_max=2)), outlet, clock)
    assert outlet.titles[-1] == "b"


def test_a_critical_notice_is_never_dropped_however_long_the_channel_is_away(
    tmp_path: Path, make_notifier: MakeNotifier, clock: VirtualClock
) -> None:
    """Domain section 19: never dropped for critical."""
    log_of(tmp_path, "root", name="supervision.budget_spent")
    outlet = FakeOutlet(*[TransientError("away")] * 10)
    for _ in range(12):
        one_look(make_notifier(), outlet, clock)
    assert outlet.titles == ["root"]


@pytest.mark.xfail(strict=True, reason="there is no rate limit of our own; 25 notices go out in one look")
def test_no_more_than_ten_notices_go_out_in_a_minute_and_none_within_a_second_of_another(
    tmp_path: Path, make_notifier: MakeNotifier, clock: VirtualClock
) -> None:
    """Domain section 19, against a child that crashes in a circle."""
    sent_s: list[float] = []

    class TimedOutlet(FakeOutlet):
        def send(self, told: Notice) -> None:
            sent_s.append(clock.monotonic_s())
            super().send(told)

    log_of(tmp_path, *[f"child{number}" for number in range(25)])
    for _ in range(40):
        one_look(make_notifier(), TimedOutlet(), clock)
    assert len(sent_s) == 25
    assert all(later - earlier >= 1 for earlier, later in pairwise(sent_s))
    assert all(later - earlier >= 60 for earlier, later in zip(sent_s, sent_s[10:], strict=False))


def test_a_full_disk_crashes_the_notifier_or_is_survived(
    tmp_path: Path, make_notifier: MakeNotifier, clock: VirtualClock
) -> None:
    log_of(tmp_path, "a")
    outlet = FakeOutlet(OSError("No space left on device"))
    for _ in range(2):
        try:
            one_look(make_notifier(), outlet, clock)
        except Crashed:
            continue
    assert outlet.titles == ["a"]


def test_a_cursor_that_cannot_be_read_repeats_rather_than_keeps_silent(
    tmp_path: Path, make_notifier: MakeNotifier, clock: VirtualClock
) -> None:
    """It is written without fsync: after a power cut the file may be empty."""
    (tmp_path / CURSOR_FILE).touch()
    log_of(tmp_path, "a")
    outlet = FakeOutlet()
    one_look(make_notifier(), outlet, clock)
    assert outlet.titles == ["a"]


def test_a_halt_by_the_guardian_is_told_as_critical(
    tmp_path: Path, make_notifier: MakeNotifier, clock: VirtualClock
) -> None:
    with closing(Latch.open(tmp_path)) as latch:
        latch.lower(TradingState.HALTED, reason="day loss", who="guardian", at_ns=1)
    outlet = FakeOutlet()
    one_look(make_notifier(), outlet, clock)
    assert [told.urgency for told in outlet.delivered] == [Urgency.CRITICAL]


def test_by_default_nothing_leaves_the_machine_and_a_stop_still_tells_what_is_there(
    tmp_path: Path, make_notifier: MakeNotifier
) -> None:
    """With its own thread; looking once a minute, it tells at the stop what came since."""
    notifier = make_notifier(NotifierSettings(look_every_s=60))
    notifier.start()
    log_of(tmp_path, "a", "b")
    notifier.stop()
    assert notifier._thread is not None
    notifier._thread.join(BOUND_S)
    lines = (tmp_path / DRY_RUN_FILE).read_text(encoding="utf-8").splitlines()
    assert [line.split("(")[0].strip() for line in lines] == [
        "[alerts] WARNING a: child.exited",
        "[alerts] WARNING b: child.exited",
    ]


def test_discord_without_a_webhook_refuses_to_start(
    make_notifier: MakeNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIA_DISCORD_WEBHOOK", raising=False)
    with pytest.raises(ConfigError, match="MIA_DISCORD_WEBHOOK"):
        make_notifier(NotifierSettings(channel="discord")).start()
