import pytest

from mia_actors.broker.history_pacing import Pacer

IDENTICAL_S, BURST_S, WINDOW_S = 15.0, 2.0, 600.0
IDENTICAL_MAX, BURST_MAX, WINDOW_MAX = 1, 5, 60


def sent_as_soon_as_allowed(pacer: Pacer, requests: list[str]) -> list[float]:
    """Times at which a client that never waits longer than told sends its requests."""
    now_s, times = 1_000.0, []
    for request in requests:
        now_s += pacer.wait_s(request, now_s)
        assert pacer.wait_s(request, now_s) == pytest.approx(0.0, abs=1e-6)
        pacer.sent(request, now_s)
        times.append(now_s)
        pacer.answered()
    return times


def most_within(times: list[float], span_s: float) -> int:
    return max(sum(1 for other in times if 0 <= other - one <= span_s) for one in times)


def test_a_greedy_client_keeps_every_rule_for_small_bars() -> None:
    """200 requests as quickly as the pacer lets them go, every tenth the same."""
    names = ["the same" if number % 10 == 0 else str(number) for number in range(200)]
    times = sent_as_soon_as_allowed(Pacer(is_strict=True), names)
    same = [time_s for time_s, name in zip(times, names, strict=True) if name == "the same"]
    assert most_within(times, BURST_S) <= BURST_MAX
    assert most_within(times, WINDOW_S) <= WINDOW_MAX
    assert most_within(same, IDENTICAL_S) <= IDENTICAL_MAX
    assert times[-1] - times[0] < 4 * WINDOW_S, "it waits no more than it must"


def test_larger_bars_wait_for_bursts_only_until_the_broker_complains() -> None:
    pacer = Pacer(is_strict=False)
    calm = sent_as_soon_as_allowed(pacer, [str(number) for number in range(200)])
    assert calm[-1] - calm[0] < WINDOW_S
    pacer.refused(calm[-1])
    assert pacer.wait_s("next", calm[-1]) > WINDOW_S / 2, "from now on the ten minutes count"


def test_complaints_in_a_row_are_answered_with_longer_silence_up_to_the_limit() -> None:
    pacer, waits = Pacer(is_strict=False), []
    for _ in range(8):
        pacer.refused(0.0)
        waits.append(pacer.wait_s("one", 0.0))
    assert waits == sorted(waits)
    assert waits[1] == 2 * waits[0] > IDENTICAL_S
    assert waits[-1] == waits[-2] > WINDOW_S
    pacer.answered()
    pacer.refused(0.0)
    assert pacer.wait_s("one", 0.0) == waits[0]


def test_requests_of_an_earlier_process_count() -> None:
    pacer = Pacer(is_strict=True)
    for number in range(58):
        pacer.sent(str(number), 100.0 + number)
    assert pacer.wait_s("new", 200.0) > WINDOW_S - 200.0
