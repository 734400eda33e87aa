"""Figures of matplotlib as SVG that stands in a page: its colours are the page's, its size the column's.

A figure is drawn in stand-in colours which become variables of the style sheet, so that one picture serves light
and dark. Each chart is drawn twice, wide and narrow: text that is shrunk with a picture cannot be read on a phone.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

INK, MUTED, GRID, ACCENT, GAIN, LOSS = "#010203", "#010204", "#010205", "#010206", "#010207", "#010208"
VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", ACCENT: "accent", GAIN: "gain", LOSS: "loss"}
LINES = ("#3b7dd8", "#d9822b", "#3a9d5d", "#b455c0", "#c94f4f", "#5b8f99", "#9a8a2e", "#8a6fd1")
"""For many curves in one chart; to be told apart on white and on black."""
WIDE_INCHES, NARROW_INCHES = 9.6, 4.2
DEVICE_WIDTH_PX = 72

Draw = Callable[[Any, bool], None]
"""Draws on a figure; the second argument tells whether it is the narrow one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One picture in two widths."""

    title: str
    says: str
    """What is to be seen, for who cannot see it."""
    wide: Markup
    narrow: Markup


def chart(name: str, title: str, says: str, draw: Draw, *, height: float, narrow_height: float) -> Chart:
    """Draws both; `name` must be new to the page, heights are in inches."""
    return Chart(
        title=title,
        says=says,
        wide=_svg(f"{name}-wide", draw, (WIDE_INCHES, height), is_narrow=False),
        narrow=_svg(f"{name}-narrow", draw, (NARROW_INCHES, narrow_height), is_narrow=True),
    )


def _svg(name: str, draw: Draw, size: tuple[float, float], *, is_narrow: bool) -> Markup:
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only a report needs
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.size": 9.5,
        "text.color": INK,
        "axes.edgecolor": GRID,
        "axes.labelcolor": MUTED,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "axes.grid": True,
        "axes.axisbelow": True,
        "legend.frameon": False,
        "path.simplify": True,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure, is_narrow)
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return Markup(inline(buffer.getvalue()))  # noqa: S704 - drawn here; matplotlib escapes every text in it


def inline(document: str) -> str:
    """The `svg` element of a document, without what belongs to a file of its own."""
    found = document[document.index("<svg") :]
    found = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", found)
    found = re.sub(
        r' id="[A-Za-z][\w.]*_\d+"', "", found
    )  # the same in every figure, and asked for by nobody
    found = re.sub(
        r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', found, count=1
    )
    found = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", found)
    for stand_in, variable in VARIABLES.items():
        found = found.replace(stand_in, f"var(--{variable})")
    return found
