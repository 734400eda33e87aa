"""The live view of a running session: a few lines that replace themselves on a terminal, plain lines elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mia_actors.cli.session_run import Watch
from mia_actors.core.clock import Clock, iso_utc

PLAIN_LINE_EVERY_S = 10.0


class LiveView:
    """Shows `Watch` records; a context manager, since a terminal has to be given back."""

    def __init__(self, console: Console, clock: Clock, *, quiet: bool) -> None:
        """`quiet` shows phases only (for `--json`)."""
        self._console = console
        self._clock = clock
        self._quiet = quiet
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._bar.add_task("starting", total=None)
        self._live: Live | None = None
        self._phase = ""
        self._line_at_s = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._quiet:
            self._live = Live(console=self._console, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, watch: Watch) -> None:
        """Replaces what is shown; elsewhere than on a terminal a line per phase and one every ten seconds."""
        if self._live is not None:
            self._live.update(self._picture(watch))
            return
        now_s = self._clock.monotonic_s()
        if watch.phase == self._phase and (self._quiet or now_s - self._line_at_s < PLAIN_LINE_EVERY_S):
            return
        self._phase, self._line_at_s = watch.phase, now_s
        self._console.print(self._line(watch), highlight=False)

    def _picture(self, watch: Watch) -> Group:
        done = watch.progress.cycles if watch.progress else 0
        self._bar.update(self._task, description=watch.phase, completed=done, total=watch.bars_total or None)
        return Group(self._bar, *([_facts(watch)] if watch.progress else []))

    def _line(self, watch: Watch) -> str:
        if watch.progress is None:
            return watch.phase
        return f"{watch.phase}: {watch.progress.cycles} of {watch.bars_total or '?'} cycles, " + ", ".join(
            f"{name} {value}" for name, value in _pairs(watch)
        )


def _pairs(watch: Watch) -> list[tuple[str, str]]:
    progress = watch.progress
    if progress is None:
        return []
    found = [
        ("position", f"{progress.position_contracts:+d}" if progress.position_contracts else "flat"),
        ("entered", str(progress.entered)),
        ("restarts", str(watch.restarts)),
    ]
    if progress.last is not None:
        reason = progress.last.reason.value if progress.last.reason else progress.last.outcome.value
        found = [("market time", iso_utc(progress.last.event_time_ns)), *found, ("last cycle", reason)]
    return found


def _facts(watch: Watch) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in _pairs(watch):
        table.add_row(Text(name, style="dim"), value)
    return table
