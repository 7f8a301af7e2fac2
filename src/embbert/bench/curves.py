"""Learning curves: the validation score after every epoch, of all systems that have epochs."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.bench.cells import Cell

_COLORS = 10


def curves_of(task: str, cells: Sequence[Cell]) -> dict[str, list[tuple[float, ...]]]:
    """Curves of a task by system, one per seed, in %.

    Systems without epochs are absent, and so is EmbBERT with n-grams: its epochs are EmbBERT's alone.
    """
    found: dict[str, list[tuple[float, ...]]] = {}
    for cell in cells:
        if cell.task == task and cell.curve and "both" not in cell.settings:
            found.setdefault(cell.system, []).append(tuple(100 * score for score in cell.curve))
    return found


def mean_curve(curves: Sequence[Sequence[float]]) -> list[float]:
    """Mean over the seeds, as far as all of them go: a mean over fewer would jump where one ends."""
    return [fmean(scores) for scores in zip(*curves, strict=False)]


def floor(means: Sequence[Sequence[float]]) -> float:
    """Where the picture ends below: first epochs may lie deep under what one wants to compare."""
    return min(min(mean[1:] or mean) for mean in means)


def learning_curves(
    figure: Any,  # noqa: ANN401 - matplotlib has no types
    title: str,
    curves: dict[str, list[tuple[float, ...]]],
    systems: Sequence[str],
) -> None:
    """A thick line per system, the mean over its seeds, and a thin one per seed.

    Args:
        figure: an empty one.
        title: of the task.
        curves: in % by system, one per seed.
        systems: all that have curves in any picture, so that each has one colour everywhere.
    """
    axes = figure.add_subplot()
    # By what would be kept, whether a system has one seed or five.
    ranked = sorted(curves, key=lambda system: -fmean(map(max, curves[system])))
    for system in ranked:
        mine, number = curves[system], systems.index(system)
        style = {"color": f"C{number % _COLORS}", "linestyle": ("-", "--", ":")[number // _COLORS % 3]}
        if len(mine) > 1:
            for scores in mine:
                axes.plot(range(1, len(scores) + 1), scores, linewidth=0.7, alpha=0.45, **style)
        mean = mean_curve(mine)
        label = f"{system} ({len(mine)})"
        # A single epoch is a point, which a line does not show.
        marker = "o" if len(mean) == 1 else ""
        axes.plot(
            range(1, len(mean) + 1), mean, linewidth=1.8, marker=marker, markersize=5, label=label, **style
        )
    bottom = floor([mean_curve(mine) for mine in curves.values()])
    top = max(max(scores) for mine in curves.values() for scores in mine)
    room = max(0.06 * (top - bottom), 0.2)
    axes.set_ylim(bottom - room, top + room)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    axes.set_ylabel("score on the validation rows, %")
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.25)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        fontsize=8,
        title="system (seeds), best mean first",
        title_fontsize=8,
    )
