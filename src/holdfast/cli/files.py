"""Commands that bring bytes out and in."""

from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import context, screens, tables
from holdfast.cli import row_files as rows_of
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.cli.exit_codes import DAMAGED, DONE
from holdfast.cli.progress import progress
from holdfast.core import wording

if TYPE_CHECKING:
    from holdfast.registry.environments import EnvironmentForm


@command("load")
@click.argument("ref")
@click.option(
    "--predict", "file", metavar="FILE", help="Predict for these rows: .json, .csv or .parquet."
)
@click.option(
    "--sandbox", is_flag=True, help="Load and predict in a sandboxed child process (Linux)."
)
@context.at
def load(ctx: Context, ref: str, file: str | None, at: str | None, *, sandbox: bool) -> None:
    """Verify and load REF as a serving process would.

    Proves that it loads here, with the libraries installed here. Rows are what `/predict` and
    `--input-example` take: lists, records, columns by name, a file with a header.
    """
    import time

    rows = rows_of.document("--predict", file) if file is not None else None
    if sandbox:
        _load_apart(ctx, ctx.named(ref, at), rows)
        return
    began = time.perf_counter()
    pair = ctx.registry().load(ctx.named(ref, at))
    took = time.perf_counter() - began
    parts = {role: type(part).__name__ for role, part in pair.parts.items()}
    result: dict[str, Any] = {"ref": pair.ref, "parts": parts, "seconds": round(took, 3)}
    lines = [f"loaded {pair.ref}, every byte verified, in {took:.2f} s"]
    lines += [f"  {role:<14} {name}" for role, name in parts.items()]
    if rows is not None:
        result["predictions"] = rows_of.predict("--predict", pair, rows)
        lines.append(f"  predictions    {result['predictions']}")
    ctx.emit(result, lines)


def _load_apart(ctx: Context, ref: str, rows: dict[str, Any] | None) -> None:
    """Load in a child that can start no program, open no socket and write no file."""
    from holdfast.registry.trial_runs import try_load
    from holdfast.sandbox import Nursery, chosen

    restraint = chosen("require")
    assert restraint is not None  # noqa: S101 - it is required
    with Nursery(restraint) as trials:
        result = try_load(ctx.registry(), ref, trials, rows, rows_of.WORK)
    lines = [f"loaded {ref} in a child process, every byte verified; sandbox: {restraint}"]
    lines += [f"  {role:<14} {tables.inert(name)}" for role, name in result["parts"].items()]
    if rows is not None:
        lines.append(f"  predictions    {tables.inert(str(result.get('predictions')))}")
    ctx.emit({"ref": ref, "sandbox": str(restraint), **result}, lines)


@command("checkout")
@click.argument("ref")
@click.argument("folder", type=click.Path())
@context.at
def checkout(ctx: Context, ref: str, folder: str, at: str | None) -> None:
    """Write the files and manifest of REF to a new FOLDER."""
    destination = ctx.registry().checkout(ctx.named(ref, at), folder)
    files = sorted(
        path.relative_to(destination).as_posix()
        for path in destination.rglob("*")
        if path.is_file()
    )
    ctx.emit(
        {"folder": str(destination), "files": files}, [f"{destination}/{name}" for name in files]
    )


@command("export")
@click.argument("ref", metavar="MODEL|REF")
@click.argument("file", type=click.Path())
@context.at
def export(ctx: Context, ref: str, file: str, at: str | None) -> None:
    """Write REF, or a whole model, to a tar FILE with checksums.

    Who unpacks it finds cards, bill of materials and files by name.
    """
    with progress("export", shown=not ctx.as_json) as report:
        done = ctx.registry().export(ctx.named(ref, at), file, progress=report)
    what = wording.count(len(done.versions), "version")
    ctx.emit(done, [f"{file}: {done.model}, {what}, {wording.size(done.size_bytes)}"])


@command("import")
@click.argument("file", type=click.Path())
@click.option("--trust", metavar="REASON", help="Accept code outside the allow-list, and say why.")
@context.reason
def import_(ctx: Context, file: str, **options: Any) -> None:
    """Verify a bundle and import it."""
    with progress("import", shown=not ctx.as_json) as report:
        done = ctx.registry().import_(file, progress=report, **options)
    what = wording.count(len(done.versions), "version")
    outcome = "imported" if done.created else "already there:"
    ctx.emit(done, [f"{outcome} {done.model}, {what}"])


@command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--trust", metavar="REASON", help="Accept code outside the allow-list, and say why.")
def copy(
    ctx: Context, source: str, target: str, models: tuple[str, ...], trust: str | None
) -> None:
    """Copy models with their history from one store to another.

    FROM and TO are folders or bucket addresses. What is already there is skipped: a copy that
    was stopped continues when it is run again.
    """
    with progress("copy", shown=not ctx.as_json) as report:
        done = ctx.open(source).copy(ctx.open(target), *models, trust=trust, progress=report)
    what = wording.count(len(done.models), "model")
    entries = f"{done.entries} new journal entries"
    files = wording.count(done.files, "new file")
    ctx.emit(done, [f"{what}: {entries}, {files}, {wording.size(done.size_bytes)}"])


@command("backup")
@click.argument("target", metavar="DEST")
def backup(ctx: Context, target: str) -> int:
    """Back up the store to DEST, a folder or a bucket address.

    Others may write meanwhile. DEST opens as the same store, and is brought up to date when the
    command is run again. What is damaged here is listed, with exit status 6, and the rest taken
    along.
    """
    with progress("backup", shown=not ctx.as_json) as report:
        done = ctx.registry().backup(ctx.open(target), progress=report)
    what = wording.count(len(done.models), "model")
    entries = f"{done.entries} journal entries ({done.new_entries} new)"
    files = wording.count(done.new_files, "new file")
    lines = [f"damaged: {screens.damage(damage)}" for damage in done.damages]
    lines.append(f"{what}, {entries}, {files}, {wording.size(done.size_bytes)} in {target}")
    ctx.emit(done, lines)
    return DONE if done.whole else DAMAGED


@command("env")
@click.argument("words", nargs=-1, required=True, metavar="[check] REF")
@click.option(
    "--format",
    "form",
    type=click.Choice(["requirements", "uv", "conda"]),
    default="requirements",
    show_default=True,
    help="Print them for pip, as pyproject.toml for uv, or as environment.yml for conda.",
)
@context.at
def env(ctx: Context, words: tuple[str, ...], form: "EnvironmentForm", at: str | None) -> int:
    """Print the libraries that REF was registered with.

    `env check REF` lists those of another version here, or missing; exit status 1 if any is.
    """
    from holdfast.cli.exit_codes import CHECK, DONE

    checks = len(words) > 1 and words[0] == "check"
    if len(words) != 1 + checks:
        raise click.UsageError("give one REF: holdfast env [check] REF")
    ref, registry = ctx.named(words[-1], at), ctx.registry()
    if not checks:
        text = registry.environment(ref, form)
        ctx.emit({"ref": ref, "format": form, "text": text}, text.splitlines())
        return DONE
    differences = registry.check_environment(ref)
    lines = [
        f"{package.name}: registered with {package.recorded}, here {package.installed or 'none'}"
        for package in differences
    ]
    ctx.emit(
        {"ref": ref, "differences": differences}, lines or [f"{ref}: every version is as recorded"]
    )
    return CHECK if differences else DONE


COMMANDS = (load, env, checkout, export, import_, copy, backup)
