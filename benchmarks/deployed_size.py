"""Bytes of an exported model, measured from the object files and a painted stack, beside the stated ones.

    python benchmarks/deployed_size.py runs/snips-faithful-continuation-seed0 --lengths 256 64

Each export is compiled, its C compared with the reference on the shipped texts, and its sections are read
from the objects. Writes benchmarks/results/deployed_size/<model>.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from embbert.config import to_mapping
from embbert.data import read_examples
from embbert.footprint import deployed, paper
from embbert.quant.plan_io import load_plan
from embbert.store import load_model
from embbert.verify.host import verify_host
from tinynlp import commit

RESULTS = Path(__file__).parent / "results" / "deployed_size"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--lengths", type=int, nargs="+", default=[256, 64])
    arguments = parser.parse_args()
    folder = load_model(arguments.model)
    plan = load_plan(folder)
    texts = read_examples("home", split="test").texts
    exports: list[dict[str, Any]] = []
    for length in arguments.lengths:
        found = verify_host(folder, plan, texts, max_length=length)
        formula = deployed(folder.config, folder.outputs, length)
        exports.append(
            {
                "max_length": length,
                "formula": {"constants": formula.constant_bytes, "arena": formula.arena_bytes},
                **found.as_json(),
            }
        )
        print(f"max_length {length}: {'ok' if found.ok else found.problems}")
    counted = paper(folder.config)
    result = {
        "model": arguments.model.name,
        "command": f"python benchmarks/{Path(__file__).name} {' '.join(sys.argv[1:])}",
        "commit": commit(),
        "config": to_mapping(folder.config),
        "paper": {"float32_total": counted.total, "quantized_total": counted.quantized_total},
        "exports": exports,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{arguments.model.name}.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
