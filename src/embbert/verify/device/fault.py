"""What to say when the program on a core did not end well."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embbert.verify.device.image import Image

REASONS = {
    3: "the records could not be written",
    4: "a request was not understood",
    6: "a request is larger than the memory of the harness",
}
"""enum harness_failure of harness.h."""


def describe(image: Image, code: int, said: str) -> str:
    """A sentence: the function that faulted if the program could still tell, otherwise all that is known."""
    where = f"the model on {image.core.title}"
    found = re.search(r"fault at 0x([0-9a-f]{8})", said)
    if found:
        address = int(found[1], 16)
        function = image.linked.function_at(address)
        place = f"in {function}" if function else "outside of any function"
        return f"{where} faulted at {address:#010x}, {place}"
    if code in REASONS:
        return f"{where} stopped: {REASONS[code]}"
    return f"{where} stopped with exit code {code}:\n{said.strip()}"
