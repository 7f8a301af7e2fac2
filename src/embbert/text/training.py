"""Learn a vocabulary: count, choose the alphabet, let the `tokenizers` library find the merges."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tokenizers import Tokenizer as LibraryTokenizer
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from embbert.errors import DataError, UsageError
from embbert.text.pipeline import (
    NORMALIZER,
    PRE_TOKENIZER,
    SPECIAL_TOKENS,
    Boundary,
    is_reordered,
    prefix,
    replace_surrogates,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_VOCAB_SIZE = 65536
"""Token ids are uint16 in C."""

MAX_ALPHABET = 16383
"""Characters that the C tables can number: 14 bits, less one code for "unknown"."""

_REPEATS = 4096  # copies of a word per string that the trainer is fed: bounds the strings' size


class Learned(NamedTuple):
    """A vocabulary in order of ids, and the merges; the last `len(merges)` tokens are their results."""

    tokens: list[str]
    merges: list[tuple[str, str]]


def learn(texts: Iterable[str], vocab_size: int, boundary: Boundary, min_frequency: int) -> Learned:
    """Learn at most `vocab_size` tokens; fewer when the texts support no more.

    The same words in any order give the same result, whatever the hash seed and the number of threads:
    ids follow code points in the alphabet and the order of merges after it, and the library breaks ties
    between pairs by id.

    Args:
        texts: read once.
        vocab_size: special tokens included.
        boundary: see `Boundary`.
        min_frequency: a pair seen less often is never merged.

    Raises:
        DataError: no usable character in the texts.
        UsageError: a size or frequency that cannot be.
    """
    if not len(SPECIAL_TOKENS) < vocab_size <= MAX_VOCAB_SIZE:
        raise UsageError(
            f"vocab_size must be between {len(SPECIAL_TOKENS) + 1} and {MAX_VOCAB_SIZE}, not {vocab_size}"
        )
    if min_frequency < 1:
        raise UsageError(f"min_frequency must be at least 1, not {min_frequency}")
    words = _count_words(texts)
    base = [*SPECIAL_TOKENS, *_alphabet(words, vocab_size - len(SPECIAL_TOKENS), prefix(boundary))]
    merges = _merges(words, base, vocab_size, prefix(boundary), min_frequency)
    return Learned(base + list(merges), list(merges.values()))


def _count_words(texts: Iterable[str]) -> Counter[str]:
    """Normalised text between spaces, with counts; normalisation leaves no other white space.

    A space parts what stands beside it before normalisation too, so each distinct stretch is
    normalised once.
    """
    raw: Counter[str] = Counter()
    for text in texts:
        raw.update(text.split(" "))
    words: Counter[str] = Counter()
    for chunk, count in raw.items():
        for word in NORMALIZER.normalize_str(replace_surrogates(chunk)).split(" "):
            words[word] += count
    del words[""]
    return words


def _alphabet(words: Counter[str], room: int, continuation: str) -> list[str]:
    """The base tokens: the most frequent characters that fit into `room` entries.

    A character takes one entry, and with a continuation prefix one more if it is ever seen inside a
    piece. Characters that do not fit become [UNK]; ties go to the lower code point.
    """
    counts: Counter[str] = Counter()
    inside: set[str] = set()
    for word, count in words.items():
        for piece, _ in PRE_TOKENIZER.pre_tokenize_str(word):
            inside.update(piece[1:])
            for character in piece:
                counts[character] += count
    first: list[str] = []
    later: list[str] = []
    for character, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        entries = 2 if continuation and character in inside else 1
        if entries > room or len(first) == MAX_ALPHABET or is_reordered(character):
            continue
        room -= entries
        first.append(character)
        if entries == 2:
            later.append(continuation + character)
    if not first:
        raise DataError(
            "the texts have no character to build a vocabulary from",
            remedy="give texts with letters, and a vocab_size of at least 7",
        )
    return sorted(first) + sorted(later)


def _merges(
    words: Counter[str], base: list[str], vocab_size: int, continuation: str, min_frequency: int
) -> dict[str, tuple[str, str]]:
    """New token → the pair it was merged from, in order of rank.

    The base tokens go in as the library's special tokens with its own alphabet switched off: left alone
    it numbers "##x" tokens in the order of a randomly seeded hash map. Of several merges with one result
    the first stays, so that a merge's rank tells its result's id.
    """
    options: dict[str, Any] = {"continuing_subword_prefix": continuation} if continuation else {}
    library = LibraryTokenizer(BPE(**options))
    library.pre_tokenizer = PRE_TOKENIZER
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=base,
        limit_alphabet=0,
        show_progress=False,
        **options,
    )
    library.train_from_iterator(_repeat(words), trainer)
    merges: dict[str, tuple[str, str]] = {}
    for left, right in json.loads(library.to_str())["model"]["merges"]:
        merges.setdefault(left + right[len(continuation) :], (left, right))
    return merges


def _repeat(words: Counter[str]) -> Iterator[str]:
    for word, count in sorted(words.items()):
        for start in range(0, count, _REPEATS):
            yield f"{word} " * min(_REPEATS, count - start)
