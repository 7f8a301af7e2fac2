"""Pictures of results: scores against bytes and work, learning curves, scale family, confusion matrices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from embbert.bench.curves import curves_of, learning_curves
from embbert.bench.family import family, height
from embbert.bench.pareto import BYTES, MACS, byte_points, drawn, instruction_axis, work_points
from embbert.bench.scatter import scatter
from embbert.bench.summary import full_title
from embbert.bench.tasks import choose
from embbert.errors import DataError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from embbert.bench.cells import Cell, CellName
    from embbert.bench.summary import Average

DPI = 120


@dataclass(frozen=True)
class Picture:
    """What can be drawn.

    Attributes:
        file: name of the PNG file.
        title: what it shows.
        width: inches.
        height: inches.
        paint: draws it into a matplotlib figure.
    """

    file: str
    title: str
    width: float
    height: float
    paint: Callable[[Any], None]


def pictures(
    cells: Sequence[Cell],
    matrices: Sequence[str] = (),
    *,
    core: str | None = None,
    members: Sequence[str] = (),
) -> list[Picture]:
    """Every average against bytes and work, learning curves of every task that has any, and what is asked.

    Args:
        cells: results.
        matrices: names of results whose confusion matrices are drawn.
        core: turn multiply-accumulates into instructions of this core as well.
        members: systems of a scale family.

    Raises:
        UsageError: there is no such result, system or core.
        DataError: results of one task that were measured differently; nothing can be drawn.
    """
    by_name = {str(cell.name): cell for cell in cells}
    chosen = choose(matrices, by_name, "result")
    found = [picture for mean in drawn(cells) for picture in _scatters(mean, cells, core)]
    learners = list(dict.fromkeys(cell.system for cell in cells if cell.curve))
    for task, title in {cell.task: cell.title for cell in cells}.items():
        curves = curves_of(task, cells)
        if curves:
            about = f"{title}: score on the validation rows after every epoch"
            paint = partial(learning_curves, title=title, curves=curves, systems=learners)
            found.append(Picture(f"curves-{task}.png", about, 8, 4.2, paint))
    if members:
        found.append(_family(cells, members))
    found += [picture for name in chosen for picture in _matrices(by_name[name])]
    if not found:
        raise DataError(
            "no system has all tasks of a suite, and no task has results of all systems",
            remedy="Run what is missing:  embbert bench ls DIR  shows it.",
        )
    return found


def draw(found: Sequence[Picture], out: Path) -> list[Path]:
    """Draw pictures into a folder, which is made if it is not there.

    Returns:
        The PNG files.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: `out` is no folder, or cannot be written into.
    """
    try:
        from matplotlib import rc_context  # noqa: PLC0415 - optional
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
        from matplotlib.figure import Figure as Canvas  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("drawing results", "plot") from error
    paths = [out / picture.file for picture in found]
    try:
        out.mkdir(parents=True, exist_ok=True)
        # Labels and titles are the user's: two dollars in one are no formula.
        with rc_context({"text.parse_math": False}):
            for picture, path in zip(found, paths, strict=True):
                figure = Canvas(figsize=(picture.width, picture.height), layout="constrained")
                FigureCanvasAgg(figure)
                picture.paint(figure)
                figure.savefig(path, dpi=DPI, metadata={"Software": None})
    except OSError as error:
        raise UsageError(f"{out} cannot be a folder of plots: {error.strerror or error}") from error
    return paths


def _scatters(mean: Average, cells: Sequence[Cell], core: str | None) -> list[Picture]:
    title = full_title(mean, cells)
    costs = [("bytes", "total bytes", byte_points(mean, cells), BYTES)]
    costs.append(("work", "multiply-accumulates", work_points(mean, cells), MACS))
    if core is not None:
        points, axis = work_points(mean, cells, core), instruction_axis(core)
        costs.append((f"instructions-{core}", f"instructions on {core}", points, axis))
    return [
        Picture(
            f"{kind}-{mean.name}.png",
            f"{title}, against {against}",
            11,
            max(5.4, 0.145 * (len(points) + 15)),
            partial(scatter, title=title, points=points, axis=axis),
        )
        for kind, against, points, axis in costs
        if any(point.cost for point in points)
    ]


def _family(cells: Sequence[Cell], members: Sequence[str]) -> Picture:
    systems = choose(members, {cell.system: cell for cell in cells}, "system with results")
    if len(systems) < 2:
        raise UsageError("--family takes the names of two systems or more, as embbert-nano,embbert-base")
    paint = partial(family, cells=cells, systems=systems)
    title = f"Sizes of one architecture: {', '.join(systems)}"
    return Picture("family.png", title, 10, height(cells, systems), paint)


def _matrices(cell: Cell) -> list[Picture]:
    found = []
    for precision, measured in cell.precisions.items():
        for test, scores in measured.tests.items():
            if scores.confusion is None:
                raise DataError(f"{cell.task} has values, not classes", source=str(cell.name))
            side = 2.6 + 0.42 * len(scores.confusion)
            title = f"{cell.data.tests[test].title}, {precision}"
            file = f"confusion-{test}-{cell.system}-{cell.seed}-{precision}.png"
            paint = partial(
                _matrix, name=cell.name, title=title, counts=scores.confusion, labels=cell.data.labels
            )
            about = f"Confusion matrix of {cell.system}, seed {cell.seed}: {title}"
            found.append(Picture(file, about, side + 0.8, side, paint))
    return found


def _matrix(
    figure: Any,  # noqa: ANN401 - matplotlib has no types
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
