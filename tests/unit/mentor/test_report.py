from decimal import Decimal

from mia_actors.core.orders import Side
from mia_actors.core.tradebook import ClosedTrade
from mia_actors.mentor.report import MessageType, Severity, daily_metrics, daily_report


def _trades(*results: str) -> list[ClosedTrade]:
    return [
        ClosedTrade(
            instrument="ESZ3",
            side=Side.BUY,
            quantity=1,
            entry_ref="a",
            exit_ref="b",
            opened_at_ns=number,
            closed_at_ns=number + 1,
            entry_price_ticks=Decimal(1),
            exit_price_ticks=Decimal(2),
            gross_usd=Decimal(result) + Decimal("4.50"),
            commission_usd=Decimal("4.50"),
        )
        for number, result in enumerate(results)
    ]


def test_profit_factor_is_gross_profit_over_gross_loss() -> None:
    metrics = daily_metrics(_trades("100", "50", "-50"))
    assert metrics.profit_factor == 3.0
    assert metrics.pnl_usd == Decimal(100)


def test_drawdown_is_measured_from_the_running_maximum() -> None:
    assert daily_metrics(_trades("100", "-30", "-40", "200")).drawdown_usd == Decimal(-70)


def test_without_a_loss_there_is_no_profit_factor() -> None:
    assert daily_metrics(_trades("100")).profit_factor is None


def test_no_trade_gives_no_verdict_and_says_so() -> None:
    report = daily_report("2013-10-08", [])
    assert [message.type for message in report.messages] == [MessageType.DAILY_REPORT]
    assert "nothing to judge" in report.text


def test_two_losses_are_too_few_for_an_alert() -> None:
    report = daily_report("2013-10-08", _trades("-100", "-100"))
    assert len(report.messages) == 1
    assert "too few" in report.messages[0].text


def test_three_losses_raise_an_alert_with_its_sample_size() -> None:
    report = daily_report("2013-10-08", _trades("-300", "-300", "-300"))
    critical = [message for message in report.messages if message.severity is Severity.CRITICAL]
    assert critical
    assert all("(n=3)" in message.text for message in report.messages[1:])


def test_a_good_day_is_celebrated() -> None:
    report = daily_report("2013-10-08", _trades("100", "100", "100", "-10"))
    assert MessageType.CELEBRATION in {message.type for message in report.messages}
