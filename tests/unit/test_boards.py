"""Boards: sound figures with sources, fit decided to the byte, estimates by their formula."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import factory
import folders
import joints
import linears
from embbert import boards, footprint
from embbert.boards import fit
from embbert.config import preset
from embbert.emit import golden
from embbert.emit.c99 import contents
from embbert.errors import UsageError
from embbert.quant.plan_io import load_plan
from embbert.text.tables import tokenizer_tables

FIGURES = ("flash_bytes", "ram_bytes", "clock_mhz", "current_ma", "supply_v")
RANGES = {
    "flash_bytes": (128 * 1024, 64 * 1024**2),
    "ram_bytes": (16 * 1024, 8 * 1024**2),
    "clock_mhz": (16, 1000),
    "current_ma": (0.5, 500),
    "supply_v": (1.6, 5.5),
}
KNOWN = list(boards.boards().values())
PAGE = Path(__file__).parents[2] / "docs" / "boards.md"


def board_with(flash=10**9, ram=10**9, **changes):
    """A board that has just so many bytes."""
    figure = boards.Figure(1, "test", "here")
    return dataclasses.replace(
        KNOWN[0],
        flash_bytes=dataclasses.replace(figure, value=flash),
        ram_bytes=dataclasses.replace(figure, value=ram),
        **changes,
    )


def test_there_are_enough_of_them_and_each_kernel_set_has_one():
    assert len(KNOWN) >= 12
    assert {boards.CORES[board.core].name for board in KNOWN} == {"plain C", "DSP", "MVE"}
    assert sum(board.current_ma.value is not None for board in KNOWN) >= 10


def test_names_are_unique_sorted_and_easy_to_type():
    names = [board.name for board in KNOWN]
    assert names == sorted(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") for name in names)
    assert "list" not in names
    assert len({board.title for board in KNOWN}) == len(KNOWN)


@pytest.mark.parametrize("board", KNOWN, ids=lambda board: board.name)
def test_every_figure_has_a_source_or_says_why_not(board):
    for name in FIGURES:
        figure = getattr(board, name)
        if figure.value is None:
            assert name in ("current_ma", "supply_v")
            assert (figure.source, figure.where) == (None, "")
            assert figure.note
        else:
            low, high = RANGES[name]
            assert low <= figure.value <= high, name
            assert figure.source in boards.sources()
            assert figure.where
    assert isinstance(board.flash_bytes.value, int)
    assert isinstance(board.ram_bytes.value, int)
    assert board.supply_v.value is None or board.current_ma.value is not None


def test_every_source_is_described_and_used():
    used = {getattr(board, name).source for board in KNOWN for name in FIGURES} - {None}
    assert used == boards.sources().keys()
    for document in boards.sources().values():
        assert document.keys() == {"document", "publisher", "revision", "seen"}
        assert document["document"]
        assert document["publisher"]
        assert document["seen"] in ("document", "quotation", "description")


def test_a_current_never_comes_from_a_board_description():
    for board in KNOWN:
        if board.current_ma.value is not None:
            assert boards.sources()[board.current_ma.source]["seen"] != "description"


def test_names_are_found_and_slips_answered():
    assert boards.find("Nano-33-BLE").mcu == "nRF52840"
    with pytest.raises(UsageError, match=r"'pico2' \(did you mean 'pico-2'\?\); see  embbert size --boards"):
        boards.find("pico2")
    with pytest.raises(UsageError, match="did you mean 'nano-33-ble'"):
        boards.find("nrf52840")
    with pytest.raises(UsageError, match="no board is called 'xyzzy'; see"):
        boards.find("xyzzy")


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("classify", {}),
        ("classify", {"residual": True}),
        ("classify", {"pair": True, "num_layers": 3}),
        ("classify", {"pooling": "mean", "num_layers": 1}),
        ("regress", {"residual": True, "pooling": "mean"}),
    ],
)
def test_needs_are_what_the_export_states(tmp_path, task, changes):
    needs_are_stated(folders.small_folder(tmp_path / "model", task, **changes))


@pytest.mark.parametrize("shared", [False, True])
def test_needs_of_a_model_with_ngrams_are_what_the_export_states(tmp_path, shared):
    needs_are_stated(joints.joint_folder(tmp_path / "model", shared=shared))


@pytest.mark.parametrize("name", factory.BASELINES)
def test_needs_of_other_architectures_are_what_the_export_states(tmp_path, name):
    needs_are_stated(joints.joint_folder(tmp_path / "model", config=factory.BASELINES[name]))


@pytest.mark.parametrize("pair", [False, True])
def test_needs_of_a_linear_model_are_what_the_export_states(tmp_path, pair):
    needs_are_stated(linears.linear_folder(tmp_path / "model", pair=pair))


def needs_are_stated(folder):
    _, report = contents(folder, load_plan(folder), "model")
    stated = report["bytes"]
    need = boards.needs(
        folder.config,
        len(folder.labels) or 1,
        tokenizer=stated["tokenizer"],
        labels=folder.labels,
        pair=folder.pair,
    )
    assert need.flash == {
        "constants": stated["constants"],
        "tokenizer": stated["tokenizer"],
        "code": stated["code_margin"],
    }
    assert need.ram == {"arena": stated["arena"], "stack": stated["stack"]}


def test_bounds_are_those_of_the_emitter():
    assert len(golden.TEXTS) == fit.SELF_TEST_LINES
    assert sum(len(text.encode()) for text in golden.TEXTS) == fit.SELF_TEST_BYTES


def test_the_allowance_for_a_tokenizer_covers_the_shipped_one():
    from embbert.bases import default_base, load_base
    from embbert.emit.tokenizer_c import tokenizer_bytes

    tokenizer = load_base(default_base()).tokenizer
    config = dataclasses.replace(preset("embbert"), vocab_size=tokenizer.vocab_size)
    assert tokenizer_bytes(tokenizer_tables(tokenizer)) <= boards.needs(config, 2).flash["tokenizer"]


def test_labels_count_in_utf_8():
    config = preset("nano")
    one = boards.needs(config, 2, labels=("a", "b")).flash["code"]
    assert boards.needs(config, 2, labels=("ä", "b")).flash["code"] == one + 1


@settings(max_examples=40)
@given(
    length=st.integers(4, 256),
    classes=st.integers(1, 50),
    residual=st.booleans(),
    memory=st.sampled_from(["flash", "ram"]),
)
def test_exactly_enough_fits_and_one_byte_less_does_not(length, classes, residual, memory):
    config = dataclasses.replace(preset("tiny"), residual=residual)
    need = boards.needs(config, classes, length)
    exact = sum(getattr(need, memory).values())
    assert boards.lacking(need, board_with(**{memory: exact})) == {}
    named = {"flash": "flash", "ram": "RAM"}[memory]
    assert boards.lacking(need, board_with(**{memory: exact - 1})) == {named: 1}
    assert boards.longest(board_with(**{memory: exact}), config, classes) >= length
    shorter = boards.longest(board_with(**{memory: exact - 1}), config, classes)
    assert shorter is None or shorter < length


@settings(max_examples=40)
@given(flash=st.integers(150_000, 260_000), ram=st.integers(4_000, 80_000))
def test_the_longest_is_what_trying_every_length_finds(flash, ram):
    config = preset("tiny")
    board = board_with(flash, ram)
    fitting = [n for n in range(4, 257) if not boards.lacking(boards.needs(config, 3, n), board)]
    assert boards.longest(board, config, 3) == (max(fitting) if fitting else None)


def test_estimates_follow_their_formula():
    config = factory.small_config()
    figure = boards.Figure(10, "test", "here")
    board = board_with(core="cortex-m4", clock_mhz=figure, current_ma=figure, supply_v=figure)
    found = boards.estimate(board, config, 3, 20)
    assert found.macs == footprint.macs(config, 3, 20)
    assert found.seconds == pytest.approx(found.macs * 1.61 * 1.0 / 10e6)
    assert found.joules == pytest.approx(10 * 0.010 * found.seconds)
    unknown = boards.Figure(None, None, "", "nobody says")
    assumed = dataclasses.replace(board, supply_v=unknown)
    assert boards.estimate(assumed, config, 3, 20).joules == pytest.approx(3.3 * 0.010 * found.seconds)
    assert boards.estimate(dataclasses.replace(board, current_ma=unknown), config, 3, 20).joules is None
    shape = joints.parts()["config"]
    assert boards.estimate(board, shape, 3, 20).macs == footprint.macs(shape, 3, 20, ngrams=0)
    faster = dataclasses.replace(board, core="cortex-m55")
    assert boards.estimate(faster, config, 3, 20).seconds == pytest.approx(found.seconds * 0.47 / 1.61)


def page():
    """The tables of docs/boards.md."""
    sources = {key: index for index, key in enumerate(boards.sources(), 1)}

    def cell(figure, pattern="{:,}"):
        if figure.value is None:
            return "not found"
        return f"{pattern.format(figure.value)} [{sources[figure.source]}]"

    rows = ["| name | board | core | MHz | flash | RAM | mA | V |", "|---|---|---|---|---|---|---|---|"]
    for board in KNOWN:
        figures = (board.clock_mhz, board.flash_bytes, board.ram_bytes, board.current_ma, board.supply_v)
        cells = " | ".join(cell(figure) for figure in figures)
        rows.append(f"| `{board.name}` | {board.title}: {board.mcu} | {board.core} | {cells} |")
    rows += ["", "| figure | where in its source | note |", "|---|---|---|"]
    for board in KNOWN:
        for name in ("current_ma", "supply_v", "ram_bytes", "flash_bytes"):
            figure = getattr(board, name)
            if figure.note or name == "current_ma":
                rows.append(f"| `{board.name}` {name} | {figure.where} | {figure.note} |")
    rows += ["", "| | document | publisher | revision | seen as |", "|---|---|---|---|---|"]
    for key, index in sources.items():
        about = boards.sources()[key]
        revision = about["revision"] or "not stated"
        cells = (about["document"], about["publisher"], revision, about["seen"])
        rows.append(f"| [{index}] | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def test_the_page_shows_the_figures():
    text = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- figures -->\n\n", "\n<!-- end of figures -->"
    assert text[text.index(begin) + len(begin) : text.index(end)] == page()
    for kernels in boards.CORES.values():
        assert f"| {kernels.name} | {kernels.instructions_per_mac:g} |" in text
