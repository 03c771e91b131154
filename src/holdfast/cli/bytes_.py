"""Commands that bring bytes out and in."""

from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import context, screens, tables
from holdfast.cli import rows as rows_of
from holdfast.cli.context import Context, command
from holdfast.cli.exits import DAMAGED, DONE

if TYPE_CHECKING:
    from holdfast.registry.environments import EnvironmentForm


@command("load")
@click.argument("ref")
@click.option(
    "--predict", "file", metavar="FILE", help="Rows: .json, .csv or .parquet; print predictions."
)
@click.option(
    "--sandbox", is_flag=True, help="Load and predict in a child under restraint (Linux)."
)
@context.at
def load(given: Context, ref: str, file: str | None, at: str | None, *, sandbox: bool) -> None:
    """Load the version REF, verified first, as a serving process would.

    Proves that it loads here, with the libraries installed here. Rows are what `/predict` and
    `--input-example` take: lists, records, columns by name, a file with a header.
    """
    import time

    rows = rows_of.document("--predict", file) if file is not None else None
    if sandbox:
        _load_apart(given, given.named(ref, at), rows)
        return
    began = time.perf_counter()
    pair = given.registry().load(given.named(ref, at))
    took = time.perf_counter() - began
    parts = {role: type(part).__name__ for role, part in pair.parts.items()}
    result: dict[str, Any] = {"ref": pair.ref, "parts": parts, "seconds": round(took, 3)}
    lines = [f"loaded {pair.ref}, every byte verified, in {took:.2f} s"]
    lines += [f"  {role:<14} {name}" for role, name in parts.items()]
    if rows is not None:
        result["predictions"] = rows_of.predict("--predict", pair, rows)
        lines.append(f"  predictions    {result['predictions']}")
    given.emit(result, lines)


def _load_apart(given: Context, ref: str, rows: dict[str, Any] | None) -> None:
    """Load in a child that can start no program, open no socket and write no file."""
    from holdfast.registry.trying import try_load
    from holdfast.sandbox import Nursery, chosen

    restraint = chosen("require")
    assert restraint is not None  # noqa: S101 - it is required
    with Nursery(restraint) as trials:
        result = try_load(given.registry(), ref, trials, rows, rows_of.WORK)
    lines = [f"loaded {ref} apart, every byte verified; sandbox: {restraint}"]
    lines += [f"  {role:<14} {tables.inert(name)}" for role, name in result["parts"].items()]
    if rows is not None:
        lines.append(f"  predictions    {tables.inert(str(result.get('predictions')))}")
    given.emit({"ref": ref, "sandbox": str(restraint), **result}, lines)


@command("checkout")
@click.argument("ref")
@click.argument("folder", type=click.Path())
@context.at
def checkout(given: Context, ref: str, folder: str, at: str | None) -> None:
    """Write the files and manifest of the version REF to a new FOLDER."""
    place = given.registry().checkout(given.named(ref, at), folder)
    files = sorted(
        path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()
    )
    given.emit({"folder": str(place), "files": files}, [f"{place}/{name}" for name in files])


@command("export")
@click.argument("ref")
@click.argument("file", type=click.Path())
@context.at
def export(given: Context, ref: str, file: str, at: str | None) -> None:
    """Write the version REF, or a whole model, to one tar FILE with checksums."""
    done = given.registry().export(given.named(ref, at), file)
    what = tables.count(len(done.versions), "version")
    given.emit(done, [f"{file}: {done.model}, {what}, {tables.size(done.size_bytes)}"])


@command("import")
@click.argument("file", type=click.Path())
@click.option("--trust", metavar="REASON", help="Take in code outside the allow-list.")
@context.reason
def import_(given: Context, file: str, **options: Any) -> None:
    """Take a bundle in, every byte of it checked first."""
    done = given.registry().import_(file, **options)
    what = tables.count(len(done.versions), "version")
    said = "imported" if done.created else "already there:"
    given.emit(done, [f"{said} {done.model}, {what}"])


@command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--trust", metavar="REASON", help="Take in code outside the allow-list.")
def copy(
    given: Context, source: str, target: str, models: tuple[str, ...], trust: str | None
) -> None:
    """Copy models with their history, or all of them, between two stores.

    FROM and TO are folders or addresses of buckets. What is there already is left out: a copy that
    was stopped goes on when it is run again.
    """
    with screens.progress("copy", shown=not given.as_json) as progress:
        done = given.open(source).copy(given.open(target), *models, trust=trust, progress=progress)
    what = tables.count(len(done.models), "model")
    entries = f"{done.entries} new journal entries"
    files = tables.count(done.files, "new file")
    given.emit(done, [f"{what}: {entries}, {files}, {tables.size(done.size_bytes)}"])


@command("backup")
@click.argument("target", metavar="DEST")
def backup(given: Context, target: str) -> int:
    """Write the store as it stands to DEST, a folder or a bucket's address.

    Others may write meanwhile. DEST opens as the same store, and is brought up to date when the
    command is run again. What is damaged here is listed, with exit status 6, and the rest taken
    along.
    """
    with screens.progress("backup", shown=not given.as_json) as progress:
        done = given.registry().backup(given.open(target), progress=progress)
    what = tables.count(len(done.models), "model")
    entries = f"{done.entries} journal entries ({done.new_entries} new)"
    files = tables.count(done.new_files, "new file")
    lines = [f"damaged: {screens.damage(damage)}" for damage in done.damages]
    lines.append(f"{what}, {entries}, {files}, {tables.size(done.size_bytes)} in {target}")
    given.emit(done, lines)
    return DONE if done.whole else DAMAGED


@command("env")
@click.argument("words", nargs=-1, required=True, metavar="[check] REF")
@click.option(
    "--form",
    type=click.Choice(["requirements", "uv", "conda"]),
    default="requirements",
    show_default=True,
    help="For pip, as a pyproject.toml for uv, or as an environment.yml for conda.",
)
@context.at
def env(given: Context, words: tuple[str, ...], form: "EnvironmentForm", at: str | None) -> int:
    """Write the libraries that the version REF was registered with.

    `env check REF` says which of them are of another version here, or missing; status 1 if any is.
    """
    from holdfast.cli.exits import CHECK, DONE

    checks = len(words) > 1 and words[0] == "check"
    if len(words) != 1 + checks:
        raise click.UsageError("give one REF: holdfast env [check] REF")
    ref, registry = given.named(words[-1], at), given.registry()
    if not checks:
        text = registry.environment(ref, form)
        given.emit({"ref": ref, "form": form, "text": text}, text.splitlines())
        return DONE
    found = registry.check_environment(ref)
    lines = [
        f"{one.name}: registered with {one.recorded}, here {one.installed or 'none'}"
        for one in found
    ]
    given.emit(
        {"ref": ref, "differences": found}, lines or [f"{ref}: every version is as recorded"]
    )
    return CHECK if found else DONE


COMMANDS = (load, env, checkout, export, import_, copy, backup)
