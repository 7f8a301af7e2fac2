"""Tables and lines for people, in which users' strings stay as they are."""

from __future__ import annotations

from rich.console import Console


def plain_console(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """A console that takes no word for a code: `[x]` is no markup, `:train:` no picture.

    Args:
        stderr: print there instead of on stdout.
        soft_wrap: leave it to the terminal to break lines.
    """
    return Console(stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)
