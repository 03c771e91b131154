"""Tables as CSV, for people who open them with a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from holdfast.web.pages.drawing import inert

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str | None]]) -> str:
    """Write rows as CSV; what a spreadsheet would take for a formula is quoted."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(header)
    for row in rows:
        writer.writerow([_harmless(text or "") for text in row])
    return file.getvalue()


def _harmless(text: str) -> str:
    shown = str(inert(text))
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
