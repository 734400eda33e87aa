from collections.abc import Callable, Sequence

import pytest

from mia_actors.core.errors import DataStale
from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.ids import seeded_random
from mia_actors.core.market import Bar, BarBuilder, Timeframe
from mia_actors.features.catch_up import FeatureCatchUp
from mia_actors.features.stream import FeatureStream

Prices = tuple[int, int, int, int, int]
Walk = Callable[[int, int], list[Prices]]
MakeBars = Callable[..., list[Bar]]
WINDOW_BARS = 60


class FakeJournal:
    """Base bars in memory, with the journal's way of asking."""

    def __init__(self, bars: Sequence[Bar]) -> None:
        self.bars = list(bars)
        self.bars_read = 0

    def base_bars(self, after_start_ns: int | None, until_end_ns: int, limit: int | None) -> list[Bar]:
        found = [
            bar
            for bar in self.bars
            if bar.end_ns <= until_end_ns and (after_start_ns is None or bar.start_ns > after_start_ns)
        ]
        found = found if limit is None else found[:limit]
        self.bars_read += len(found)
        return found


def _with_gaps(bars: list[Bar], seed: int) -> list[Bar]:
    """Single bars missing here and there, and a closed market twice."""
    source = seeded_random(seed)
    count = len(bars)
    closed = set(range(count // 3, count // 3 + 300)) | set(range(count - 400, count - 350))
    return [bar for i, bar in enumerate(bars) if i not in closed and source.random() > 0.02]


def _expected(bars: Sequence[Bar], timeframe: Timeframe, end_ns: int) -> TimeframeFeatures | None:
    stream = FeatureStream(timeframe, WINDOW_BARS)
    for bar in bars:
        if bar.end_ns <= end_ns:
            stream.feed(bar)
    return stream.current()


@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M5, Timeframe.M15])
def test_worker_killed_anywhere_answers_as_if_it_had_lived(
    make_bars: MakeBars, walk: Walk, timeframe: Timeframe
) -> None:
    """Continuous, killed at random bars, and built over the whole tape: the same bits at every bar asked."""
    bars = _with_gaps(make_bars(walk(11, 2200), Timeframe.M1), 11)
    journal = FakeJournal([])
    source = seeded_random(3)
    living = FeatureCatchUp(journal, timeframe, WINDOW_BARS)
    mortal = FeatureCatchUp(journal, timeframe, WINDOW_BARS)
    whole = FeatureStream(timeframe, WINDOW_BARS)
    deaths = 0
    for bar in bars:
        journal.bars.append(bar)
        closed = whole.feed(bar)
        if source.random() < 0.02:
            mortal = FeatureCatchUp(journal, timeframe, WINDOW_BARS)
            deaths += 1
        elif not closed or source.random() < 0.5:
            continue
        assert living.features_at(bar.end_ns) == whole.current()
        assert mortal.features_at(bar.end_ns) == whole.current()
    assert deaths > 10


def test_same_question_again_and_an_earlier_one_get_the_same_answer(make_bars: MakeBars, walk: Walk) -> None:
    bars = make_bars(walk(5, 900), Timeframe.M1)
    catch_up = FeatureCatchUp(FakeJournal(bars), Timeframe.M5, WINDOW_BARS)
    late, early = bars[-1].end_ns, bars[500].end_ns
    first = catch_up.features_at(late)
    assert catch_up.features_at(late) == first
    assert catch_up.features_at(early) == _expected(bars, Timeframe.M5, early)
    assert catch_up.features_at(late) == first


def test_rebuild_reads_what_the_window_needs_not_the_whole_journal(make_bars: MakeBars, walk: Walk) -> None:
    bars = make_bars(walk(6, 3000), Timeframe.M1)
    journal = FakeJournal(bars)
    end_ns = bars[-1].end_ns
    answer = FeatureCatchUp(journal, Timeframe.M5, WINDOW_BARS).features_at(end_ns)
    assert answer == _expected(bars, Timeframe.M5, end_ns)
    assert answer is not None
    assert answer.bars_count == WINDOW_BARS
    assert journal.bars_read <= 2 * WINDOW_BARS * 5


def test_window_reaches_over_a_gap_longer_than_a_weekend(make_bars: MakeBars, walk: Walk) -> None:
    """Non-contiguous days: the window is the last bars there are, however old."""
    rows = walk(7, 14_000)
    bars = make_bars(rows, Timeframe.M1)
    bars = bars[:500] + bars[-40:]
    end_ns = bars[-1].end_ns
    answer = FeatureCatchUp(FakeJournal(bars), Timeframe.M5, WINDOW_BARS).features_at(end_ns)
    assert answer == _expected(bars, Timeframe.M5, end_ns)
    assert answer is not None
    assert answer.bars_count == WINDOW_BARS


def test_first_bar_of_a_window_read_back_is_whole(make_bars: MakeBars, walk: Walk) -> None:
    """The time read back begins inside a bin, and the window reaches exactly to that bin."""
    bars = make_bars(walk(15, 1203), Timeframe.M1)
    bars = bars[:700] + bars[1000:]
    end_ns = bars[-1].end_ns
    answer = FeatureCatchUp(FakeJournal(bars), Timeframe.M5, WINDOW_BARS).features_at(end_ns)
    assert answer == _expected(bars, Timeframe.M5, end_ns)
    assert answer is not None
    assert answer.bars_count == WINDOW_BARS


def test_journal_that_does_not_reach_the_moment_is_stale(make_bars: MakeBars, walk: Walk) -> None:
    """And the same question is answered once the bar is there."""
    bars = make_bars(walk(8, 100), Timeframe.M1)
    journal = FakeJournal(bars[:-1])
    catch_up = FeatureCatchUp(journal, Timeframe.M1, WINDOW_BARS)
    with pytest.raises(DataStale, match="wanted 2013-10-08T15:40:00Z"):
        catch_up.features_at(bars[-1].end_ns)
    journal.bars.append(bars[-1])
    assert catch_up.features_at(bars[-1].end_ns) == _expected(bars, Timeframe.M1, bars[-1].end_ns)


def test_moment_inside_a_gap_is_answered_once_the_gap_has_ended(make_bars: MakeBars, walk: Walk) -> None:
    bars = make_bars(walk(9, 60), Timeframe.M1)
    end_ns = bars[30].end_ns
    journal = FakeJournal(bars[:30])
    catch_up = FeatureCatchUp(journal, Timeframe.M5, WINDOW_BARS)
    with pytest.raises(DataStale):
        catch_up.features_at(end_ns)
    journal.bars += bars[40:]
    assert catch_up.features_at(end_ns) == _expected(bars[:30], Timeframe.M5, end_ns)


def test_empty_journal_is_stale() -> None:
    with pytest.raises(DataStale, match="end at none"):
        FeatureCatchUp(FakeJournal([]), Timeframe.M5, WINDOW_BARS).features_at(10**18)


def test_no_closed_bar_yet_is_none(make_bars: MakeBars, walk: Walk) -> None:
    bars = make_bars(walk(10, 3), Timeframe.M1)
    assert FeatureCatchUp(FakeJournal(bars), Timeframe.M5, WINDOW_BARS).features_at(bars[-1].end_ns) is None


def test_timeframe_shorter_than_the_base_bars_never_closes(make_bars: MakeBars, walk: Walk) -> None:
    """A five-minute tape has no one-minute bars."""
    bars = make_bars(walk(12, 80), Timeframe.M5)
    assert FeatureCatchUp(FakeJournal(bars), Timeframe.M1, WINDOW_BARS).features_at(bars[-1].end_ns) is None


def test_next_contract_starts_anew_in_stream_and_rebuild(make_bars: MakeBars, walk: Walk) -> None:
    rows = walk(13, 400)
    bars = make_bars(rows[:203], Timeframe.M1) + make_bars(rows, Timeframe.M1, "ESH4")[203:]
    end_ns = bars[-1].end_ns
    answer = FeatureCatchUp(FakeJournal(bars), Timeframe.M5, WINDOW_BARS).features_at(end_ns)
    assert answer == _expected(bars, Timeframe.M5, end_ns)
    assert answer is not None
    # Minutes 203 and 204 make a first, short bar of the new contract.
    assert answer.bars_count == 1 + (400 - 205) // 5


def test_stream_answers_on_close_only_and_evaluates_once(make_bars: MakeBars, walk: Walk) -> None:
    stream = FeatureStream(Timeframe.M5)
    bars = make_bars(walk(14, 10), Timeframe.M1)
    answers = [stream.add(bar) for bar in bars]
    assert [answer is not None for answer in answers] == [False, False, False, False, True] * 2
    assert stream.current() is stream.current() is answers[-1]


@pytest.mark.parametrize("timeframe", [Timeframe.M5, Timeframe.M15, Timeframe.H1])
def test_one_minute_and_five_minute_tapes_give_the_same_features(
    make_bars: MakeBars, walk: Walk, timeframe: Timeframe
) -> None:
    """A model trained on five-minute bars serves a one-minute tape."""
    builder = BarBuilder(Timeframe.M5)
    fine, coarse = FeatureStream(timeframe), FeatureStream(timeframe)
    for minute in make_bars(walk(16, 5 * 12 * 40), Timeframe.M1):
        fine.feed(minute)
        for bar in builder.add(minute):
            coarse.feed(bar)
            assert coarse.current() == fine.current()
    assert coarse.bars_count >= 40
