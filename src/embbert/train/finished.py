"""A training that was done already, before what should have followed was interrupted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from embbert.bases import SCRATCH
from embbert.config import to_mapping
from embbert.errors import ModelError
from embbert.store import load_model
from embbert.train.versions import source_of

if TYPE_CHECKING:
    from embbert.train.prepare import Request


def finished(request: Request) -> dict[str, Any] | None:
    """Metrics of the model that stands at `out` if the same request made it; None if it has to be trained.

    A wish for another precision of the products alone is no reason to train anew.
    """
    if request.restart:
        return None
    try:
        folder = load_model(request.out)
    except ModelError:  # none, or a damaged one
        return None
    base, found = request.base, folder.metrics
    role = "validation" if request.test is None else "test"
    made = {
        "data": source_of(request.train, "train"),
        "base": SCRATCH if base is None else {"name": base.name, "fingerprint": base.fingerprint()},
    }
    measured = {"role": role} if request.test is None else source_of(request.test, role)
    entries = folder.config.vocab_size
    if request.vocab_size is not None or base is not None or entries > request.model.vocab_size:
        entries = request.vocab_size or request.model.vocab_size
    protocol = to_mapping(request.config) | ({"boundary": request.boundary} if base is None else {})
    same = (
        folder.config == replace(request.model, vocab_size=entries)
        and _holds(found, made)
        and _holds(found.get("measured_on"), measured)
        and _holds(found.get("protocol"), protocol)
    )
    return found if same else None


def _holds(found: object, wanted: dict[str, Any]) -> bool:
    return isinstance(found, dict) and all(found.get(name) == value for name, value in wanted.items())
