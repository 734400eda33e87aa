"""Pauses between tries, in looks."""

from mia_actors.guardian.patience import FREE_FAILURES, LOOKS_MAX, Patience


def looks_until_due(patience: Patience, moment: float) -> tuple[int, float]:
    """Looks let pass, and the moment of the one that is due."""
    passed = 0
    while not patience.is_due(moment := moment + 1):
        passed += 1
    return passed, moment


def test_the_pauses_double_up_to_a_bound_and_begin_anew_after_a_success() -> None:
    patience, moment = Patience(), 0.0
    pauses = []
    for _ in range(12):
        patience.failed(moment)
        passed, moment = looks_until_due(patience, moment)
        pauses.append(passed)
    assert pauses[:FREE_FAILURES] == [0, 0]
    assert pauses[FREE_FAILURES:] == [1, 2, 4, 8, 16, 32, 64, LOOKS_MAX, LOOKS_MAX, LOOKS_MAX]
    patience.succeeded()
    patience.failed(moment)
    assert looks_until_due(patience, moment)[0] == 0


def test_asking_twice_at_the_same_moment_is_one_look() -> None:
    patience = Patience()
    for _ in range(FREE_FAILURES + 2):
        patience.failed(0.0)
    assert [patience.is_due(moment) for moment in (0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 3.0)] == [
        *[False] * 5,
        *[False] * 1,
        True,
        True,
    ]
