"""The charts of a run, drawn one below the other into one picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.benchmarks.results import Bars, Lines, Results

_WIDTH, _HEIGHT = 12.0, 4.5
"""Inches of one chart."""


def draw(results: Results, folder: Path) -> list[Path]:
    """Write results.png and results.svg; return where they are, nothing where no section has a chart."""
    charts = [chart for section in results.sections for chart in section.charts]
    if not charts:
        return []
    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "eventos"
    figure = Figure(figsize=(_WIDTH, _HEIGHT * len(charts)), layout="constrained")
    for place, chart in enumerate(charts):
        axes = figure.add_subplot(len(charts), 1, place + 1)
        axes.set_title(chart.title)
        if isinstance(chart, Bars):
            _bars(axes, chart)
        else:
            _lines(axes, chart)
        axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    paths = [folder / f"results.{kind}" for kind in ("png", "svg")]
    for path in paths:
        figure.savefig(path)
    return paths


def _bars(axes: Axes, chart: Bars) -> None:
    """Groups of bars on a logarithmic axis, for contenders are far apart."""
    width = 0.8 / len(chart.series)
    for number, (name, values) in enumerate(chart.series.items()):
        present = [(place + number * width, value) for place, value in enumerate(values) if value is not None]
        bars = axes.bar([at for at, _ in present], [value for _, value in present], width, label=name)
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=6, rotation=90, padding=2)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(chart.groups))], _broken(chart.groups), fontsize=8)
    axes.set_yscale("log")
    axes.margins(y=0.2)
    axes.set_ylabel(chart.axis)


def _lines(axes: Axes, chart: Lines) -> None:
    for name, points in chart.series.items():
        axes.plot([x for x, _ in points], [y for _, y in points], label=name, marker=".")
    axes.set_xlabel(chart.x_axis)
    axes.set_ylabel(chart.y_axis)


def _broken(names: Sequence[str]) -> list[str]:
    """Long names in two lines."""
    return [name.replace(": ", ":\n").replace(" services ", " services\n") for name in names]
