"""Order entry over a scripted line: the gateway's words come exactly when the script says."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mia_actors.broker.broker_word import BrokerWord, WordEvents
from mia_actors.broker.order_entry import OrderEntry
from mia_actors.core.errors import BrokerDisconnected, InvariantViolated, OrderRejected
from mia_actors.core.orders import BrokerSnapshot, OrderSpec, OrderState, OrderType, Purpose, Side
from mia_actors.core.units import ES

CLIENT = 11
ENTRY_REF, STOP_REF = "MIA.ESZ3.20131008T140000.entry", "MIA.ESZ3.20131008T140000.stop"


def _leg(order_ref: str, purpose: Purpose, side: Side) -> OrderSpec:
    return OrderSpec(
        order_ref=order_ref,
        instrument="ESZ3",
        side=side,
        quantity=1,
        order_type=OrderType.MARKET,
        purpose=purpose,
        decided_at_ns=0,
    )


GROUP = [_leg(ENTRY_REF, Purpose.ENTRY, Side.BUY), _leg(STOP_REF, Purpose.STOP, Side.SELL)]
NUMBERS = {ENTRY_REF: 1, STOP_REF: 2}
Script = Callable[["ScriptedLine"], None]


def _nothing(_line: "ScriptedLine") -> None:
    """A gateway that says nothing."""


class ScriptedLine:
    """A connection that says what its scripts say, when it is sent something."""

    def __init__(
        self, *, on_send: Script = _nothing, on_cancel: Script = _nothing, on_lists: Script = _nothing
    ) -> None:
        events = WordEvents(on_bar=_ignore, on_fill=_ignore, on_notice=_ignore, on_failure=_ignore)
        self.word = BrokerWord(ES, client_id=CLIENT, events=events)
        self.sent: list[str] = []
        self.cancelled: list[int] = []
        self.asked = 0
        self._on_send, self._on_cancel, self._on_lists = on_send, on_cancel, on_lists

    def send(self, group: Sequence[OrderSpec]) -> None:
        self.sent += [spec.order_ref for spec in group]
        self.word.sent(group, [NUMBERS[spec.order_ref] for spec in group])
        self._on_send(self)

    def send_cancel(self, order_refs: Sequence[str]) -> None:
        self.cancelled += self.word.cancellable(order_refs)
        self._on_cancel(self)

    def snapshot(self) -> BrokerSnapshot:
        self.asked += 1
        self.word.begin_lists()
        self._on_lists(self)
        self.word.end_lists()
        return BrokerSnapshot(orders=self.word.reports(), fills=(), position_contracts=0)

    def says(self, order_ref: str, status: str, filled: int = 0) -> None:
        """The frames openOrder and orderStatus of one order."""
        number = NUMBERS[order_ref]
        side = "BUY" if order_ref == ENTRY_REF else "SELL"
        order = _Fields(
            orderRef=order_ref, clientId=CLIENT, permId=900 + number, action=side, totalQuantity=1
        )
        self.word.wire_open_order(number, order, _Fields(status=status))
        self.word.wire_order_status(
            order_id=number,
            client_id=CLIENT,
            perm_id=900 + number,
            status=status,
            filled=filled,
            remaining=1 - filled,
        )

    def objects(self, order_ref: str, code: int) -> None:
        self.word.wire_error(NUMBERS[order_ref], code, "because")


class _Fields:
    """A broker object with the fields a test needs."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def _ignore(*_: object) -> None:
    """Nobody listens."""


def _both(status: str) -> Script:
    def say(line: ScriptedLine) -> None:
        line.says(ENTRY_REF, status)
        line.says(STOP_REF, status)

    return say


def _entry(line: ScriptedLine) -> OrderEntry:
    return OrderEntry(line, line.word, ack_timeout_s=0.01)


def test_an_acknowledged_group_is_reported_without_asking() -> None:
    line = ScriptedLine(on_send=_both("PreSubmitted"))
    reports = _entry(line).place(GROUP)
    assert [report.state for report in reports] == [OrderState.WORKING] * 2
    assert line.asked == 0


def test_the_same_group_is_sent_once() -> None:
    line = ScriptedLine(on_send=_both("Submitted"))
    entry = _entry(line)
    assert entry.place(GROUP) == entry.place(GROUP)
    assert line.sent == [ENTRY_REF, STOP_REF]


def test_silence_is_settled_by_asking_and_a_group_that_is_there_is_not_sent_again() -> None:
    line = ScriptedLine(on_lists=_both("Submitted"))
    reports = _entry(line).place(GROUP)
    assert [report.state for report in reports] == [OrderState.WORKING] * 2
    assert (line.asked, line.sent) == (1, [ENTRY_REF, STOP_REF])


def test_a_group_the_broker_dropped_silently_is_unknown_to_the_caller_and_may_be_sent_again() -> None:
    line = ScriptedLine()
    entry = _entry(line)
    for _ in range(2):
        with pytest.raises(BrokerDisconnected, match="no acknowledgement"):
            entry.place(GROUP)
    assert line.sent == [ENTRY_REF, STOP_REF] * 2


def test_a_refused_group_is_rejected_with_the_broker_s_words() -> None:
    def refuse(line: ScriptedLine) -> None:
        for order_ref in NUMBERS:
            line.objects(order_ref, 201)
            line.says(order_ref, "Inactive")

    line = ScriptedLine(on_send=refuse)
    with pytest.raises(OrderRejected, match=r"entry: 201 order rejected: because"):
        _entry(line).place(GROUP)


def test_a_preset_notice_on_live_orders_is_no_refusal() -> None:
    """10349: the client library calls these orders cancelled; they are not, and are not sent again."""

    def preset(line: ScriptedLine) -> None:
        _both("Submitted")(line)
        line.objects(ENTRY_REF, 10349)

    line = ScriptedLine(on_send=preset)
    assert [one.state for one in _entry(line).place(GROUP)] == [OrderState.WORKING] * 2


def test_a_false_refusal_is_undone_by_asking() -> None:
    def object_to_all(line: ScriptedLine) -> None:
        line.objects(ENTRY_REF, 201)
        line.objects(STOP_REF, 201)

    line = ScriptedLine(on_send=object_to_all, on_lists=_both("Submitted"))
    assert [one.state for one in _entry(line).place(GROUP)] == [OrderState.WORKING] * 2
    assert line.asked == 1


def test_half_a_bracket_is_withdrawn() -> None:
    """The stop is refused while the entry works: the entry is cancelled, and the group counts as refused."""

    def refuse_stop(line: ScriptedLine) -> None:
        line.says(ENTRY_REF, "Submitted")
        line.objects(STOP_REF, 110)

    line = ScriptedLine(
        on_send=refuse_stop,
        on_lists=lambda line: line.says(ENTRY_REF, "Submitted"),
        on_cancel=lambda line: line.says(ENTRY_REF, "Cancelled"),
    )
    with pytest.raises(OrderRejected, match="stop: 110"):
        _entry(line).place(GROUP)
    assert line.cancelled == [NUMBERS[ENTRY_REF]]


def test_an_entry_that_filled_before_its_stop_was_refused_is_reported_as_it_is() -> None:
    def fill_then_refuse(line: ScriptedLine) -> None:
        line.says(ENTRY_REF, "Filled", filled=1)
        line.objects(STOP_REF, 110)

    reports = _entry(ScriptedLine(on_send=fill_then_refuse)).place(GROUP)
    assert [report.state for report in reports] == [OrderState.FILLED, OrderState.REJECTED]


def test_a_group_of_which_the_broker_has_a_part_is_never_completed() -> None:
    line = ScriptedLine()
    line.says(ENTRY_REF, "Submitted")
    with pytest.raises(InvariantViolated, match="only MIA"):
        _entry(line).place(GROUP)
    assert line.sent == []


def test_a_cancel_waits_for_the_end_and_reports_a_fill_that_came_first() -> None:
    def race(line: ScriptedLine) -> None:
        line.says(ENTRY_REF, "Filled", filled=1)
        line.says(STOP_REF, "Cancelled")

    line = ScriptedLine(on_send=_both("Submitted"), on_cancel=race)
    entry = _entry(line)
    entry.place(GROUP)
    states = [report.state for report in entry.cancel([ENTRY_REF, STOP_REF])]
    assert states == [OrderState.FILLED, OrderState.CANCELLED]


def test_a_cancel_that_is_not_answered_is_not_called_done() -> None:
    """In the daily break a cancel is answered an hour later."""
    line = ScriptedLine(on_send=_both("Submitted"), on_lists=_both("Submitted"))
    entry = _entry(line)
    entry.place(GROUP)
    with pytest.raises(BrokerDisconnected, match="not known to be cancelled"):
        entry.cancel([ENTRY_REF])


def test_what_the_broker_does_not_have_is_left_out_of_a_cancel() -> None:
    line = ScriptedLine()
    assert _entry(line).cancel([ENTRY_REF]) == ()
    assert (line.asked, line.cancelled) == (1, [])


def test_a_final_order_is_not_cancelled_again() -> None:
    line = ScriptedLine()
    line.says(ENTRY_REF, "Filled", filled=1)
    (report,) = _entry(line).cancel([ENTRY_REF])
    assert report.state is OrderState.FILLED
    assert line.cancelled == []
