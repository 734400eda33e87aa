"""How far a download is: a progress bar on a terminal, a line now and then elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from mia_actors.broker.history_download import Activity, Progress
from mia_actors.core.clock import Clock

LINE_EVERY_S = 10.0


class HistoryView:
    """Shows `Progress` records; a context manager, since a terminal has to be given back."""

    def __init__(self, console: Console, clock: Clock, name: str) -> None:
        self._console = console
        self._clock = clock
        self._name = name
        self._line_at_s: float | None = None
        self._activity = Activity.ASKING
        self._bar = ProgressBar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[doing]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(name, total=None, doing="connecting")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Elsewhere than on a terminal: a line at once when a wait begins or ends, else every ten seconds."""
        doing = _doing(progress)
        if self._console.is_terminal:
            self._bar.update(self._task, completed=progress.chunks_done, total=progress.chunks, doing=doing)
            return
        now_s = self._clock.monotonic_s()
        begins = progress.activity is not self._activity and progress.activity is Activity.RECONNECTING
        is_due = self._line_at_s is None or now_s - self._line_at_s >= LINE_EVERY_S
        self._activity = progress.activity
        if begins or is_due or (progress.chunks_done == progress.chunks):
            self._line_at_s = now_s
            self.tell(f"{self._name}: {progress.chunks_done} of {progress.chunks} requests done, {doing}")

    def tell(self, line: str) -> None:
        """One line."""
        self._console.print(line, highlight=False, markup=False)


def _doing(progress: Progress) -> str:
    bars = f"{progress.bars:,} bars"
    if progress.activity is Activity.ASKING:
        return f"{bars}, {progress.detail}"
    wait = f"{bars}, {progress.activity.value} {progress.wait_s:.0f} s"
    return wait if progress.activity is Activity.PACING else f"{wait}: {progress.detail}"
