"""All tables as one page that needs nothing else, for screens, phones and paper."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from embbert import __version__
from embbert.bench.provenance import short_commit
from embbert.bench.tables import all_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.bench.cells import Cell

TEMPLATE = "page.html.j2"


def page(cells: Sequence[Cell]) -> str:
    """HTML with the tables of the primary metrics and those by the paper's conventions."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("embbert.bench").joinpath(TEMPLATE).read_text(encoding="utf-8")
    machines = sorted({cell.hardware.cpu for cell in cells})
    commits = sorted({short_commit(cell.commit) if cell.commit else "no commit" for cell in cells})
    return environment.from_string(source).render(
        tables=[*all_tables(cells), *all_tables(cells, as_published=True)],
        results=len(cells),
        version=__version__,
        machines=machines,
        commits=commits,
    )
