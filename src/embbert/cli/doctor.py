"""`embbert doctor`."""

from typing import Annotated, Any

import typer

CORE = ("jinja2", "numpy", "rich", "safetensors", "tokenizers", "typer")
TRAIN = ("accelerate", "datasets", "huggingface_hub", "scikit-learn", "scipy", "torch")
EMULATE = ("unicorn", "wasmtime", "ziglang")
COMPILERS = ("cc", "gcc", "clang")
CROSS = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf",
    "qemu-system-riscv32": "qemu-system-misc",
}
"""Program for emulated cores → the package that brings it."""

PROBE = "#include <stdint.h>\n#include <string.h>\nint main(void) { return 0; }\n"


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Say what is installed, what works, and what to install for the rest."""
    import json

    report = examine()
    typer.echo(json.dumps(report, indent=2)) if as_json else _print(report)
    if not report["ok"]:
        raise typer.Exit(1)


def examine() -> dict[str, Any]:
    """What there is and how sound it is, as JSON values.

    Versions of packages (None: absent), compilers that work, programs for emulated cores, parameters of the
    base models that come along (None: damaged), advice, and whether everything that must be there is.
    """
    import platform

    from embbert import __version__
    from embbert.bases import shipped_bases

    core = {name: _version(name) for name in CORE}
    train = {name: _version(name) for name in TRAIN}
    emulate = {name: _version(name) for name in EMULATE}
    cross = {name: _program(name) for name in CROSS}
    compilers = {name: compiler for name in COMPILERS if (compiler := _compiler(name))}
    advice = []
    if None in core.values():
        absent = ", ".join(name for name, version in core.items() if version is None)
        advice.append(f"the core lacks {absent}: run  pip install --force-reinstall embbert")
    if None in train.values():
        advice.append('training and eval need more packages: run  pip install "embbert[train]"')
    if not any(compiler["works"] for compiler in compilers.values()):
        advice.append("embbert verify needs a C compiler: run  apt-get install gcc libc6-dev")
    advice += _advice_on_cores(emulate, cross)
    bases = {name: _base_parameters(name) for name in shipped_bases()}
    if None in bases.values():
        advice.append("a base model is damaged: run  pip install --force-reinstall embbert")
    return {
        "embbert": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "core": core,
        "train": train,
        "emulate": emulate,
        "compilers": compilers,
        "cross": cross,
        "bases": bases,
        "advice": advice,
        "ok": None not in (*core.values(), *bases.values()),
    }


def _advice_on_cores(emulate: dict[str, str | None], cross: dict[str, str | None]) -> list[str]:
    """What to install for emulated cores: either set of tools does, and WebAssembly needs the second."""
    absent = " ".join(CROSS[name] for name, version in cross.items() if version is None)
    apt, pip = f"run  apt-get install {absent}", 'pip install "embbert[emulate]"'
    if absent and not (emulate["ziglang"] and emulate["unicorn"]):
        return [
            f"embbert verify --on a core needs a cross compiler and an emulator: {apt}",
            f"  or, without root,  {pip}",
        ]
    advice = [f"without GCC and QEMU, cores are emulated by zig and unicorn: {apt}"] if absent else []
    if not (emulate["ziglang"] and emulate["wasmtime"]):
        advice.append(f"embbert verify --on wasm32 needs zig and wasmtime: run  {pip}")
    return advice


def _program(name: str) -> str | None:
    """First line of what a program says about its version; None if it is not there or does not run."""
    import shutil
    import subprocess

    path = shutil.which(name)
    if path is None:
        return None
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.partition("\n")[0] or None


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _base_parameters(name: str) -> int | None:
    """How many a base has that comes along; None if a file of it is damaged, its weights included."""
    from embbert.bases import sound_shape
    from embbert.errors import ModelError

    try:
        return sound_shape(name).config.parameter_count
    except ModelError:
        return None


def _compiler(name: str) -> dict[str, Any] | None:
    """Version line of a compiler, and whether it compiles C99 against the C library's headers."""
    import shutil
    import subprocess

    path = shutil.which(name)
    if path is None:
        return None
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
        probe = [path, "-std=c99", "-fsyntax-only", "-x", "c", "-"]
        tried = subprocess.run(probe, input=PROBE, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"path": path, "version": str(error), "works": False}
    lines = said.stdout.splitlines()
    return {"path": path, "version": lines[0] if lines else "", "works": tried.returncode == 0}


def _print(report: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from embbert.console import plain_console

    missing, absent = Text("not installed", style="yellow"), Text("not found", style="yellow")

    table = Table("part", "found", "used by")
    for part, use in (("core", "every command"), ("train", "train, eval"), ("emulate", "verify --on a core")):
        for name, version in report[part].items():
            table.add_row(name, version or missing, use)
    for name in COMPILERS:
        found = report["compilers"].get(name)
        state = absent if found is None else Text(found["version"])
        if found is not None and not found["works"]:
            state.append(" (cannot compile C99)", style="red")
        table.add_row(name, state, "verify")
    for name, version in report["cross"].items():
        table.add_row(name, version or absent, "verify --on a core")
    for name, parameters in report["bases"].items():
        state = Text("damaged", "red") if parameters is None else Text(f"{parameters:,} parameters")
        table.add_row(name, state, "train --base")
    typer.echo(f"embbert {report['embbert']}, Python {report['python']}, {report['machine']}")
    plain_console().print(table)
    for line in report["advice"]:
        typer.echo(line)
