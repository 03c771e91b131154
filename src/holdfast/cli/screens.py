"""Screens for people: the status at 11 pm, a comparison, progress."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from holdfast.cli.tables import ago, inert, moment, number, quoted, size, span, width
from holdfast.core.compare import Comparison, Difference, FileRow, MetricRow
from holdfast.core.views import Before, Damage, Status

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_MARKS: Final = {
    "worse": ("▼", "red"),
    "missing": ("?", "red"),
    "changed": ("~", "yellow"),
    "better": ("▲", "green"),
    "added": ("+", "yellow"),
    "equal": ("=", "dim"),
}
_SHOWN: Final = 3
_NARROW: Final = 80
"""Columns below which times lose their year."""


def render(*parts: "RenderableType") -> list[str]:
    """Draw on the columns of the screen, in colour where a terminal shows it."""
    from rich.console import Console
    from rich.segment import Segment, Segments

    console = Console(width=width(), highlight=False, emoji=False, markup=False)
    with console.capture() as captured:
        for part in parts:
            drawn = (Segment(inert(one.text), one.style) for one in console.render(part))
            console.print(Segments(drawn), end="")
    return captured.get().rstrip("\n").split("\n")


def status(one: Status) -> list[str]:
    """Draw the screen for whoever is on call."""
    from rich import box
    from rich.panel import Panel
    from rich.table import Table

    facts = Table.grid(padding=(0, 1))
    facts.add_column(justify="right", style="bold", no_wrap=True, min_width=10)
    facts.add_column(overflow="fold")
    for label, value in _facts(one):
        facts.add_row(label, value)
    moves = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim", expand=True)
    columns = width()
    short = columns < _NARROW
    spare = columns - 100
    sizes = (
        (11, 6, 20)
        if short
        else (16, 8 + max(0, spare // 8), 36 + spare // (3 if spare > 0 else 1))
    )
    for heading, size_of in zip(("when (UTC)", "who", "what"), sizes, strict=True):
        moves.add_column(heading, no_wrap=True, overflow="ellipsis", width=size_of)
    moves.add_column("why", no_wrap=True, overflow="ellipsis", ratio=1)
    for past in one.moves:
        moves.add_row(moment(past.at)[5 if short else 0 :], past.by, past.what, past.reason or "–")
    body = Table.grid()
    for part in (facts, "", moves):
        body.add_row(part)
    title = f"{one.model} · {moment(one.at)} UTC"
    lines = render(Panel(body, title=title, title_align="left", box=box.SQUARE, width=columns))
    if one.rollout is not None and one.rollout.goes_on:
        ending = f'holdfast rollout abort {quote(one.model)} --reason "…"'
        lines += _next(ending, f"{one.rollout.was} alone")
    if one.command and one.before:
        lines += _next(one.command, one.before.version)
    if one.undo:
        lines += _next(one.undo, "takes the rollback back")
    return lines


def _next(command: str, leads_to: str) -> list[str]:
    """Show what to type and what it leads to, below it where one line is too short."""
    line = f" next  {command}   → {leads_to}"
    return [line] if len(line) <= width() else [f" next  {command}", f"       → {leads_to}"]


def _facts(one: Status) -> Iterator[tuple[str, "Text | str"]]:
    from rich.text import Text

    from holdfast.cli.rollout_screen import brief

    if one.damage is not None:
        yield "DAMAGED", Text(one.damage, style="bold red")
        yield "", "what follows is what the other entries prove; nothing can be written"
    if one.live is None and one.damage is not None:
        yield "live", Text("cannot be told without the damaged entry", style="yellow")
    elif one.live is None or one.since is None:
        newest = f"; newest is {one.latest}" if one.latest else ""
        yield "live", Text(f"nothing is live{newest}", style="yellow")
    else:
        forced = " BY FORCE" if one.forced else ""
        how = f"{(one.how or '').replace('_', ' ')} by {one.by}{forced}"
        since = f"since {moment(one.since)} UTC ({ago(one.since, one.at)})"
        yield "live", Text.assemble((one.live.version, "bold green"), f"  {since}  {how}")
        yield "why", quoted(one.reason)
    if one.serving is not None:
        yield "serving", Text(str(one.serving), style="" if one.serving.whole else "yellow")
        for lagging in one.serving.lagging:
            yield "", Text(f"{lagging.worker}: {lagging.says}", style="yellow")
    if one.rollout is not None:
        yield from brief(one.rollout, one.at)
    if one.damage is not None:
        return
    yield "before it", _before(one.before)
    if one.comparison is not None:
        yield from _differences(one.comparison)
    if one.live is not None and one.live.signed_by:
        yield "signed by", ", ".join(one.live.signed_by)
    staged = one.staging or "nothing"
    held = f"{one.versions} in all, newest {one.latest or '–'}, staged {staged}"
    yield "versions", held
    for remark in one.remarks:
        yield "remark", Text(remark, style="yellow")


def _before(before: Before | None) -> "Text":
    from rich.text import Text

    if before is None:
        return Text("nothing to go back to", style="yellow")
    ran = f"  served {span(before.served_s)}  "
    if before.damages:
        first = before.damages[0]
        found = f"✘ DAMAGED {first.subject}: {first.problem}"
        return Text.assemble((before.version, "bold"), ran, (found, "bold red"))
    whole = ("✔ every byte verified, safe to go back to", "green")
    return Text.assemble((before.version, "bold"), ran, whole)


def _differences(comparison: Comparison) -> Iterator[tuple[str, "Text | str"]]:
    from rich.text import Text

    metrics = Text("   ").join(_metric(row) for row in sorted(comparison.metrics, key=_concern))
    yield f"vs {comparison.a}", metrics if comparison.metrics else "no metrics"
    schema = [change.sentence for change in comparison.schema]
    yield "schema", "; ".join(schema) if schema else "unchanged"
    yield "files", ", ".join(_file(row) for row in comparison.files)
    if comparison.parameters:
        yield "parameters", _few([_difference(row) for row in comparison.parameters])


def _concern(row: MetricRow) -> tuple[int, float]:
    """Order metrics so that what got worst comes first, for a line that may be cut."""
    return list(_MARKS).index(row.verdict), -abs(row.relative or 0.0)


def _metric(row: MetricRow) -> "Text":
    from rich.text import Text

    mark, style = _MARKS[row.verdict]
    delta = f" {row.delta:+.4g}" if row.delta else ""
    shown = number(row.b) if row.b is not None else f"missing (was {number(row.a)})"
    return Text.assemble(f"{row.name} {shown} ", (f"{mark}{delta}", style))


def _file(row: FileRow) -> str:
    match row.change:
        case "same":
            return f"{row.role} same"
        case "added":
            return f"{row.role} added"
        case "removed":
            return f"{row.role} removed"
        case "changed":
            return f"{row.role} changed ({(row.a or '')[:4]}… → {(row.b or '')[:4]}…)"


def _difference(row: Difference) -> str:
    match row.change:
        case "added":
            return f"{row.name} = {row.b} added"
        case "removed":
            return f"{row.name} = {row.a} removed"
        case _:
            return f"{row.name} {row.a} → {row.b}"


def _few(items: list[str]) -> str:
    rest = len(items) - _SHOWN
    return ", ".join(items[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def comparison(found: Comparison) -> list[str]:
    """Draw two versions side by side."""
    from rich.table import Table
    from rich.text import Text

    metrics = Table(box=None, padding=(0, 2), pad_edge=False, header_style="bold")
    for heading in ("metric", found.a, found.b, "change", "relative", ""):
        metrics.add_column(heading, justify="left" if heading in ("metric", "") else "right")
    for row in found.metrics:
        mark, style = _MARKS[row.verdict]
        relative = f"{row.relative:+.2%}" if row.relative is not None else "–"
        delta = f"{row.delta:+.6g}" if row.delta is not None else "–"
        a = number(row.a) if row.a is not None else "missing"
        b = number(row.b) if row.b is not None else "missing"
        metrics.add_row(row.name, a, b, delta, relative, Text(f"{mark} {row.verdict}", style=style))
    lines = [f"{found.model}  {found.a} → {found.b}", ""]
    lines += render(metrics) if found.metrics else ["no metrics on either side"]
    schema = [f"{change.level}: {change.sentence}" for change in found.schema]
    pairs = [f"{one.sentence}, set {one.on[:12]}" for one in found.paired] + [*found.unpaired]
    for title, rows in (
        *([("losses", pairs)] if pairs else []),
        ("schema", schema or ["unchanged"]),
        ("files", [_file_line(row) for row in found.files]),
        ("parameters", [_difference(row) for row in found.parameters]),
        ("facts", [_difference(row) for row in found.facts]),
        ("environment", [_difference(row) for row in found.environment]),
    ):
        lines += _section(title, rows)
    return lines


def _file_line(row: FileRow) -> str:
    sizes = f"{size(row.a_size_bytes or 0)} → {size(row.b_size_bytes or 0)}"
    return f"{_file(row)}  {sizes}" if row.change == "changed" else _file(row)


def _section(title: str, rows: Iterable[str]) -> list[str]:
    return [
        f"{title if place == 0 else '':<12} {row}" for place, row in enumerate(rows or ["the same"])
    ]


@contextlib.contextmanager
def progress(what: str, *, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar on stderr while bytes are worked through, where a person sees it."""
    if not shown or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns: tuple[Any, ...] = (TextColumn(what), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def damage(found: Damage) -> str:
    """Show whose file is damaged, which and how."""
    owner = f"{found.model}@{found.version} " if found.version else ""
    problem = found.problem.removeprefix(f"{found.subject}: ")
    return f"{owner}{found.subject}: {problem}"
