"""Commands for data by name: added with its digests, listed, shown and verified."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from holdfast.cli import context
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.cli.exit_codes import BY_CODE, CHECK, DONE
from holdfast.cli.tables import columns
from holdfast.core.wording import count, moment, size

if TYPE_CHECKING:
    from holdfast.datasets.data_records import DataDescription, DataVersion
    from holdfast.registry.data_verbs import AddedData

_MOST_COLUMNS: Final = 40
_connect = click.option(
    "--connect",
    metavar="URL",
    help="Run it in duckdb:///file.db, sqlite:///… or postgresql://… [duckdb:].",
)


@click.group("data")
def data() -> None:
    """Record data by name and digest; find what was trained on it.

    No bytes are copied unless --keep asks for it. Wherever data is named, NAME@v3, NAME@latest and
    NAME@sha256:… name a version.
    """


@command("add")
@click.argument("name")
@click.argument("path", required=False)
@click.option("--sql", metavar="SELECT", help="Take the result of a query in place of PATH.")
@_connect
@click.option("--param", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the query.")
@click.option("--window", metavar="FROM/TO", help="Say what time the data is of.")
@click.option("--keep", is_flag=True, help="Keep the bytes in the store, each once.")
@context.reason
def add(ctx: Context, name: str, path: str | None, **options: Any) -> None:
    """Record PATH, or the result of a query, as data called NAME.

    PATH is a file, a folder, a quoted pattern or s3://…. Recorded are a digest of the bytes, one of
    the rows, the columns and the counts. Credentials never are.
    """
    from holdfast.registry.data_verbs import DataOptions

    told: DataOptions = {
        "window": options["window"],
        "keep": options["keep"],
        "reason": options["reason"],
    }
    if options["sql"] is not None:
        told["sql"] = options["sql"]
        told["parameters"] = context.typed(context.pairs("--param", options["param"]))
        told["connect"] = options["connect"] or "duckdb:"
    elif options["connect"] is not None or options["param"]:
        raise click.UsageError("--connect and --param need --sql")
    added = ctx.registry().data.add(name, path, **told)
    ctx.emit(_told(added.version, added.description), _added_lines(added))


def _told(version: "DataVersion", description: "DataDescription | None" = None) -> dict[str, Any]:
    """Return a version as its JSON."""
    from msgspec import to_builtins

    return {
        "ref": version.ref,
        "name": version.name,
        "number": version.number,
        "at": version.at,
        "by": version.by,
        "reason": version.reason,
        **to_builtins(description if description is not None else version.added),
    }


def _added_lines(added: "AddedData") -> Iterator[str]:
    yield f"{'added' if added.created else 'already there:'} {added.version.ref}"
    yield from _lines(added.description)


def _lines(description: "DataDescription") -> Iterator[str]:
    query = description.query
    if query is not None:
        yield f"  query    {query.text}"
        yield f"  from     {query.connection}, {query.engine}"
    else:
        yield f"  {description.kind:<8} {description.source}"
    files = count(len(description.files), "file")
    if description.digest is not None:
        yield f"  bytes    {description.digest}, {files}, {size(description.size_bytes)}"
    if description.rows is not None:
        yield f"  rows     {description.rows}, {count(description.row_count or 0, 'row')}"
    if description.window is not None:
        yield f"  window   {description.window}"
    if description.remark:
        yield f"  note     {description.remark}"
    yield f"  kept     {'in the store' if description.kept else 'where it is'}"


@command("ls")
@click.argument("name", required=False)
def ls(ctx: Context, name: str | None) -> None:
    """List data with its latest version, or all versions of NAME."""
    datasets = ctx.registry().data
    if name is not None:
        versions = datasets.versions(name)[::-1]
    else:
        versions = [datasets.versions(one)[-1] for one in datasets.names()]
    header = ("DATA", "ROWS", "SIZE", "DIGEST", "ADDED", "BY")
    lines = columns(header, map(_row, versions))
    if not versions:
        lines = ["no data; `holdfast data add NAME PATH` adds some"]
    ctx.emit([_told(version) for version in versions], lines)


def _row(version: "DataVersion") -> tuple[str, ...]:
    added = version.added
    rows = "–" if added.row_count is None else f"{added.row_count:,}"
    digest = (added.digest or added.rows or "")[:19]
    bytes_ = size(added.size_bytes) if added.digest else "–"
    return version.ref, rows, bytes_, digest, moment(version.at)[:16], version.by


@command("show")
@click.argument("ref")
def show(ctx: Context, ref: str) -> None:
    """Show a version of data: digests, columns, window and source."""
    datasets = ctx.registry().data
    version = datasets.find(ref)
    description = datasets.describe(version)
    ctx.emit(_told(version, description), _shown(version, description))


def _shown(version: "DataVersion", description: "DataDescription") -> Iterator[str]:
    yield f"{version.ref}  added {moment(version.at)} by {version.by}"
    yield from _lines(description)
    if description.query is not None and description.query.parameters:
        listed = ", ".join(f"{key}={value}" for key, value in description.query.parameters.items())
        yield f"  with     {listed}"
    if description.reader and description.query is None:
        yield f"  reader   {description.reader}"
    if version.reason:
        yield f"  reason   {version.reason}"
    table = [
        (f"  {column.name}", column.type, f"{column.nulls:,}")
        for column in description.columns[:_MOST_COLUMNS]
    ]
    if table:
        yield from columns(("  COLUMN", "TYPE", "NULLS"), table)
    if len(description.columns) > _MOST_COLUMNS:
        yield f"  {len(description.columns) - _MOST_COLUMNS} more columns (--json has all)"


@command("verify")
@click.argument("ref")
@_connect
def verify(ctx: Context, ref: str, connect: str | None) -> int:
    """Check that data is still what was recorded.

    A query is run again. Exit status 1 if a digest differs, 3 if the data is gone.
    """
    checked = ctx.registry().data.verify(ref, connect=connect)
    said = {"same": "is what was recorded", "changed": "has changed", "missing": "is not there"}
    lines = [f"{checked.ref} {said[checked.state]}"]
    lines += [f"  {text}" for text in (*checked.differences, *checked.notes)]
    ctx.emit(checked, lines)
    return {"same": DONE, "changed": CHECK, "missing": BY_CODE["not_found"]}[checked.state]


for _command in (add, ls, show, verify):
    data.add_command(_command)

COMMANDS: tuple[click.Command, ...] = (data,)
