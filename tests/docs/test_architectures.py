"""The table of architectures says what the formulas say."""

from pathlib import Path

import pytest

from embbert.config import PRESETS
from embbert.footprint import deployed, macs, paper

PAGE = (Path(__file__).parents[2] / "docs/architectures.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| `")]


def test_every_preset_has_a_row():
    assert [row.split("`")[1] for row in ROWS] == list(PRESETS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("`")[1])
def test_a_row_is_true(row):
    name = row.split("`")[1]
    config = PRESETS[name]
    counts = (config.parameter_count, paper(config).total)
    cells = [f"`{name}`", f"`{config.architecture}`", *(f"{count:,}" for count in counts)]
    if config.integer:
        found = deployed(config, 2)
        cells += [f"{count:,}" for count in (found.constant_bytes, found.arena_bytes, found.total)]
        cells.append(f"{macs(config, 2, 64) / 1e6:.1f}")
    else:
        cells += ["–"] * 4
    assert [cell.strip() for cell in row.strip("|").split("|")] == cells
