"""Mutants of Python, made on its syntax tree: annotations, strings and imports stay as they are."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from mutation.mutants import Mutant, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

RELATIONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type, tuple[str, type]] = {
    ast.Add: ("arithmetic", ast.Sub),
    ast.Sub: ("arithmetic", ast.Add),
    ast.Mult: ("arithmetic", ast.Add),
    ast.FloorDiv: ("arithmetic", ast.Mult),
    ast.Mod: ("arithmetic", ast.FloorDiv),
    ast.LShift: ("shift", ast.RShift),
    ast.RShift: ("shift", ast.LShift),
    ast.BitAnd: ("bits", ast.BitOr),
    ast.BitOr: ("bits", ast.BitAnd),
    ast.BitXor: ("bits", ast.BitOr),
}
EXTREMES = {"min": "max", "max": "min"}


def python_mutants(file: str, text: str) -> list[Mutant]:
    """Every mutant of a Python file, in order of place."""
    tree = ast.parse(text)
    original = ast.unparse(tree)
    return numbered(_mutants(file, tree, original))


def _mutants(file: str, tree: ast.Module, original: str) -> Iterator[Mutant]:
    for node in list(_nodes(tree)):
        for operator, holder, field, value in _changes(node):
            kept = getattr(holder, field)
            setattr(holder, field, value)
            changed = ast.unparse(tree)
            setattr(holder, field, kept)
            before, after = _difference(original.splitlines(), changed.splitlines())
            yield Mutant(file, node.lineno, operator, before, after, changed + "\n")


def _nodes(node: ast.AST) -> Iterator[Any]:
    """Every node but those of annotations, decorators and type-checking imports."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _checks_types(child):
                continue
            if hasattr(child, "lineno"):
                yield child
            yield from _nodes(child)


def _checks_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _changes(node: Any) -> Iterator[tuple[str, Any, str, Any]]:
    """(operator, node, field, value that the field gets instead)."""
    if isinstance(node, ast.Compare):
        for at, sign in enumerate(node.ops):
            for other in RELATIONS[type(sign)]:
                yield "relation", node, "ops", [*node.ops[:at], other(), *node.ops[at + 1 :]]
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        strings = [getattr(node, side, None) for side in ("left", "right", "value")]
        if type(node.op) in ARITHMETIC and not any(_is_text(operand) for operand in strings):
            operator, other = ARITHMETIC[type(node.op)]
            yield operator, node, "op", other()
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield "flag", node, "value", not node.value
        elif isinstance(node.value, int):
            yield "constant", node, "value", node.value + 1
            if node.value > 0:
                yield "constant", node, "value", node.value - 1
    elif isinstance(node, ast.BoolOp):
        yield "logic", node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.If | ast.IfExp) and not isinstance(node.test, ast.Compare | ast.BoolOp):
        yield "condition", node, "test", ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", node, "op", ast.UAdd()
    elif isinstance(node, ast.Name) and node.id in EXTREMES:
        yield "extreme", node, "id", EXTREMES[node.id]
    yield from _deletions(node)


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _deletions(node: Any) -> Iterator[tuple[str, Any, str, Any]]:
    for field in ("body", "orelse"):
        statements = getattr(node, field, None)
        if not isinstance(statements, list):
            continue
        for at, statement in enumerate(statements):
            call = isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)
            if call or isinstance(statement, ast.AugAssign | ast.Raise):
                yield "statement", node, field, [*statements[:at], ast.Pass(), *statements[at + 1 :]]


def _difference(before: list[str], after: list[str]) -> tuple[str, str]:
    """The lines that differ, blanks collapsed."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return tuple(  # type: ignore[return-value]
        " ".join(" ".join(lines[start : len(lines) - end]).split()) for lines in (before, after)
    )
