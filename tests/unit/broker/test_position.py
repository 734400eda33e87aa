"""The position is taken from the stream only while the executions heard explain it."""

from mia_actors.broker.position import HeardPosition


def test_nothing_is_agreed_before_the_broker_was_asked() -> None:
    position = HeardPosition()
    position.told(1)
    assert position.agreed(executed=1) is None


def test_stream_and_executions_that_agree_need_no_question() -> None:
    position = HeardPosition()
    position.asked(0, executed=0)
    position.told(-2)
    assert position.agreed(executed=-2) == -2


def test_an_execution_whose_position_has_not_come_yet_is_a_disagreement() -> None:
    position = HeardPosition()
    position.asked(0, executed=0)
    assert position.agreed(executed=1) is None


def test_a_position_that_no_execution_explains_is_a_disagreement_until_it_was_asked() -> None:
    position = HeardPosition()
    position.asked(1, executed=1)
    position.told(0)  # somebody else's order, whose execution is not streamed to this client
    assert position.agreed(executed=1) is None
    position.asked(0, executed=1)
    assert position.agreed(executed=1) == 0
