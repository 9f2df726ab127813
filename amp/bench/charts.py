"""The charts of `amp bench`, as PNG and SVG: medians with their 95 % intervals, and under each what it was measured on.

Shapes and greys tell the series apart, not colours: a chart must survive a printer. matplotlib is optional (the extra
`bench`) and loaded when a chart is asked for. Nothing here computes: what is drawn are the figures that are printed.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amp.bench.stats import Interval
from amp.errors import UsageError
from amp.files import check_writable, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS: Final = (".png", ".svg")
_DOTS_PER_INCH: Final = 150
_SERIES: Final = (("o", "black"), ("s", "0.45"), ("^", "0.7"), ("D", "white"))  # marker and grey of each series
_STYLE: Final[dict[Any, Any]] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
    "svg.hashsalt": "amp",  # the same figures make the same file
}


def require() -> None:
    """UsageError where matplotlib is not installed: before a measurement, not after it."""
    try:
        import matplotlib  # noqa: F401, PLC0415
    except ImportError:
        raise UsageError("--chart needs matplotlib, which is not installed: pip install 'amp-soc[bench]'") from None


def check(path: str | Path) -> Path:
    """The path, if a chart can be written there; UsageError for another format than FORMATS, or no such folder."""
    path = Path(path)
    if path.suffix not in FORMATS:
        raise UsageError(f"--chart {path}: the name ends in {' or '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise UsageError(f"--chart {path}: there is no folder {path.parent}")
    try:
        check_writable(path)
    except OSError as error:
        raise UsageError(f"--chart {path}: {error.strerror}") from None
    return path


def both_forms(prefix: str) -> tuple[Path, ...]:
    """PREFIX.png and PREFIX.svg, if they can be written. UsageError otherwise."""
    return tuple(check(f"{prefix}{form}") for form in FORMATS)


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of mark, with what was measured for each row; None leaves a row empty."""

    name: str
    points: Sequence[Interval | None]
    mark: int = 0  # which of _SERIES


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows against a measured quantity. `reference` is (row, where, what): somebody else's figure for that row."""

    title: str
    unit: str
    series: Sequence[Series]
    reference: tuple[int, float, str] | None = None
    from_zero: bool = False  # for quantities of which the whole counts


def intervals(title: str, rows: Sequence[str], panels: Sequence[Panel], caption: str) -> Figure:
    """Panels side by side over the same rows, the first row on top; one legend for all of them."""
    import matplotlib  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    size = (2.4 + 2.3 * len(panels), 1.7 + 0.55 * len(rows))
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle(f"{title}\n", fontsize=11, fontweight="bold")  # the legend stands in the empty line
        figure.supxlabel("\n".join(textwrap.wrap(caption, int(size[0] * 15))), fontsize=7.5, color="0.25")
        axes = list(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0])
        for panel, ax in zip(panels, axes, strict=True):
            _panel(ax, panel, len(rows))
        axes[0].set_yticks(range(len(rows)), rows)
        axes[0].set_ylim(len(rows) - 0.5, -0.5)
        marks = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        if len(marks) > 1:
            below_title = (0.5, 1 - 0.22 / size[1])
            figure.legend(
                marks.values(), marks, loc="upper center", bbox_to_anchor=below_title, ncols=len(marks), frameon=False
            )
    return figure


def _panel(ax: Axes, panel: Panel, rows: int) -> None:
    ax.set_title(panel.title)
    ax.set_xlabel(panel.unit)
    ax.set_axisbelow(True)
    ax.grid(axis="x", color="0.88", linewidth=0.8)
    ax.tick_params(axis="y", length=0)
    for row in range(1, rows, 2):
        ax.axhspan(row - 0.5, row + 0.5, color="0.96", zorder=0)
    if panel.reference is not None:
        row, at, what = panel.reference
        ax.plot([at, at], [row - 0.5, row + 0.5], color="0.2", linewidth=1.2, linestyle="--", label=what)
    for number, series in enumerate(panel.series):
        shift = (number - (len(panel.series) - 1) / 2) * 0.24
        drawn = [(row + shift, point) for row, point in enumerate(series.points) if point is not None]
        marker, grey = _SERIES[series.mark]
        ax.errorbar(
            [point.median for _, point in drawn],
            [at for at, _ in drawn],
            # An interval of few values may lie beside its median: the median of resamples is not the sample's.
            xerr=[
                [max(0.0, point.median - point.low) for _, point in drawn],
                [max(0.0, point.high - point.median) for _, point in drawn],
            ],
            fmt=marker,
            color=grey,
            markeredgecolor="black",
            markeredgewidth=0.6,
            markersize=4.5,
            ecolor="black",
            elinewidth=0.9,
            capsize=2,
            label=series.name,
        )
    if panel.from_zero:
        ax.set_xlim(0, 1.1 * max((point.high for each in panel.series for point in each.points if point), default=1))


def write(figure: Figure, path: Path) -> None:
    """In the format that the name's end says. UsageError with the system's reason if it cannot be written."""
    import matplotlib  # noqa: PLC0415

    metadata = {"Date": None} if path.suffix == ".svg" else {}
    file = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(file, format=path.suffix[1:], dpi=_DOTS_PER_INCH, facecolor="white", metadata=metadata)
    try:
        write_whole(path, file.getvalue())
    except OSError as error:
        raise UsageError(f"--chart {path}: {error.strerror}: not written") from None
