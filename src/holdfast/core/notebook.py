"""Views for a notebook, made for reading; all text is escaped, and styles stay within."""

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from holdfast.core import wording
from holdfast.core.drawing import svg
from holdfast.core.drawing.lineage_graph import LineageNode
from holdfast.core.drawing.svg import Drawing
from holdfast.core.wording import escape as escaped
from holdfast.core.wording import inert

_NONE: Final = "–"
_NAME: Final = "holdfast-view"
_DARK: Final = (
    "[data-jp-theme-light=false]", ".vscode-dark", "[theme=dark]", "[data-theme=dark]", ".dark",
)  # fmt: skip
"""How notebooks say that they are dark: JupyterLab, VS Code, Colab, pages made of notebooks."""
_COLOURS: Final = {
    "text": "currentColor", "muted": "var(--hf-muted)", "line": "var(--hf-line)",
    "control": "var(--hf-control)", "surface": "var(--hf-muted)", "halo": "none",
    "sunk": "var(--hf-sunk)",
    "live": "var(--hf-live)", "live_bg": "var(--hf-live-bg)", "canary": "var(--hf-canary)",
    "bad": "var(--hf-bad)",
}  # fmt: skip
_RULES: Final = (
    "div.{0}{{--hf-muted:#54615c;--hf-line:#dfe4e0;--hf-control:#7d8a85;--hf-sunk:#80808018;"
    "--hf-live:#0b7247;--hf-live-bg:#0b724722;--hf-canary:#9a5200;--hf-bad:#b0261c;"
    "font:13px/1.5 system-ui,sans-serif;max-width:60rem;font-variant-numeric:tabular-nums}}"
    "{1}{{--hf-muted:#9baaa6;--hf-line:#3a464e;--hf-control:#6e7d7a;--hf-live:#4fce90;"
    "--hf-live-bg:#4fce9022;--hf-canary:#f2b155;--hf-bad:#ff938a}}"
    "div.{0} table{{border-collapse:collapse;margin:0 0 10px;border:0;font-size:13px}}"
    "div.{0} :is(th,td){{text-align:left;padding:3px 16px 3px 0;border:0;background:none;"
    "vertical-align:top;white-space:normal;max-width:36rem;overflow-wrap:break-word}}"
    "div.{0} tr{{background:none!important;border-bottom:1px solid var(--hf-line)}}"
    "div.{0} th{{font-weight:400;color:var(--hf-muted)}}"
    "div.{0} td.n{{text-align:right}}div.{0} th.n{{text-align:right}}"
    "div.{0} p{{margin:0 0 6px}}div.{0} .t{{font-size:15px;font-weight:600}}"
    "div.{0} .m{{color:var(--hf-muted)}}div.{0} .g{{color:var(--hf-live)}}"
    "div.{0} .b{{color:var(--hf-bad)}}div.{0} .c{{color:var(--hf-canary)}}"
    "div.{0} code{{font-family:{2};font-size:12px;background:none;color:inherit;padding:0}}"
    "div.{0} svg{{max-width:100%;height:auto;display:block;margin:0 0 10px}}"
    "div.{0} ul{{margin:0 0 6px;padding-left:1.2em}}div.{0} li{{overflow-wrap:anywhere}}"
    "div.{0} td svg{{margin:3px 0}}div.{0} img{{max-width:100%;height:auto}}"
)
_STYLE: Final = _RULES.format(
    _NAME, ",".join(f"{host} div.{_NAME}" for host in _DARK), svg.FONT
) + svg.style(f"div.{_NAME} .drawing", _COLOURS)


class Html(str):
    """Text that is markup of ours already."""

    __slots__ = ()


def view(*parts: str) -> str:
    """Put markup of this module below each other, with the styles that it needs."""
    return f'<div class="{_NAME}"><style>{_STYLE}</style>{"".join(parts)}</div>'


def heading(text: str, beside: str = "") -> Html:
    """Return a heading, and what is written more quietly beside it."""
    quiet = f' <span class="m">{escape(beside)}</span>' if beside else ""
    return Html(f'<p><span class="t">{escape(text)}</span>{quiet}</p>')


def line(text: str, class_: str = "") -> Html:
    """Return a line of text; classes are `m`uted, `g`ood, `b`ad, `c`anary and `t`itle."""
    return Html(f"<p>{span(text, class_)}</p>")


def span(text: str, class_: str) -> Html:
    """Return text in a colour that means something."""
    return Html(f'<span class="{class_}">{escape(text)}</span>' if class_ else escape(text))


def code(text: str) -> Html:
    """Return what is to be typed."""
    return Html(f"<code>{escape(text)}</code>")


def image(media: str, content: bytes, about: str) -> Html:
    """Return a picture whose bytes stand in the page: as an image, nothing in it is run."""
    data = base64.b64encode(content).decode()
    return Html(f'<p><img src="data:{media};base64,{data}" alt="{escape(about)}"></p>')


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """Return an HTML table; `None` is shown as a dash, numbers are aligned at their end."""
    cells = [list(row) for row in rows]
    numeric = {
        index for row in cells for index, cell in enumerate(row) if isinstance(cell, (int, float))
    }
    marks = [' class="n"' if index in numeric else "" for index in range(len(header))]
    head = "".join(
        f"<th{mark}>{escape(cell)}</th>" for mark, cell in zip(marks, header, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row, marks))}</tr>" for row in cells)
    return Html(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def facts(fields: Iterable[tuple[str, object]]) -> Html:
    """Return an HTML table of names and values; what is `None` or empty is left out."""
    rows = [(name, value) for name, value in fields if value not in (None, "", (), {})]
    body = "".join(f"<tr><th>{escape(name)}</th>{_cell(value)}</tr>" for name, value in rows)
    return Html(f"<table><tbody>{body}</tbody></table>")


def nested(nodes: Iterable[LineageNode]) -> Html:
    """Return nodes as a list, and below each of them what it was made from."""
    items = []
    for node in nodes:
        kind = "" if node.text.startswith(node.kind) else f"{span(node.kind, 'm')} "
        below = nested(node.sources) if node.sources else ""
        items.append(f"<li>{kind}{escape(node.text)} {span(node.note, 'm')}{below}</li>")
    return Html(f"<ul>{''.join(items)}</ul>")


def moment(text: str | None) -> str | None:
    """Show a time of the journal to the minute, in UTC."""
    return None if text is None else datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")


def when(text: str | None) -> str | None:
    """Show a time to the minute for a column headed (UTC), in one line."""
    return None if text is None else wording.moment(text).replace(" ", "\N{NO-BREAK SPACE}")


def change(value: float | None) -> str | None:
    """Show a difference with its sign."""
    return None if value is None else f"{value:+.4g}"


def _cell(value: object, mark: str = "") -> str:
    return f"<td{mark}>{_shown(value)}</td>"


def _shown(value: object) -> str:
    if isinstance(value, (Html, Drawing)):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    return _NONE if value in (None, "") else escape(str(value))


def escape(text: str) -> str:
    """Write text so that HTML shows it as it is."""
    return escaped(inert(text))
