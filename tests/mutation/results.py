"""What became of each mutant: kept line by line while it runs, summed up at the end."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from mutation.bench import NOT_BUILT, NOT_C, SAME_CODE

if TYPE_CHECKING:
    from pathlib import Path

    from mutation.mutants import Mutant

KILLED, SURVIVED, EQUIVALENT, INVALID = "killed", "survived", "equivalent", "invalid"


class Record:
    """Results by mutant, in a file of lines: what an interrupted run did is not done again.

    A result holds as long as the mutated file is the same, a survivor's as long as all tests and sources are.

    Args:
        path: of the file; created.
        state: changes with any test or source.
    """

    def __init__(self, path: Path, state: str) -> None:
        self.path = path
        self.state = state
        lines = path.read_text().splitlines() if path.exists() else []
        self._known = {self._key(entry): entry for entry in map(json.loads, lines)}

    @staticmethod
    def _key(entry: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(entry[name] for name in ("file", "operator", "before", "after", "nth"))

    def find(self, mutant: Mutant) -> dict[str, Any] | None:
        """The result of a mutant, if it was tried and still holds."""
        entry = self._known.get(mutant.key)
        if entry is None or entry["text"] != _digest(mutant):
            return None
        return entry if entry["result"] != SURVIVED or entry["state"] == self.state else None

    def add(self, mutant: Mutant, by: str | None) -> dict[str, Any]:
        """Keep what killed a mutant, or why it does not count, or None."""
        entry = {
            "file": mutant.file,
            "line": mutant.line,
            "operator": mutant.operator,
            "nth": mutant.nth,
            "before": mutant.before,
            "after": mutant.after,
            "result": verdict(by),
            "by": by,
            "text": _digest(mutant),
            "state": self.state,
        }
        self._known[mutant.key] = entry
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        return entry


def _digest(mutant: Mutant) -> str:
    return sha256(mutant.text.encode()).hexdigest()[:16]


def verdict(by: str | None) -> str:
    """One of the four results."""
    if by is None:
        return SURVIVED
    return {NOT_BUILT: INVALID, NOT_C: INVALID, SAME_CODE: EQUIVALENT}.get(by, KILLED)


def without_equivalents(
    entries: list[dict[str, Any]], equivalents: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The same, with the survivors that are shown to be equivalent marked as such.

    Raises:
        ValueError: a mutant that is said to be equivalent was killed.
    """
    reasons = {
        (entry["file"], entry["before"], entry["after"], entry.get("nth", 1)): entry["reason"]
        for entry in equivalents
    }
    judged = []
    for entry in entries:
        reason = reasons.get((entry["file"], entry["before"], entry["after"], entry["nth"]))
        if reason is not None and entry["result"] == KILLED:
            raise ValueError(f"{entry['file']}:{entry['line']} is no equivalent: {entry['by']} kills it")
        if reason is not None and entry["result"] == SURVIVED:
            entry = {**entry, "result": EQUIVALENT, "by": reason}  # noqa: PLW2901
        judged.append(entry)
    return judged


def summary(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts in all, by file and by operator; `score` is killed / (killed + survived), in per cent."""
    return {
        **_counts(entries),
        "files": {name: _counts(group) for name, group in _groups(entries, "file").items()},
        "operators": {name: _counts(group) for name, group in _groups(entries, "operator").items()},
    }


def _groups(entries: list[dict[str, Any]], field: str) -> dict[str, list[dict[str, Any]]]:
    groups: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        groups[entry[field]].append(entry)
    return dict(sorted(groups.items()))


def _counts(entries: list[dict[str, Any]]) -> dict[str, Any]:
    count = Counter(entry["result"] for entry in entries)
    tried = count[KILLED] + count[SURVIVED]
    return {
        **{name: count[name] for name in (KILLED, SURVIVED, EQUIVALENT, INVALID)},
        "score": round(100 * count[KILLED] / tried, 1) if tried else None,
    }


def table(result: dict[str, Any]) -> str:
    """The counts as Markdown."""
    lines = []
    for what in ("files", "operators"):
        lines += [f"| {what[:-1]} | killed | survived | equivalent | killed, % |", "|---|---|---|---|---|"]
        total = {key: value for key, value in result.items() if not isinstance(value, dict)}
        for name, counts in [*result[what].items(), ("all", total)]:
            cells = [counts[KILLED], counts[SURVIVED], counts[EQUIVALENT], counts["score"]]
            shown = " | ".join("–" if cell is None else str(cell) for cell in cells)
            lines.append(f"| {name.rpartition('/')[2]} | {shown} |")
        lines.append("")
    return "\n".join(lines)
