"""Pictures of results: score against bytes with the Pareto front, and confusion matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embbert.bench.pareto import drawn, scatter
from embbert.bench.tasks import choose
from embbert.errors import DataError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embbert.bench.cells import Cell, CellName

DPI = 150


def draw(cells: Sequence[Cell], out: Path, matrices: Sequence[str] = ()) -> list[Path]:
    """Draw every average that some system has, and the confusion matrices of the named results.

    Args:
        cells: results.
        out: folder; made if it is not there.
        matrices: names of results.

    Returns:
        The PNG files.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: there is no such result, or `out` is no folder.
        DataError: results of one task that were measured differently.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - optional
        from matplotlib.figure import Figure as Canvas  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("drawing results", "plot") from error

    def new(width: float, height: float) -> Any:  # noqa: ANN401 - matplotlib has no types
        figure = Canvas(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure

    by_name = {str(cell.name): cell for cell in cells}
    chosen = choose(matrices, by_name, "result")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be a folder of plots: {error.strerror}") from error
    paths = []
    for mean in drawn(cells):
        figure = new(10, 5.4)
        scatter(figure, mean, cells)
        paths.append(_saved(figure, out / f"bytes-{mean.name}.png"))
    for name in chosen:
        cell = by_name[name]
        for precision, measured in cell.precisions.items():
            for test, scores in measured.tests.items():
                if scores.confusion is None:
                    raise DataError(f"{cell.task} has values, not classes", source=name)
                side = 2.6 + 0.42 * len(scores.confusion)
                figure = new(side + 0.8, side)
                _matrix(
                    figure,
                    cell.name,
                    f"{cell.data.tests[test].title}, {precision}",
                    scores.confusion,
                    cell.data.labels,
                )
                paths.append(
                    _saved(figure, out / f"confusion-{test}-{cell.system}-{cell.seed}-{precision}.png")
                )
    return paths


def _matrix(
    figure: Any,  # noqa: ANN401
    name: CellName,
    title: str,
    counts: Sequence[Sequence[int]],
    labels: Sequence[str],
) -> None:
    axes = figure.add_subplot()
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            if count:
                color = "white" if shares[i][j] > 0.5 else "black"
                axes.text(j, i, str(count), ha="center", va="center", fontsize=7, color=color)
    axes.set_xticks(range(len(labels)), labels, rotation=90 if len(labels) > 4 else 0, fontsize=8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_xlabel("answered")
    axes.set_ylabel("true")
    axes.set_title(f"{title}\n{name}", fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.7, label="share of the true class")


def _saved(figure: Any, path: Path) -> Path:  # noqa: ANN401
    figure.savefig(path, dpi=DPI)
    return path
