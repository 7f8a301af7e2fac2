"""Time of one text, one thread, batch 1: the emitted C against PyTorch and ONNX Runtime, in one process.

    OMP_NUM_THREADS=1 python benchmarks/host_speed.py

The model is the default preset with random weights (time does not depend on them). It reads the average over
the text, so that all compute every row of the last layer; with --pooling cls the C computes the one row that
is read, and the others all. All contestants run the token ids of the same text in turn, round after round, so
that whatever else the machine does meets all of them. The ratio of a round is to the C of the same round; its
median over the rounds is what counts.
PyTorch and ONNX Runtime compute the float model, "dynamic int8" is ONNX Runtime's own quantisation of it.
CPU time stands beside wall-clock time because the latter also counts waiting for other processes.
Writes benchmarks/results/host_speed.json.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

import embbert
from embbert.config import EmbbertConfig, preset
from embbert.emit.c99 import runtime_files
from embbert.emit.render import Interface, render
from embbert.quant.build import quantize
from embbert.quant.reference import run
from embbert.verify.toolchain import find_compiler

if TYPE_CHECKING:
    from collections.abc import Callable

    from embbert.quant.spec import Plan

CLASSES = 8
LENGTHS = (16, 64, 256)
VECTORS = ("avx512_vnni", "avx_vnni", "avx512bw", "avx2")
"""Extensions that the kernels' products gain from, the strongest first, as /proc/cpuinfo writes them."""
BUILDS = {"C -O3 -march=native": ("-O3", "-march=native"), "C -O2": ("-O2",)}
YARDSTICK = "C -O3 -march=native"
RESULT = Path(__file__).parent / "results" / "host_speed.json"


class CompiledC:
    """The emitted model as a shared library in this process."""

    def __init__(self, plan: Plan, flags: tuple[str, ...], folder: Path) -> None:
        interface = Interface("net", "classify", (), pair=False, text_front=False)
        folder.mkdir()
        for name, text in {**render(plan, interface), **runtime_files(tokenizer=False)}.items():
            (folder / name).write_text(text)
        library = folder / "net.so"
        find_compiler("gcc").compile(
            sorted(folder.glob("*.c")), library, [*flags, "-std=c99", "-shared", "-fPIC"]
        )
        self._run = ctypes.CDLL(str(library)).net_run_ids
        self._arena = np.zeros(1 << 17, dtype=np.uint64)
        self.logits = np.zeros(CLASSES, dtype=np.int32)

    def prepare(self, ids: np.ndarray) -> Callable[[], None]:
        """A call without arguments that runs one text."""
        short = ids.astype(np.uint16)
        arguments = (
            ctypes.c_void_p(self._arena.ctypes.data),
            ctypes.c_size_t(self._arena.nbytes),
            ctypes.c_void_p(short.ctypes.data),
            ctypes.c_uint32(len(short)),
            ctypes.c_void_p(self.logits.ctypes.data),
        )

        def call(_keep: np.ndarray = short) -> None:
            if self._run(*arguments) != 0:
                raise RuntimeError("the C returned an error")

        return call


def contestants(config: EmbbertConfig, folder: Path) -> dict[str, Callable[[np.ndarray], Callable[[], Any]]]:
    """By name, what turns token ids into a call that runs them."""
    import onnxruntime  # noqa: PLC0415 - not needed to read this file
    import torch  # noqa: PLC0415
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415

    from embbert.models.heads import SequenceModel, to_arrays  # noqa: PLC0415

    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = SequenceModel(config, CLASSES).eval()
    rng = np.random.default_rng(0)
    texts = [[2, *rng.integers(5, config.vocab_size, 63).tolist()] for _ in range(16)]
    plan = quantize(config, to_arrays(model), CLASSES, texts)
    compiled = torch.compile(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1

    def in_torch(module: Any) -> Callable[[np.ndarray], Callable[[], Any]]:  # noqa: ANN401
        def prepare(ids: np.ndarray) -> Callable[[], Any]:
            tensor = torch.from_numpy(ids)[None]

            def call() -> Any:  # noqa: ANN401
                with torch.inference_mode():
                    return module(tensor)

            return call

        return prepare

    def in_onnx(*, integer: bool) -> Callable[[np.ndarray], Callable[[], Any]]:
        def prepare(ids: np.ndarray) -> Callable[[], Any]:
            path = folder / f"{len(ids)}.onnx"
            if not path.exists():
                torch.onnx.export(
                    model, (torch.from_numpy(ids)[None],), str(path), input_names=["ids"], dynamo=False
                )
            if integer:
                quantize_dynamic(path, f"{path}.int8", weight_type=QuantType.QInt8)
                path = Path(f"{path}.int8")
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            feed = {"ids": ids[None]}
            return lambda: session.run(None, feed)

        return prepare

    found: dict[str, Callable[[np.ndarray], Callable[[], Any]]] = {}
    for name, flags in BUILDS.items():
        code = CompiledC(plan, flags, folder / name.replace(" ", "_"))
        check(code, plan, config)
        found[name] = code.prepare
    return {
        **found,
        "ONNX Runtime float": in_onnx(integer=False),
        "ONNX Runtime dynamic int8": in_onnx(integer=True),
        "PyTorch eager": in_torch(model),
        "PyTorch compile": in_torch(compiled),
    }


def check(code: CompiledC, plan: Plan, config: EmbbertConfig) -> None:
    """What is timed must be right."""
    ids = np.random.default_rng(1).integers(5, config.vocab_size, 50)
    code.prepare(ids)()
    assert code.logits.tolist() == run(plan, ids.tolist()).tolist()


def measure(
    calls: dict[str, Callable[[], Any]], rounds: int, seconds: float
) -> dict[str, list[tuple[float, float]]]:
    """(wall, CPU) microseconds per call, by contestant and round; everybody's turn takes about `seconds`."""
    repeats = {}
    for name, call in calls.items():
        for _ in range(5):
            call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, round(seconds / (time.perf_counter() - start)))
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(repeats[name]):
                call()
            spent = time.perf_counter() - wall, time.process_time() - cpu
            times[name].append((spent[0] / repeats[name] * 1e6, spent[1] / repeats[name] * 1e6))
    return times


def summary(times: list[tuple[float, float]], yardstick: list[tuple[float, float]]) -> dict[str, float]:
    """Medians over the rounds."""
    row: dict[str, float] = {}
    for index, clock in enumerate(("wall", "cpu")):
        row[f"{clock}_us"] = round(median(value[index] for value in times), 1)
        ratios = [value[index] / other[index] for value, other in zip(times, yardstick, strict=True)]
        row[f"{clock}_ratio_to_c"] = round(median(ratios), 3)
    return row


def versions() -> dict[str, str]:
    import onnxruntime  # noqa: PLC0415
    import torch  # noqa: PLC0415

    return {
        "embbert": embbert.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "gcc": find_compiler("gcc").version,
    }


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    fields = dict(line.split(":", 1) for line in lines[:30] if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    if not named:
        return platform.processor()
    widest = next((name for name in VECTORS if name in named.get("flags", "").split()), "no AVX2")
    about = (
        named.get("model name"),
        f"family {named.get('cpu family')}",
        f"model {named.get('model')}",
        widest,
    )
    return ", ".join(map(str, about))


def commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=0.02, help="per contestant and round")
    parser.add_argument("--pooling", choices=("mean", "cls"), default="mean")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    config = replace(preset("embbert"), pooling=arguments.pooling)
    rng = np.random.default_rng(2)
    tables = {}
    with tempfile.TemporaryDirectory() as place:
        prepare = contestants(config, Path(place))
        for length in LENGTHS:
            ids = rng.integers(5, config.vocab_size, length)
            ids[0] = 2
            calls = {name: ready(ids) for name, ready in prepare.items()}
            times = measure(calls, arguments.rounds, arguments.seconds)
            tables[str(length)] = {name: summary(values, times[YARDSTICK]) for name, values in times.items()}
            for name, row in tables[str(length)].items():
                shown = "  ".join(f"{value:9.2f}" for value in row.values())
                print(f"{length:4} tokens  {name:26} {shown}")
    result = {
        "what": "time of one text, one thread, batch 1, token ids to logits; ratio: time / time of "
        + YARDSTICK,
        "command": "OMP_NUM_THREADS=1 python benchmarks/host_speed.py",
        "arguments": {"rounds": arguments.rounds, "seconds": arguments.seconds, "pooling": arguments.pooling},
        "model": "preset embbert, random weights, 8 classes",
        "commit": commit(),
        "versions": versions(),
        "cpu": processor(),
        "load_average": os.getloadavg(),
        "tokens": tables,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
