"""What the quick stage runs: the kernels, small models of all kinds, the tokenizer, files of weights."""

from __future__ import annotations

import itertools
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import architectures
import factory
import folders
import joints
import linears
import plans
import readers
from embbert.emit.c99 import export_c
from embbert.quant.plan_io import load_plan
from embbert.verify import program as harness
from embbert.verify.compare import compare
from embbert.verify.host import questions, read_export
from mutation.bench import Bench, Program, Run, Unit
from operators import FORMS, NATIVE
from parity import test_blob_c, test_kernels, test_model_c

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embbert.emit.c99 import Weights
    from embbert.quant.spec import Plan
    from embbert.store import ModelFolder
    from embbert.text import AnyTokenizer
    from embbert.verify.program import Export

HARNESS = Path(harness.__file__).parent / "harness"

MODELS: dict[str, dict[str, Any]] = {
    "whole blocks": {"hidden_size": 96, "embedding_size": 19, "kernel_size": 8, "max_length": 14},
    "residual, centred, long kernel": {
        "residual": True,
        "causal_conv": False,
        "expansion": 2,
        "hidden_size": 33,
        "kernel_size": 31,
        "max_length": 16,
    },
    "residual, mean, odd sizes": {
        "residual": True,
        "pooling": "mean",
        "num_layers": 1,
        "kernel_size": 9,
        "hidden_size": 69,
    },
    "low shifts": test_kernels.SHAPES["low shifts"],
    "mean, short kernel": {"pooling": "mean", "expansion": 3, "kernel_size": 1, "hidden_size": 13},
}
OTHERS = ("bert, mean, values of another size", "embedder alone, wide", "efficient, mean, odd sizes")
BLOBS = {"faithful": (1, {}), "residual": (3, {"residual": True, "expansion": 2, "pooling": "mean"})}
WHOLE: dict[str, tuple[Callable[..., ModelFolder], dict[str, Any], Weights]] = {
    "linear": (linears.linear_folder, {}, "constants"),
    "linear, pairs": (linears.linear_folder, {"task": "regress", "pair": True}, "blob"),
    "n-grams beside tokens": (joints.joint_folder, {"shared": False, "max_ngrams": 70}, "constants"),
    "n-grams beside tokens, pairs": (joints.joint_folder, {"task": "regress", "pair": True}, "blob"),
}
"""From text to result: what makes the folder, its settings, and where the weights lie."""


def build(place: Path, runtime: Path, *, wanted: Callable[[str], bool] = lambda _: True) -> Bench:
    """Compile and record every program whose name is wanted.

    Args:
        place: a folder for everything; created.
        runtime: the copy of the runtime that mutants will change.
        wanted: of a program's name.
    """
    place.mkdir(parents=True, exist_ok=True)
    bench = Bench(runtime, place / "objects", (NATIVE, HARNESS))
    front = ("embbert_blob.c", *(reader.source.name for reader in readers.READERS))
    operators = sorted(path for path in runtime.glob("embbert_*.c") if path.name not in front)
    for form, flags in FORMS.items():
        shared = tuple(Unit(path, flags) for path in operators)
        if wanted(f"kernels, {form}"):
            kernels = Unit(Path(__file__).with_name("kernels.c"), flags)
            bench.add(Program(f"kernels, {form}", (kernels, *shared), [Run()]))
        for name in MODELS:
            if wanted(f"{name}, {form}"):
                bench.add(_model(f"{name}, {form}", place / f"{name} {form}", _plan(name), flags, shared))
    shared = tuple(Unit(path, FORMS["vector"]) for path in operators)
    for name in filter(wanted, OTHERS):  # what only they have is the same in every form
        plan = plans.wild(architectures.PLANS[name](3), 3)
        bench.add(_model(name, place / name, plan, FORMS["vector"], shared))
    faster = ("-O1",)
    blob = Unit(runtime / "embbert_blob.c", faster)
    shared = tuple(Unit(path, faster) for path in operators)
    for name, (seed, changes) in BLOBS.items():
        if wanted(f"weights, {name}"):
            plan = plans.wild_plan(seed, **changes)
            folder = place / f"weights {name}"
            bench.add(_model(f"weights, {name}", folder, plan, faster, (blob, *shared), "blob"))
    for name in OTHERS[:2]:
        if wanted(f"weights, {name}"):
            plan = architectures.PLANS[name]()
            bench.add(
                _model(f"weights, {name}", place / f"weights {name}", plan, faster, (blob, *shared), "blob")
            )
    if wanted("damaged weights"):
        for shape in test_blob_c.SHAPES:
            bench.add(_damaged(shape, place / f"damaged {shape}", (blob, *shared)))
    if wanted("calls"):
        bench.add(_calls(place / "calls", (Unit(runtime / "embbert_tokenizer.c"), *shared)))
    reading = tuple(Unit(runtime / reader.source.name, faster) for reader in readers.READERS)
    for name, (make, settings, weights) in WHOLE.items():
        if wanted(name):
            units = (*reading, *shared, *((blob,) if weights == "blob" else ()))
            trained = place / f"model {name}"
            shutil.rmtree(trained, ignore_errors=True)
            model = make(trained, **settings)
            bench.add(_whole(name, place / name, model, weights, faster, units))
    for reader in readers.READERS:
        if wanted(reader.name):
            bench.add(_reader(reader, place / reader.name, runtime))
    return bench


def _plan(name: str) -> Plan:
    plan = plans.wild_plan(sum(map(ord, name)), **MODELS[name])
    return plans.low_plan(plan) if name == "low shifts" else plan


def _model(
    name: str,
    folder: Path,
    plan: Plan,
    flags: tuple[str, ...],
    shared: Sequence[Unit],
    weights: Weights = "constants",
) -> Program:
    """A model in the harness of `embbert verify`: every operator's output, compared with the reference."""
    shutil.rmtree(folder, ignore_errors=True)
    export = plans.write_export(plan, folder, weights)
    return _asked(name, export, flags, shared, _Expected(plan, plans.id_questions(plan, count=11)))


def _whole(
    name: str,
    folder: Path,
    model: ModelFolder,
    weights: Weights,
    flags: tuple[str, ...],
    shared: Sequence[Unit],
) -> Program:
    """The same from texts: their numbers and the result too."""
    shutil.rmtree(folder, ignore_errors=True)
    plan = load_plan(model)
    export_c(model, plan, folder, weights=weights)
    texts = [*linears.TEXTS, *readers.MULTILINGUAL]
    asked = questions(model, texts, texts[::-1] if model.pair else None)
    expected = _Expected(plan, asked, model.tokenizer, classify=model.task == "classify")
    return _asked(name, read_export(folder)[1], flags, shared, expected)


@dataclass(frozen=True)
class _Expected:
    """What a program of `_asked` is asked, and what says the right answers."""

    plan: Plan
    asked: Sequence[harness.Question]
    tokenizer: AnyTokenizer | None = None
    classify: bool = True

    def verify(self, output: bytes) -> None:
        replies = harness.replies(output)
        for index, (question, reply) in enumerate(zip(self.asked, replies, strict=True)):
            difference, _ = compare(self.plan, self.tokenizer, index, question, reply, classify=self.classify)
            if difference is not None:
                raise RuntimeError(str(difference))


def _asked(
    name: str, export: Export, flags: tuple[str, ...], shared: Sequence[Unit], expected: _Expected
) -> Program:
    _drop_runtime(export.path)
    switches = (*flags, "-DEMBBERT_TRACE", *export.defines())
    own = [HARNESS / "harness.c", HARNESS / "host.c", *export.sources()]
    request = b"".join(question.request() for question in expected.asked)
    units = (*(Unit(path, switches) for path in own), *shared)
    return Program(name, units, [Run((), request)], expected.verify)


def _drop_runtime(folder: Path) -> None:
    """Only the copy of the runtime is to be found by the compiler."""
    for path in folder.glob("embbert*"):
        path.unlink()


def _damaged(shape: str, folder: Path, shared: Sequence[Unit]) -> Program:
    """Every truncation and flip of a file of weights, and the forged ones."""
    shutil.rmtree(folder, ignore_errors=True)
    plan = factory.random_plan(factory.small_config(**test_blob_c.SHAPES[shape]))
    plans.write_export(plan, folder, "blob")
    _drop_runtime(folder)
    file = folder / "net_weights.bin"
    runs = [Run((str(file),))]
    if shape == "residual":
        _, original = test_blob_c.tiny_blob()
        runs.append(Run((str(file), "status"), output=b"ok\n"))
        for name, value in test_blob_c.FORGERIES.items():
            at = original.offset(name)
            forged = folder / f"{name}.bin"
            forged.write_bytes(
                test_blob_c.sealed(original.data[:at] + value + original.data[at + len(value) :])
            )
            runs.append(Run((str(forged), "status"), output=b"a value among the weights is out of range\n"))
    own = [Unit(path, ("-O1", f"-I{folder}")) for path in (test_blob_c.DRIVER, *sorted(folder.glob("*.c")))]
    return Program(f"damaged weights, {shape}", (*own, *shared), runs)


def _calls(folder: Path, shared: Sequence[Unit]) -> Program:
    """The calls of a classifier with good and bad arguments."""
    shutil.rmtree(folder, ignore_errors=True)
    model = folders.small_folder(folder / "model")
    export_c(model, load_plan(model), folder / "c")
    _drop_runtime(folder / "c")
    caller = folder / "c" / "caller.c"
    caller.write_text(test_model_c.CALLER)
    return Program("calls", (*(Unit(path) for path in sorted((folder / "c").glob("*.c"))), *shared), [Run()])


def _reader(reader: readers.Reader, folder: Path, runtime: Path) -> Program:
    """Awkward texts and pairs through tokenizers of every kind, against the numbers that Python gives."""
    folder.mkdir(exist_ok=True)
    units = [Unit(readers.HARNESS, reader.define), Unit(runtime / reader.source.name)]
    units += map(Unit, reader.write(folder))
    request, expected = b"", b""
    for index, text, pair, max_length in _texts(reader):
        request += readers.request(index, max_length, text, pair)
        least = reader.least[pair is not None]
        ids = reader.ids(index, max_length, text, pair) if max_length >= least else []
        expected += len(ids).to_bytes(4, "little") + np.array(ids, np.uint16).tobytes()
    return Program(reader.name, tuple(units), [Run((), request, expected)])


def _texts(reader: readers.Reader) -> list[tuple[int, bytes, bytes | None, int]]:
    """(tokenizer, text, second text or None, max_length)."""
    rng = random.Random(3)
    single = [line.encode() for line in readers.MULTILINGUAL]
    single += ["".join(rng.choices(readers.CURIOUS, k=40)).encode()[rng.randrange(3) :] for _ in range(12)]
    single += [rng.randbytes(40) for _ in range(12)]
    single += [("turnlights" * 30)[:length].encode() for length in (63, 64, 65, 127, 128, 129)]
    single += [("a" * 63 + "각").encode(), ("a" * 64 + "?" + "b" * 65).encode(), b"", "각".encode() * 50]
    codes = rng.sample(range(0x110000), 400)
    single += readers.code_point_texts(
        [*range(0x250), *range(0xAC00, 0xAC40), 0xD7A3, 0xD7A4, 0xFFFF, 0x10000, *codes]
    )
    edges = bytes.fromhex("00417f808f909fa0bfc0c1c2dfe0edeff0f4f5f8ff")
    quads = [bytes(case) for case in itertools.product(edges, repeat=4)]
    single += [b"a".join(rng.sample(quads, 60)) for _ in range(25)]
    single += [
        b"\xed\x9f\xbf\xed\xa0\x80\xee\x80\x80",
        b"\xf4\x8f\xbf\xbf\xf4\x90\x80\x80",
        b"\xe0\x9f\xbf\xe0\xa0\x80",
    ]
    texts: list[tuple[int, bytes, bytes | None, int]] = []
    for index in range(reader.count):
        texts += [(index, text, None, 600) for text in single]
        texts += [(index, text, None, rng.randrange(1, 12)) for text in single[::4]]
        texts += [
            (index, rng.choice(single), rng.choice(single), rng.choice([3, 4, 5, 9, 12, 600]))
            for _ in range(40)
        ]
    for first, second, max_length in itertools.product(range(7), range(7), range(12)):
        texts.append((2, b"? " * first, b"! " * second, max_length))
    texts += [(0, b"turn on", None, 0), (0, b"turn on", None, 1)]
    return texts
