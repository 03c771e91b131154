"""Tables for a notebook, made for reading; all text is escaped."""

from collections.abc import Iterable, Sequence
from datetime import datetime

_NONE = "–"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table; `None` is shown as a dash."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def facts(title: str, told: Iterable[tuple[str, object]]) -> str:
    """Return an HTML table of names and values; what is `None` or empty is left out."""
    rows = [(name, value) for name, value in told if value not in (None, "", (), {})]
    body = "".join(f"<tr><th>{escape(name)}</th>{_cell(value)}</tr>" for name, value in rows)
    return f"<table><caption>{escape(title)}</caption><tbody>{body}</tbody></table>"


def moment(text: str | None) -> str | None:
    """Show a time of the journal to the minute, in UTC."""
    return None if text is None else datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")


def change(value: float | None) -> str | None:
    """Show a difference with its sign."""
    return None if value is None else f"{value:+.4g}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"<td>{value:.6g}</td>"
    return f"<td>{_NONE if value in (None, '') else escape(str(value))}</td>"


def escape(text: str) -> str:
    """Write text so that HTML shows it as it is."""
    from html import escape as escaped  # noqa: PLC0415 - its table of names is slow to import

    return escaped(text)
