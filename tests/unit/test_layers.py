"""Imports point one way, and the heavy ones stay where they belong."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import embbert

ROOT = Path(embbert.__file__).parent
ORDER = [
    {"__main__"},
    {"cli"},
    {"bench"},
    {"verify"},
    {"emit"},
    {"train"},
    {"quant"},
    {"store", "bases"},
    {"card"},
    {"models", "text", "data", "tensors", "shape"},
    {"files", "boards", "console"},
    {"footprint"},
    {"blueprint"},
    {"config"},
    {"errors"},
]
"""From the top down: a room may import those below it, and none beside it."""

RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
HEAVY = {
    "torch",
    "accelerate",
    "datasets",
    "huggingface_hub",
    "sklearn",
    "scipy",
    "pyarrow",
    "pandas",
    "onnx",
}
NEEDS_TORCH = {"models", "train"}


def room_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(("embbert", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        yield name, ast.parse(path.read_text(), str(path))


def imported(tree):
    """Absolute names of everything that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "embbert":
                yield from (f"embbert.{alias.name}" for alias in node.names)
            else:
                yield node.module


def at_import(tree):
    """Statements that run when the module is imported: not functions, not `if TYPE_CHECKING`."""
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


def test_every_module_belongs_to_a_known_room():
    rooms = {room_of(name) for name, _ in modules()} - {None}
    assert rooms <= RANK.keys()
    assert {"cli", "quant", "store", "data", "text", "models", "config", "errors"} <= rooms


def test_imports_point_one_way():
    wrong = []
    for name, tree in modules():
        room = room_of(name)
        if room is None:  # the package itself: it offers names lazily
            continue
        for target in imported(tree):
            if not target.startswith("embbert."):
                continue
            other = room_of(target)
            if other in RANK and other != room and RANK[other] <= RANK[room]:
                wrong.append(f"{name} imports {target}")
    assert wrong == []


def test_heavy_packages_are_imported_where_torch_is_needed_anyway_or_inside_functions():
    wrong = []
    for name, tree in modules():
        if room_of(name) in NEEDS_TORCH:
            continue
        for node in at_import(tree):
            wrong += [f"{name}: {target}" for target in imported(node) if target.split(".")[0] in HEAVY]
    assert wrong == []


def test_no_source_file_is_too_long():
    long = {path.name: n for path in ROOT.rglob("*.py") if (n := len(path.read_text().splitlines())) > 500}
    assert long == {}


def loaded(code):
    program = f"import sys\n{code}\nprint(*sorted(name for name in sys.modules if '.' not in name))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import embbert; embbert.preset('nano'); embbert.EmbbertConfig; embbert.EmbbertError",
        "from embbert.cli import run; assert run(['--help']) == 0",
        "from embbert.cli import run; assert run(['--version']) == 0",
        "from embbert.cli import run; assert run(['size', 'embbert']) == 0",
        "import embbert.footprint, embbert.shape, embbert.card, embbert.store",
        "from embbert.bases import default_base, shipped_bases; shipped_bases(); default_base()",
        "from embbert.cli.doctor import examine; examine()",
    ],
)
def test_quick_things_load_neither_torch_nor_numpy(code):
    names = loaded(code)
    assert "embbert" in names
    assert names.isdisjoint({*HEAVY, "numpy", "tokenizers", "safetensors"})


def test_the_integer_model_runs_without_torch():
    names = loaded(
        "import embbert.quant.reference, embbert.quant.build, embbert.quant.plan_io\n"
        "import embbert.text, embbert.data, embbert.cli.inference"
    )
    assert "numpy" in names
    assert names.isdisjoint(HEAVY)
