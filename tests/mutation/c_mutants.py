"""Mutants of C, made on its tokens: comments, strings and preprocessor conditions stay as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mutation.mutants import Mutant, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = re.compile(
    r"""(?P<skip> \s+ | \\\n | /\*.*?\*/ | //[^\n]*
                | ^[ \t]*\#[ \t]*define[ \t]+\w+(?:\([^)]*\))?    # the body of a macro is code
                | ^[ \t]*\#(?:[^\n\\]|\\.)*
                | \{\{.*?\}\} | \{%.*?%\} )                       # of a template
      | (?P<string> "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' )
      | (?P<number> 0[xX][0-9a-fA-F]+[uUlL]* | \d+[uUlL]* )
      | (?P<name> [A-Za-z_]\w* )
      | (?P<sign> <<=|>>=|\+\+|--|->|&&|\|\||[<>=!+\-*/%&|^]=|<<|>>|\#\#|[^\s\w] )""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)

RELATIONS = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
}  # fmt: skip
ARITHMETIC = {
    "+": ("-",), "-": ("+",), "*": ("+",), "/": ("*",), "%": ("/",), "+=": ("-=",), "-=": ("+=",),
    "++": ("--",), "--": ("++",), "*=": ("+=",),
}  # fmt: skip
SHIFTS = {"<<": (">>",), ">>": ("<<",), "<<=": (">>=",), ">>=": ("<<=",)}
BITS = {"&": ("|",), "|": ("&",), "^": ("&", "|"), "&=": ("|=",), "|=": ("&=",), "^=": ("|=",), "~": ("",)}
LOGIC = {"&&": ("||",), "||": ("&&",), "!": ("",)}
SIGNS = {"relation": RELATIONS, "arithmetic": ARITHMETIC, "shift": SHIFTS, "bits": BITS, "logic": LOGIC}
CASTS = {
    "int8_t": ("uint8_t", "int32_t"), "uint8_t": ("int8_t",), "int16_t": ("int8_t", "int32_t"),
    "uint16_t": ("int16_t",), "int32_t": ("int16_t",), "uint32_t": ("uint16_t", "int32_t"),
    "int64_t": ("int32_t",), "uint64_t": ("uint32_t",),
}  # fmt: skip
WORDS = {
    "vminq_s32": "vmaxq_s32",
    "vmaxq_s32": "vminq_s32",
    "even_bytes": "odd_bytes",
    "odd_bytes": "even_bytes",
}
STATUSES = [
    f"EMBBERT_{name}"
    for name in (
        *("OK", "ARENA_NULL", "ARENA_MISALIGNED", "ARENA_TOO_SMALL", "TEXT_NULL", "RESULT_NULL", "NO_TOKENS"),
        *("TOO_MANY_TOKENS", "BAD_TOKEN", "SELF_TEST_FAILED", "WEIGHTS_NULL", "WEIGHTS_MISALIGNED"),
        *("WEIGHTS_TRUNCATED", "WEIGHTS_UNKNOWN", "WEIGHTS_FOREIGN", "WEIGHTS_DAMAGED", "WEIGHTS_UNSOUND"),
    )
]
SATURATION = re.compile(r"embbert_(?:narrow|clamp)(8|16|32)$")
NO_STATEMENT = {
    *(
        "const",
        "static",
        "return",
        "if",
        "for",
        "while",
        "do",
        "switch",
        "case",
        "default",
        "else",
        "typedef",
    ),
    *("extern", "struct", "enum", "goto", "inline", "__asm__"),
}


@dataclass(frozen=True)
class Token:
    """A piece of C: `kind` is string, number, name or sign."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """Behind its last character."""
        return self.start + len(self.text)


@dataclass(frozen=True)
class _Edit:
    operator: str
    start: int
    end: int
    text: str


def c_mutants(file: str, text: str) -> list[Mutant]:
    """Every mutant of a C file, in order of place."""
    edits = sorted(_edits(tokens(text)), key=lambda edit: (edit.start, edit.end, edit.operator, edit.text))
    # An assertion of the compiler's has no place in what is compiled.
    found = (_mutant(file, text, edit) for edit in edits)
    return numbered(mutant for mutant in found if not mutant.before.startswith("typedef char"))


def tokens(text: str) -> list[Token]:
    """The code in a text: no blanks, comments or directives."""
    return [
        Token(match.lastgroup or "", match.group(), match.start())
        for match in TOKEN.finditer(text)
        if match.lastgroup != "skip"
    ]


def _mutant(file: str, text: str, edit: _Edit) -> Mutant:
    first = text.rfind("\n", 0, edit.start) + 1
    last = text.find("\n", edit.end)
    changed = text[: edit.start] + edit.text + text[edit.end :]
    before = _line(text[first:last])
    after = _line(text[first : edit.start] + edit.text + text[edit.end : last])
    return Mutant(file, text.count("\n", 0, edit.start) + 1, edit.operator, before, after, changed)


def _line(text: str) -> str:
    return " ".join(re.sub(r"/\*.*?\*/|/\*.*|\\$", "", text, flags=re.DOTALL | re.MULTILINE).split())


def _edits(code: list[Token]) -> Iterator[_Edit]:
    brackets: list[str] = []
    for at, token in enumerate(code):
        before = code[at - 1] if at else Token("sign", ";", 0)
        after = code[at + 1] if at + 1 < len(code) else Token("sign", ";", 0)
        if token.text in ("(", "[", "{"):
            brackets.append(token.text)
        elif token.text in (")", "]", "}") and brackets:
            brackets.pop()
        if token.kind == "sign":
            yield from _sign(token, before, after)
        elif token.kind == "number":
            element = before.text in ("{", ",") and after.text in ("}", ",") and brackets[-1:] == ["{"]
            yield from _number(token, "table" if element else "constant")
        elif token.kind == "name":
            yield from _name(code, at, before, after)
        yield from _cast(code, at)
        yield from _rounding(code, at)
        if "(" not in brackets:
            yield from _deletion(code, at)


def _value(token: Token) -> bool:
    """Whether an operator behind this token has two operands."""
    return (
        token.kind == "number"
        or token.text in (")", "]")
        or (token.kind == "name" and token.text != "return")
    )


def _type(token: Token) -> bool:
    return token.text.endswith("_t") or token.text in ("int", "char", "void", "unsigned", "restrict")


def _sign(token: Token, before: Token, after: Token) -> Iterator[_Edit]:
    binary = _value(before) and not _type(before) and after.text not in (")", ",", "*", "const", "restrict")
    if token.text in ("+", "-", "*", "&") and not binary:
        if token.text == "-" and not _value(before):
            yield _Edit("sign", token.start, token.end, "")
        return
    for operator, table in SIGNS.items():
        for other in table.get(token.text, ()):
            yield _Edit(operator, token.start, token.end, other)


def _number(token: Token, operator: str) -> Iterator[_Edit]:
    digits = token.text.rstrip("uUlL")
    suffix = token.text[len(digits) :]
    value = int(digits, 0)
    for other in (value + 1, value - 1):
        if other >= 0:
            written = f"0x{other:x}" if digits.lower().startswith("0x") else str(other)
            yield _Edit(operator, token.start, token.end, written + suffix)


def _name(code: list[Token], at: int, before: Token, after: Token) -> Iterator[_Edit]:
    token = code[at]
    saturation = SATURATION.match(token.text)
    called = after.text == "(" and not _type(before)
    if token.text in WORDS and called:
        yield _Edit("word", token.start, token.end, WORDS[token.text])
    elif saturation and called:
        yield _Edit("saturation", token.start, token.end, f"(int{saturation[1]}_t)")
    elif token.text == "embbert_smaller" and called:
        comma, close = _arguments(code, at + 1)
        yield _Edit("minimum", token.start, close.end, f"({_text(code, at + 2, comma)})")
        yield _Edit("minimum", token.start, close.end, f"({_text(code, comma + 1, code.index(close))})")
    elif token.text == "half" and not _type(before) and after.text not in ("=", ","):
        yield _Edit("rounding", token.start, token.end, "(half / 2)")
        yield _Edit("rounding", token.start, token.end, "(half * 0)")
    elif token.text in STATUSES and before.text in ("return", "?", ":", "==", "!=", "="):
        place = (STATUSES.index(token.text) + 1) % len(STATUSES)
        yield _Edit("status", token.start, token.end, STATUSES[place])


def _arguments(code: list[Token], opening: int) -> tuple[int, Token]:
    """(index of the first comma, closing parenthesis) of a call."""
    depth, comma = 0, 0
    for at in range(opening, len(code)):
        depth += {"(": 1, ")": -1}.get(code[at].text, 0)
        if code[at].text == "," and depth == 1 and not comma:
            comma = at
        if depth == 0:
            return comma, code[at]
    raise ValueError("a call without an end")


def _text(code: list[Token], start: int, end: int) -> str:
    return " ".join(token.text for token in code[start:end])


def _cast(code: list[Token], at: int) -> Iterator[_Edit]:
    if at + 3 < len(code) and code[at].text == "(" and code[at + 2].text == ")":
        name, before, after = code[at + 1], code[at - 1], code[at + 3]
        if before.text != "sizeof" and after.text not in (";", "{", ",", ")"):
            for other in CASTS.get(name.text, ()):
                yield _Edit("cast", name.start, name.end, other)


def _rounding(code: list[Token], at: int) -> Iterator[_Edit]:
    """What is added just before a shift to the right or a division, dropped."""
    if code[at].text != "+":
        return
    depth = 0
    for end in range(at + 1, len(code)):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(code[end].text, 0)
        if depth < 0:
            if end + 1 < len(code) and code[end].text == ")" and code[end + 1].text in (">>", "/"):
                yield _Edit("rounding", code[at].start, code[end].start, "")
            return
        if depth == 0 and code[end].text in ("+", ",", ";", "?", ":", "<", ">", "=", "{"):
            return


def _deletion(code: list[Token], at: int) -> Iterator[_Edit]:
    """A statement that begins here, left out."""
    first, before = code[at], code[at - 1] if at else Token("sign", ";", 0)
    label = before.text == ":" and (code[at - 2].text == "default" or code[at - 3].text == "case")
    if before.text not in (";", "{", "}") and not label:
        return
    second = code[at + 1] if at + 1 < len(code) else first
    alone = first.text in ("break", "continue", "return") and second.text == ";"
    if first.kind == "sign" and first.text not in ("*", "++", "--", "("):
        return
    declares = first.text in NO_STATEMENT or _type(first) or (first.kind == second.kind == "name")
    if not alone and (declares or second.text == ";"):
        return
    depth = 0
    for end in range(at, len(code)):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(code[end].text, 0)
        if depth < 0 or code[end].text in ("{", "}") or first.kind == "number":
            return
        if depth == 0 and code[end].text == ";":
            yield _Edit("statement", first.start, code[end].end, ";")
            return
