from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mia_actors.core.errors import ConfigError, PermanentError
from mia_actors.core.market import Bar, Timeframe
from mia_actors.store.tape_parts import SCHEMA, TapeParts, folder_of, table_of, tape_name

WHAT = {"contract": "ESZ13", "bar": "1m", "from": "2013-10-07", "to": "2013-10-08"}
FIRST_NS = 1_381_186_800 * 10**9


def bars(count: int, start: int = 0) -> list[Bar]:
    return [
        Bar(
            instrument="ESZ3",
            timeframe=Timeframe.M1,
            start_ns=FIRST_NS + number * Timeframe.M1.ns,
            open_ticks=6700 + number,
            high_ticks=6703 + number,
            low_ticks=6699 + number,
            close_ticks=6701 + number,
            volume=number,
        )
        for number in range(start, start + count)
    ]


def rows(count: int, start: int = 0) -> object:
    return table_of(bars(count, start), "ES", "ESZ13")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "bars.parquet"


def test_parts_taken_up_again_make_the_bytes_of_parts_written_in_one_go(tmp_path: Path) -> None:
    interrupted, undisturbed = tmp_path / "one.parquet", tmp_path / "two.parquet"
    with TapeParts.held(interrupted, WHAT) as parts:
        parts.describe(con_id="7")
        parts.write("a", rows(3))
    with TapeParts.held(interrupted, WHAT) as parts:
        assert parts.has("a")
        assert not parts.has("b")
        parts.describe(con_id="7")
        parts.write("b", rows(2, 3))
        said = parts.finish(parts.table("ab"), empty_days=[])
    with TapeParts.held(undisturbed, WHAT) as parts:
        parts.describe(con_id="7")
        parts.write("a", rows(3))
        parts.write("b", rows(2, 3))
        parts.finish(parts.table("ab"), empty_days=[])
    assert interrupted.read_bytes() == undisturbed.read_bytes()
    assert pq.read_table(interrupted).column("close").to_pylist() == [bar.close_ticks / 4 for bar in bars(5)]
    assert not folder_of(interrupted).exists()
    with TapeParts.held(interrupted, WHAT) as parts:
        assert parts.finished() == said
    assert not folder_of(interrupted).exists()


def test_a_part_that_was_not_finished_is_none(output: Path) -> None:
    with TapeParts.held(output, WHAT) as parts:
        (parts.folder / "a.parquet.new").write_bytes(b"half of i")
        assert not parts.has("a")
        parts.describe()
        parts.write("a", rows(1))
        assert parts.table("a").num_rows == 1


def test_a_second_download_of_the_same_file_is_refused(output: Path) -> None:
    with (
        TapeParts.held(output, WHAT),
        pytest.raises(ConfigError, match="another download writes it"),
        TapeParts.held(output, WHAT),
    ):
        pytest.fail("the lock was given twice")
    with TapeParts.held(output, WHAT):
        """The first one has ended."""


def test_parts_of_another_tape_are_not_mixed_in(output: Path) -> None:
    with TapeParts.held(output, WHAT) as parts:
        parts.describe(con_id="7")
    with (
        pytest.raises(ConfigError, match=r"another download .to 2013-10-08; asked for: to 2013-10-09"),
        TapeParts.held(output, {**WHAT, "to": "2013-10-09"}),
    ):
        pytest.fail("another range was let in")
    with TapeParts.held(output, WHAT) as parts, pytest.raises(ConfigError, match="con_id 7"):
        parts.describe(con_id="8")


def test_a_file_that_is_there_is_never_overwritten(output: Path) -> None:
    pq.write_table(SCHEMA.empty_table(), output)
    with TapeParts.held(output, WHAT) as parts, pytest.raises(ConfigError, match="not made by a download"):
        parts.finished()
    output.write_text("a letter", encoding="utf-8")
    with TapeParts.held(output, WHAT) as parts, pytest.raises(ConfigError, match="not made by a download"):
        parts.finished()


def test_what_somebody_else_put_beside_the_parts_stays(output: Path) -> None:
    with TapeParts.held(output, WHAT) as parts:
        (parts.folder / "notes.txt").write_text("mine", encoding="utf-8")
        parts.write("a", rows(1))
        parts.finish(parts.table("a"))
    assert [path.name for path in folder_of(output).iterdir()] == ["notes.txt"]


def test_a_damaged_part_is_named(output: Path) -> None:
    with TapeParts.held(output, WHAT) as parts:
        (parts.folder / "a.parquet").write_bytes(b"PAR1 no more")
        with pytest.raises(PermanentError, match=r"a\.parquet: is damaged .*remove it"):
            parts.table("a")


@pytest.mark.parametrize(("place", "says"), [("bars.csv", "Parquet"), ("nowhere/bars.parquet", "no folder")])
def test_a_place_that_is_none_is_refused(tmp_path: Path, place: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says), TapeParts.held(tmp_path / place, WHAT):
        pytest.fail("it was taken")


def test_contracts_are_named_as_tapes_name_them() -> None:
    assert tape_name("MES", "202603") == "MESH26"
