"""What is read from a `tokenizer.json` and written to one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

from embbert.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

Tokens = TypeVar("Tokens", bound="Stored")


class Stored(ABC):
    """Tokens, n-grams or both, as JSON."""

    @classmethod
    def load(cls: type[Tokens], path: Path) -> Tokens:
        """Read a `tokenizer.json`.

        Raises:
            ModelError: the file cannot be read, is damaged, or holds another kind of tokenizer.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: the tokenizer cannot be read ({error})") from error
        return cls._parse(text, str(path))

    @classmethod
    def from_json(cls: type[Tokens], text: str) -> Tokens:
        """Build from what `to_json` returned.

        Raises:
            ModelError: the text is damaged or describes another kind of tokenizer.
        """
        return cls._parse(text, "tokenizer")

    @classmethod
    @abstractmethod
    def _parse(cls: type[Tokens], text: str, where: str) -> Tokens:
        """Build from JSON; `where` begins the message if that is damaged."""

    @abstractmethod
    def to_json(self) -> str:
        """The same bytes every time."""

    def save(self, path: Path) -> None:
        """Write `to_json` to a file; one that exists is replaced."""
        path.write_text(self.to_json(), encoding="utf-8")
