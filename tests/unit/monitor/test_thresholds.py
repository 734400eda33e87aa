import pytest
from pydantic import ValidationError

from mia_actors.monitor.thresholds import AlertBook, AlertLevel, Threshold


def _book() -> AlertBook:
    return AlertBook({"cpu_percent": Threshold(warning=70, critical=90)}, cooldown_s=600)


def test_a_rise_is_told_once_until_the_cooldown_is_over() -> None:
    book = _book()
    assert [alert.level for alert in book.judge({"cpu_percent": 75}, 0)] == [AlertLevel.WARNING]
    assert book.judge({"cpu_percent": 80}, 100) == ()
    assert [alert.level for alert in book.judge({"cpu_percent": 80}, 601)] == [AlertLevel.WARNING]


def test_recovery_is_told() -> None:
    book = _book()
    book.judge({"cpu_percent": 95}, 0)
    assert [alert.level for alert in book.judge({"cpu_percent": 10}, 1)] == [AlertLevel.OK]
    assert book.judge({"cpu_percent": 10}, 5000) == ()


def test_getting_worse_is_told_at_once() -> None:
    book = _book()
    book.judge({"cpu_percent": 75}, 0)
    (alert,) = book.judge({"cpu_percent": 91}, 1)
    assert (alert.level, alert.limit) == (AlertLevel.CRITICAL, 90)


def test_figures_without_a_threshold_pass() -> None:
    assert _book().judge({"uptime_s": 1e9}, 0) == ()


def test_a_warning_above_its_critical_limit_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be below"):
        Threshold(warning=90, critical=70)
