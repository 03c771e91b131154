"""Commands that only look."""

from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import context, tables
from holdfast.cli.context import Context, command
from holdfast.cli.exits import CHECK, DAMAGED, DONE

if TYPE_CHECKING:
    from holdfast.core.standing import Standing
    from holdfast.registry import Registry


@command("status")
@click.argument("model", required=False)
@click.option("--all", "whole", is_flag=True, help="Without MODEL: the whole screen of each.")
@context.at
def status(given: Context, model: str | None, *, whole: bool, at: str | None) -> int:
    """Tell what is live, since when, by whom and why, and how to go back.

    Without MODEL: a line for each model, those that ask for a look first. If one old entry of the
    journal is damaged, what the others prove is told, and the status is 6.
    """
    from holdfast.cli import screens

    registry = given.registry()
    if model is not None:
        shown = registry.status(model, at=at)
        given.emit(shown, screens.status(shown))
        return DAMAGED if shown.damage else DONE
    standings = registry.overview(at=at)
    if not standings:
        given.require_store(registry)
    if not whole:
        given.emit(standings, _standing_lines(standings) or [_nothing(registry)])
        return DONE
    screened = [
        registry.status(one.model, at=at) for one in standings if one.production or one.latest
    ]
    lines = [line for one in screened for line in screens.status(one)]
    lines += [f"{one.model}: {one.concerns[0]}" for one in standings if not one.latest]
    given.emit(screened, lines or [_nothing(registry)])
    return DONE


def _standing_lines(standings: list["Standing"]) -> list[str]:
    rows = [
        (
            one.model,
            one.production or "–",
            tables.moment(one.since),
            one.by or "–",
            one.previous or "–",
            "; ".join(one.concerns) or one.reason or "–",
        )
        for one in standings
    ]
    header = ("MODEL", "LIVE", "SINCE (UTC)", "BY", "BEFORE IT", "WHAT ASKS FOR A LOOK, ELSE WHY")
    return tables.columns(header, rows, spare=("BY", "BEFORE IT")) if rows else []


def _nothing(registry: "Registry") -> str:
    return f"no models in {registry.location}; `holdfast register` makes the first"


@command("ls")
@click.argument("model", required=False)
@click.option("--status", "wanted", metavar="STATUS", help="Only versions of this status.")
@context.at
def ls(given: Context, model: str | None, wanted: str | None, at: str | None) -> None:
    """List the models, or the versions of MODEL in SemVer order."""
    registry = given.registry()
    if model is None:
        models = registry.models(at=at)
        rows = [
            (
                info.model,
                str(info.versions),
                info.production or "–",
                info.staging or "–",
                info.latest or "–",
                info.damage or tables.moment(info.updated_at),
            )
            for info in models
        ]
        header = ("MODEL", "VERSIONS", "PRODUCTION", "STAGING", "LATEST", "LAST CHANGE")
        lines = tables.columns(header, rows, spare=("VERSIONS", "STAGING"))
        if not rows:
            given.require_store(registry)
        given.emit(models, lines if rows else [_nothing(registry)])
        return
    versions = [info for info in registry.versions(model, at=at) if wanted in (None, info.status)]
    given.emit(versions, _version_lines(versions))


def _version_lines(versions: list[Any]) -> list[str]:
    rows = [
        (
            info.version,
            f"v{info.number}",
            info.status,
            ", ".join(info.aliases) or "–",
            tables.moment(info.registered_at),
            info.registered_by,
            tables.size(info.size_bytes),
            info.digest[:19],
            "  ".join(f"{name} {tables.number(value)}" for name, value in info.metrics.items())
            or "–",
        )
        for info in versions
    ]
    header = ("VERSION", "NO", "STATUS", "ALIASES", "REGISTERED", "BY", "SIZE", "DIGEST", "METRICS")
    return tables.columns(header, rows, spare=("DIGEST", "SIZE", "BY", "REGISTERED"))


@command("show")
@click.argument("ref")
@context.at
def show(given: Context, ref: str, at: str | None) -> None:
    """Show all that is recorded of the version REF."""
    import msgspec

    registry = given.registry()
    info, manifest = registry.resolve(ref, at=at), registry.manifest(ref, at=at)
    document = {**msgspec.to_builtins(manifest), **msgspec.to_builtins(info)}
    given.emit(document, _document_lines(document))


def _document_lines(document: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in document.items():
        if value in (None, (), [], {}, ""):
            continue
        if isinstance(value, dict):
            lines.append(f"{name}:")
            width = max(20, *map(len, value))
            lines += [f"  {key:<{width}} {_shown(item)}" for key, item in value.items()]
        else:
            lines.append(f"{name:<22} {_shown(value)}")
    return lines


def _shown(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@command("history")
@click.argument("model")
@click.option("--served", is_flag=True, help="Only what was live when.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the last N.")
@context.at
def history(given: Context, model: str, *, served: bool, limit: int | None, at: str | None) -> None:
    """Tell all that happened to MODEL, newest first: when, who, what, why."""
    registry = given.registry()
    if at is not None:
        live = [period.version for period in registry.served(model, at=at) if not period.until]
        name = live[0] if live else "nothing"
        click.echo(f"live at {at}: {name}", err=given.as_json)
    if served:
        periods = registry.served(model, at=at)[::-1][:limit]
        given.emit(periods, _period_lines(periods))
        return
    told = registry.history(model, at=at)[::-1][:limit]
    rows = [row for past in told for row in _past_rows(past)]
    given.emit(told, tables.columns(("ENTRY", "WHEN (UTC)", "WHO", "WHAT", "WHY"), rows))


def _past_rows(past: Any, mark: str = "") -> list[tuple[str, ...]]:
    """Show a line of history, and below an import what happened before it elsewhere."""
    when = tables.moment(past.at)
    who = f"{past.by} (as told)" if mark else _who(past)
    row = (f"{mark}{past.seq}", when, who, past.what, past.reason or "–")
    before = [_past_rows(one, "· ")[0] for one in getattr(past, "elsewhere", ())[::-1]]
    return [row, *(("", "", "", "", f"gate: {said}") for said in past.gate), *before]


def _who(past: Any) -> str:
    """Name who wrote an entry: ✔ if a listed key signed it, the key if another did."""
    if past.signer is not None:
        return f"{past.signer} ✔"
    return f"{past.by} (key {past.key[:12]}, not listed)" if past.key else str(past.by)


def _period_lines(periods: Any) -> list[str]:
    rows = [
        (
            period.version,
            tables.moment(period.since),
            tables.moment(period.until) if period.until else "now",
            period.by,
            period.how.replace("_", " ") + (" by force" if period.forced else ""),
            period.reason or "–",
        )
        for period in periods
    ]
    return tables.columns(("VERSION", "LIVE SINCE (UTC)", "UNTIL", "BY", "HOW", "WHY"), rows)


@command("compare")
@click.argument("a")
@click.argument("b")
@click.option(
    "--fail-if", multiple=True, metavar="CONDITION", help="'roc_auc < -0.5%': exit 1 if it holds."
)
@context.at
def compare(given: Context, a: str, b: str, fail_if: tuple[str, ...], at: str | None) -> int:
    """Put version B beside version A: metrics, parameters, schemas, files.

    A condition bounds the value in B ('log_loss > 0.6'), the difference from A
    ('Δlog_loss > 0.01') or its share of A's value ('roc_auc < -0.5%').
    """
    from holdfast.cli import screens
    from holdfast.core.compare import parse_condition

    conditions = [parse_condition(text) for text in fail_if]
    comparison = given.registry().compare(given.named(a, at), given.named(b, at))
    given.emit(comparison, screens.comparison(comparison))
    failed = [said for condition in conditions if (said := condition.holds(comparison))]
    for said in failed:
        click.echo(f"holdfast: {said}", err=True)
    return CHECK if failed else DONE


@command("card")
@click.argument("ref")
@click.option(
    "--format", "form", type=click.Choice(["json", "markdown", "cyclonedx"]), default="json"
)
@context.at
def card(given: Context, ref: str, form: Any, at: str | None) -> None:
    """Print the model card of the version REF."""
    from holdfast.cli.tables import inert_json

    made = given.registry().card(given.named(ref, at), form)
    if isinstance(made, str):
        given.emit(made, [made.rstrip("\n")])
    else:
        click.echo(inert_json(made))


@command("verify")
@click.argument("target", required=False)
@click.option("--head", metavar="SEQ:SHA256", help="What `head` told earlier of MODEL.")
@click.option("--signed-by", metavar="NAME|FILE", help="Who must have signed REF.")
def verify(given: Context, target: str | None, **demand: Any) -> int:
    """Hash every byte, check every journal and signature of the store, a MODEL or a REF."""
    from holdfast.cli import screens

    with screens.progress("verify", shown=not given.as_json) as progress:
        found = given.registry().verify(target, progress=progress, **demand)
    lines = [f"damaged: {screens.damage(damage)}" for damage in found.damages]
    lines += [f"remark: {remark.subject}: {remark.text}" for remark in found.remarks]
    lines.append(
        f"{tables.count(found.models, 'model')}, {tables.count(found.versions, 'version')}, "
        f"{found.entries} entries, {tables.count(found.files, 'file')}, "
        f"{tables.size(found.size_bytes)}: "
        + ("every byte is as it was written" if found.whole else f"{len(found.damages)} damaged")
    )
    given.emit(found, lines)
    return DONE if found.whole else DAMAGED


COMMANDS = (status, ls, show, history, compare, card, verify)
