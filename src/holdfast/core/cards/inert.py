"""Pieces of Markdown in which what people typed stays text: no tag, no link, no structure.

Every character that CommonMark or GitHub's tables give a meaning is escaped, so the pieces hold
in a renderer that lets HTML through. A bare web address stays one, and a renderer may link it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

# An underscore after a letter or digit never opens emphasis; escaping it would only spoil names
# such as n_estimators for those who read the source.
_MARKS: Final = re.compile(r"[\\`*\[\]#|~$]|(?<![0-9A-Za-z])_")
# A list item, a heading's underline or a delimiter row; `-0.5` and `2026-01-31` begin none.
_BLOCK_START: Final = re.compile(r"^(?:\d{1,9}(?=[.)](?:\s|$))|(?=[-+=:](?![0-9A-Za-z.])))")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def line(value: str) -> str:
    """Escape *value* for one line; breaks become spaces, control characters U+FFFD."""
    visible = _CONTROLS.sub("\ufffd", " ".join(value.split()))
    escaped = _MARKS.sub(r"\\\g<0>", visible).translate(_ENTITIES)
    return _BLOCK_START.sub(r"\g<0>\\", escaped)


def paragraphs(value: str) -> str:
    """Escape *value* and keep its lines and paragraphs as they were typed."""
    blocks: list[list[str]] = [[]]
    for raw in value.splitlines():
        if escaped := line(raw):
            blocks[-1].append(escaped)
        elif blocks[-1]:
            blocks.append([])
    return "\n\n".join("\\\n".join(block) for block in blocks if block)


def bullets(values: Iterable[str]) -> str:
    """Return a list with one escaped line for each value that is not blank."""
    return "\n".join(f"- {escaped}" for value in values if (escaped := line(value)))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of escaped cells, or empty text if there are no rows."""
    body = [_row(map(line, row)) for row in rows]
    if not body:
        return ""
    return "\n".join([_row(map(line, header)), _row("---" for _ in header), *body])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def fenced(content: str, language: str) -> str:
    """Return *content* as a code block; no run of backticks in it can end the block."""
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{content}\n{fence}"
