"""Screens for people: the status of a model, a comparison."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Literal

from holdfast.cli import panels, tables
from holdfast.cli.panels import Styled, styled
from holdfast.cli.tables import cut, hung, inert, quoted, width
from holdfast.core.clocks import ago
from holdfast.core.compare import Comparison, Difference, FileRow, MetricRow
from holdfast.core.drift.drift_findings import DriftFinding
from holdfast.core.live_status import Before, Status
from holdfast.core.views import Damage
from holdfast.core.wording import moment, number, size, span

if TYPE_CHECKING:
    from rich.console import RenderableType

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
_FRAME: Final = 6
"""Columns that a frame takes of the line of its title."""
_LABEL: Final = 10
"""Columns of the labels of facts."""
_MOVES: Final = ("when (UTC)", "who", "what", "why")
_SHORTEST: Final = 6
"""Columns that the name of a metric keeps."""


def render(*parts: "RenderableType") -> list[str]:
    """Draw on the columns of the screen, in colour where a terminal shows it."""
    from rich.console import Console
    from rich.segment import Segment, Segments

    console = Console(width=width(), highlight=False, emoji=False, markup=False)
    with console.capture() as captured:
        for part in parts:
            drawn = (
                Segment(inert(segment.text), segment.style) for segment in console.render(part)
            )
            console.print(Segments(drawn), end="")
    return captured.get().rstrip("\n").split("\n")


def status(status: Status) -> list[str]:
    """Draw the screen for whoever is on call."""
    columns = width()
    short = columns < _NARROW
    inner = columns - 4
    moves = [
        (moment(past.at)[5 if short else 0 :], past.by, past.what, past.reason or "–")
        for past in status.moves
    ]
    body = [
        *panels.facts(list(_facts(status)), inner, _LABEL),
        (),
        *panels.table(_MOVES, moves, _sizes(moves, columns)),
    ]
    when = f" · {moment(status.at)} UTC"
    title = cut(status.model, columns - len(when) - _FRAME) + when
    lines = panels.frame(title, body, columns)
    if status.rollout is not None and status.rollout.goes_on:
        from shlex import quote

        ending = f'holdfast rollout abort {quote(status.model)} --reason "…"'
        lines += _next(ending, f"{status.rollout.was} alone")
    if status.command and status.before:
        lines += _next(status.command, status.before.version)
    if status.undo:
        lines += _next(status.undo, "undoes the rollback")
    return lines


def _sizes(moves: Sequence[Sequence[str]], columns: int) -> list[int]:
    """Divide the columns among the cells of moves; what one of them leaves goes to longer ones."""
    spare = columns - 100
    when, who, what = (
        (11, 6, 20)
        if columns < _NARROW
        else (16, 8 + max(0, spare // 8), 36 + spare // (3 if spare > 0 else 1))
    )
    sizes = [when, who, what, columns - 10 - when - who - what]
    longest = [max(map(tables.cells, column)) for column in zip(_MOVES, *moves, strict=True)]
    for receiver, giver in itertools.permutations((2, 1, 3), 2):
        left, lacking = sizes[giver] - longest[giver], longest[receiver] - sizes[receiver]
        moved = max(0, min(left, lacking))
        sizes[giver] -= moved
        sizes[receiver] += moved
    return sizes


def _watched(status: Status) -> Iterator[tuple[str, Styled | str]]:
    from holdfast.cli.rollout_screen import brief

    if status.rollout is not None:
        yield from brief(status.rollout, status.at)
    for finding in status.findings:
        yield "drift", styled((_finding(finding), "bold yellow"), f" ({finding.finding})")


def _finding(finding: DriftFinding) -> str:
    from holdfast.core.drift.drift_sentences import TITLES

    features = f" in {cut(', '.join(finding.features), 40)}" if finding.features else ""
    return f"{TITLES[finding.kind]}{features} since {finding.until}"


def _next(command: str, leads_to: str) -> list[str]:
    """Show what to type and what it leads to, below it where one line is too short."""
    line = f" next  {command}   → {leads_to}"
    return [line] if len(line) <= width() else [f" next  {command}", f"       → {leads_to}"]


def _facts(status: Status) -> Iterator[tuple[str, Styled | str]]:
    if status.damage is not None:
        yield "DAMAGED", styled((status.damage, "bold red"))
        yield "", "what follows is what the other entries prove; nothing can be written"
    if status.live is None and status.damage is not None:
        yield "live", styled(("unknown without the damaged entry", "yellow"))
    elif status.live is None or status.since is None:
        newest = f"; newest is {status.latest}" if status.latest else ""
        yield "live", styled((f"nothing is live{newest}", "yellow"))
    else:
        forced = " BY FORCE" if status.forced else ""
        how = f"{(status.how or '').replace('_', ' ')} by {status.by}{forced}"
        since = f"since {moment(status.since)} UTC ({ago(status.since, status.at)})"
        yield "live", styled((status.live.version, "bold green"), f"  {since}  {how}")
        yield "why", quoted(status.reason)
    if status.serving is not None:
        yield "serving", styled((str(status.serving), "" if status.serving.whole else "yellow"))
        for lagging in status.serving.lagging:
            yield "", styled((f"{lagging.worker}: {lagging.says}", "yellow"))
    yield from _watched(status)
    if status.damage is not None:
        return
    yield "before it", _before(status.before)
    if status.comparison is not None:
        yield from _differences(status.comparison)
    if status.live is not None and status.live.approvals:
        yield "approved", ", ".join(status.live.approved_by)
    if status.live is not None and status.live.signed_by:
        yield "signed by", ", ".join(status.live.signed_by)
    staged = status.staging or "nothing"
    summary = f"{status.versions} in all, newest {status.latest or '–'}, staged {staged}"
    yield "versions", summary
    for remark in status.remarks:
        yield "remark", styled((remark, "yellow"))


def _before(before: Before | None) -> Styled:
    if before is None:
        return styled(("nothing to go back to", "yellow"))
    ran = f"  served {span(before.served_s)}  "
    if before.damages:
        first = before.damages[0]
        warning = f"✘ DAMAGED {first.subject}: {first.problem}"
        return styled((before.version, "bold"), ran, (warning, "bold red"))
    whole = ("✔ every byte verified, safe to roll back to", "green")
    return styled((before.version, "bold"), ran, whole)


def _differences(comparison: Comparison) -> Iterator[tuple[str, Styled | str]]:
    metrics = [_metric(row) for row in sorted(comparison.metrics, key=_concern)]
    gaps = [styled("   ")] * len(metrics)
    spaced = [piece for pair in zip(metrics, gaps, strict=True) for text in pair for piece in text]
    yield f"vs {comparison.a}", tuple(spaced[:-1]) or "no metrics"
    schema = [change.sentence for change in comparison.schema]
    yield "schema", "; ".join(schema) if schema else "unchanged"
    yield "files", ", ".join(_file(row) for row in comparison.files)
    if comparison.parameters:
        yield "parameters", _few([_difference(row) for row in comparison.parameters])


def _concern(row: MetricRow) -> tuple[int, float]:
    """Order metrics so that what got worst comes first, for a line that may be cut."""
    return list(_MARKS).index(row.verdict), -abs(row.relative or 0.0)


def _metric(row: MetricRow) -> Styled:
    mark, style = _MARKS[row.verdict]
    delta = f" {row.delta:+.4g}" if row.delta else ""
    shown = number(row.b) if row.b is not None else f"missing (was {number(row.a)})"
    return styled(f"{row.name} {shown} ", (f"{mark}{delta}", style))


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


def comparison(comparison: Comparison) -> list[str]:
    """Draw two versions side by side."""
    from rich.table import Table
    from rich.text import Text

    headings = (comparison.a, comparison.b, "change", "relative", "")
    beside = [_metric_cells(row) for row in comparison.metrics]
    sizes = [
        max(map(len, column))
        for column in zip(headings, *(cells for _, cells in beside), strict=True)
    ]
    gap = 2 if width() < _NARROW else 4
    left = width() - sum(sizes) - gap * len(sizes)
    metrics = Table(box=None, padding=(0, gap // 2), pad_edge=False, header_style="bold")
    metrics.add_column("metric", no_wrap=True, overflow="ellipsis", max_width=max(_SHORTEST, left))
    for heading, size_of in zip(headings, sizes, strict=True):
        justify: Literal["left", "right"] = "right" if heading else "left"
        metrics.add_column(heading, justify=justify, no_wrap=True, min_width=size_of)
    for row, (style, cells) in zip(comparison.metrics, beside, strict=True):
        metrics.add_row(row.name, *cells[:-1], Text(cells[-1], style=style))
    lines = [f"{comparison.model}  {comparison.a} → {comparison.b}", ""]
    lines += render(metrics) if comparison.metrics else ["no metrics on either side"]
    schema = [f"{change.level}: {change.sentence}" for change in comparison.schema]
    pairs = [f"{pair.sentence}, set {pair.on[:12]}" for pair in comparison.paired] + [
        *comparison.unpaired
    ]
    for title, rows in (
        *([("losses", pairs)] if pairs else []),
        *([("evaluations", [*comparison.measured])] if comparison.measured else []),
        *([("curves", [*map(_curve, comparison.curves)])] if comparison.curves else []),
        ("schema", schema or ["unchanged"]),
        ("files", [_file_line(row) for row in comparison.files]),
        ("parameters", [_difference(row) for row in comparison.parameters]),
        ("facts", [_difference(row) for row in comparison.facts]),
        ("environment", [_difference(row) for row in comparison.environment]),
    ):
        lines += _section(title, rows)
    return lines


def _metric_cells(row: MetricRow) -> tuple[str, tuple[str, ...]]:
    """Return the colour of a metric's verdict, and what stands beside its name."""
    mark, style = _MARKS[row.verdict]
    relative = f"{row.relative:+.2%}" if row.relative is not None else "–"
    delta = f"{row.delta:+.6g}" if row.delta is not None else "–"
    a = number(row.a) if row.a is not None else "missing"
    b = number(row.b) if row.b is not None else "missing"
    return style, (a, b, delta, relative, f"{mark} {row.verdict}")


def _curve(row: MetricRow) -> str:
    mark, _ = _MARKS[row.verdict]
    return f"{row.name} {number(row.a)} → {number(row.b)}  {mark} {row.verdict}"


def _file_line(row: FileRow) -> str:
    sizes = f"{size(row.a_size_bytes or 0)} → {size(row.b_size_bytes or 0)}"
    return f"{_file(row)}  {sizes}" if row.change == "changed" else _file(row)


def _section(title: str, rows: Iterable[str]) -> list[str]:
    lines: list[str] = []
    for index, row in enumerate(rows or ["the same"]):
        lines += hung(f"{title if index == 0 else '':<12} ", row)
    return lines


def damage(damage: Damage) -> str:
    """Show whose file is damaged, which and how."""
    owner = f"{damage.model}@{damage.version} " if damage.version else ""
    problem = damage.problem.removeprefix(f"{damage.subject} ")
    return f"{owner}{damage.subject}: {problem}"
