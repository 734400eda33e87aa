"""TWS's limits to the pace of requests, on a clock that the test reads out."""

from mia_actors.exchange.gateway.pacing import RequestPacing


def admits(pacing: RequestPacing, now_s: float, request: str, *, market: str = "", weight: int = 1) -> bool:
    return pacing.admits_history(now_s, request=request, market=market or request, weight=weight)


def test_identical_request_is_refused_for_fifteen_seconds_after_the_one_admitted() -> None:
    pacing = RequestPacing()
    assert admits(pacing, 100.0, "one")
    assert not admits(pacing, 114.9, "one")
    assert admits(pacing, 114.9, "two")
    assert admits(pacing, 115.0, "one")  # the one refused does not count


def test_sixth_request_of_one_contract_within_two_seconds_is_refused() -> None:
    pacing = RequestPacing()
    assert all(admits(pacing, 100.0 + number / 10, f"{number}", market="ES") for number in range(5))
    assert not admits(pacing, 101.9, "sixth", market="ES")
    assert admits(pacing, 101.9, "other", market="NQ")
    assert admits(pacing, 102.1, "sixth", market="ES")


def test_sixty_requests_in_ten_minutes_are_the_limit_and_some_count_twice() -> None:
    pacing = RequestPacing()
    assert all(admits(pacing, 3.0 * number, f"{number}") for number in range(58))
    assert admits(pacing, 300.0, "both", weight=2)
    assert not admits(pacing, 300.0, "more")
    assert not admits(pacing, 602.0, "twice", weight=2)
    assert admits(pacing, 603.0, "twice", weight=2)


def test_sixty_first_real_time_request_in_ten_minutes_is_refused() -> None:
    pacing = RequestPacing()
    assert all(pacing.admits_realtime(float(number)) for number in range(60))
    assert not pacing.admits_realtime(599.0)
    assert pacing.admits_realtime(600.0)
