"""Commands that only look."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from holdfast.cli import context, plot_files, tables, training_views
from holdfast.cli.context import Context
from holdfast.cli.declaring import AtLeast, Choice, argument, command, option
from holdfast.cli.exit_codes import CHECK, DAMAGED, DONE
from holdfast.cli.output import echo
from holdfast.cli.progress import progress
from holdfast.core import wording
from holdfast.errors import InvalidInputError

_SHORT_DIGEST = len("sha256:") + 12

if TYPE_CHECKING:
    from holdfast.core.standing import ModelSummary
    from holdfast.registry import Registry


@command("status")
@argument("model", required=False)
@option("--all", "whole", is_flag=True, help="Without MODEL: show the whole screen of each.")
@context.at
def status(ctx: Context, model: str | None, *, whole: bool, at: str | None) -> int:
    """Show what is live, since when and why, and how to go back.

    Without MODEL: a line for each model, those that need attention first. If one old entry of the
    journal is damaged, what the others prove is shown, and the exit status is 6.
    """
    from holdfast.cli import screens

    registry = ctx.registry()
    if model is not None:
        shown = registry.status(model, at=at)
        ctx.emit(shown, screens.status(shown))
        return DAMAGED if shown.damage else DONE
    standings = registry.overview(at=at)
    if not standings:
        ctx.require_store(registry)
    if not whole:
        ctx.emit(standings, _standing_lines(standings) or [_nothing(registry)])
        return DONE
    screened = [
        registry.status(standing.model, at=at)
        for standing in standings
        if standing.production or standing.latest
    ]
    lines = [line for model_status in screened for line in screens.status(model_status)]
    lines += [
        f"{standing.model}: {standing.concerns[0]}" for standing in standings if not standing.latest
    ]
    ctx.emit(screened, lines or [_nothing(registry)])
    return DONE


def _standing_lines(standings: list["ModelSummary"]) -> list[str]:
    rows = [
        (
            standing.model,
            standing.production or "–",
            wording.moment(standing.since),
            standing.by or "–",
            standing.previous or "–",
            "; ".join(standing.concerns) or standing.reason or "–",
        )
        for standing in standings
    ]
    header = ("MODEL", "LIVE", "SINCE (UTC)", "BY", "BEFORE IT", "WHAT ASKS FOR A LOOK, ELSE WHY")
    return tables.columns(header, rows, spare=("BY", "BEFORE IT")) if rows else []


def _nothing(registry: "Registry") -> str:
    return f"no models in {registry.location}; `holdfast register` makes the first"


@command("ls")
@argument("model", required=False)
@option(
    "--status",
    "status_name",
    type=Choice("registered", "staging", "production", "archived", "purged"),
    help="List only versions with this status.",
)
@option(
    "--where",
    multiple=True,
    metavar="CONDITION",
    help="List only versions for which this holds: 'recall > 0.9'.",
)
@option("--order-by", metavar="FIELD,…", help="Sort versions: 'metric.recall desc, version'.")
@option("--limit", type=AtLeast(1), metavar="N", help="List the first N versions.")
@context.at
def ls(ctx: Context, model: str | None, at: str | None, **asked: Any) -> int:
    """List the models, or the versions of MODEL in SemVer order.

    With a condition and without MODEL: the versions of all models for which it holds.
    """
    registry = ctx.registry()
    if any(asked.values()):
        return _search(ctx, registry, model, at, asked)
    if model is not None:
        versions = registry.versions(model, at=at)
        ctx.emit(versions, _version_lines(versions))
        return DONE
    models = registry.models(at=at)
    rows = [
        (
            info.model,
            str(info.versions),
            info.production or "–",
            info.staging or "–",
            info.latest or "–",
            info.damage or wording.moment(info.updated_at),
        )
        for info in models
    ]
    header = ("MODEL", "VERSIONS", "PRODUCTION", "STAGING", "LATEST", "LAST CHANGE")
    lines = tables.columns(header, rows, spare=("VERSIONS", "STAGING"))
    if not rows:
        ctx.require_store(registry)
    ctx.emit(models, lines if rows else [_nothing(registry)])
    return DONE


def _search(
    ctx: Context, registry: "Registry", model: str | None, at: str | None, asked: dict[str, Any]
) -> int:
    """List the versions that match; tell how many more there are, and what could not be read."""
    if model is None:
        ctx.require_store(registry)
    conditions = [*asked["where"]]
    conditions += [f"status = {asked['status_name']}"] if asked["status_name"] else []
    found = registry.search(
        conditions, model=model, at=at, order_by=asked["order_by"], limit=asked["limit"]
    )
    ctx.emit(found.versions, _version_lines(found.versions, with_model=model is None))
    if found.total > len(found.versions):
        echo(f"{len(found.versions)} of {found.total}", err=True)
    for damage in found.damages:
        ref = damage.model if damage.version is None else f"{damage.model}@{damage.version}"
        problem = tables.one_line(f"{ref} could not be searched: {damage.subject} {damage.problem}")
        echo(f"holdfast: {problem}", err=True)
    return DAMAGED if found.damages else DONE


def _version_lines(versions: Sequence[Any], *, with_model: bool = False) -> list[str]:
    rows = [
        (
            *((info.model,) if with_model else ()),
            info.version,
            f"v{info.number}",
            info.status,
            ", ".join(info.aliases) or "–",
            wording.moment(info.registered_at),
            info.registered_by,
            info.size,
            info.digest[:19],
            "  ".join(f"{name} {wording.number(value)}" for name, value in info.metrics.items())
            or "–",
        )
        for info in versions
    ]
    header = ("VERSION", "NO", "STATUS", "ALIASES", "REGISTERED", "BY", "SIZE", "DIGEST", "METRICS")
    shown = ("MODEL", *header) if with_model else header
    return tables.columns(shown, rows, spare=("DIGEST", "SIZE", "NO", "BY", "REGISTERED"))


@command("show")
@argument("ref")
@context.at
def show(ctx: Context, ref: str, at: str | None) -> None:
    """Show everything recorded about REF."""
    import msgspec

    registry = ctx.registry()
    info, manifest = registry.resolve(ref, at=at), registry.manifest(ref, at=at)
    document = {**msgspec.to_builtins(manifest), **msgspec.to_builtins(info)}
    document |= training_views.kept(registry, info.ref, manifest.artifacts)
    shown = document | {"approvals": info.approved_by, "claimed": None}
    if info.evaluations:
        from holdfast.core import evaluation

        origins = evaluation.origins(info.metrics, info.evaluations)
        shown["metrics"] = {
            name: f"{wording.number(value)}  {origins[name]}"
            for name, value in info.metrics.items()
        }
        shown["evaluations"] = {past.name: past.sentence for past in info.evaluations}
    shown["attachments"] = {one.digest[:_SHORT_DIGEST]: one.kind for one in info.attachments}
    shown["curves"] = {
        name: f"{wording.number(curve['last'])} last of {curve['points']:,}"
        for name, curve in document["curves"].items()
    }
    rows = shown["input_example"]
    if isinstance(rows, list) and len(rows) > 1:
        more = wording.count(len(rows) - 1, "more row")
        shown["input_example"] = f"{_shown(rows[0])}; {more} (--json has all)"
    ctx.emit(document, _document_lines(shown))


def _document_lines(document: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, value in document.items():
        if value in (None, (), [], {}, ""):
            continue
        if isinstance(value, dict):
            lines.append(f"{name}:")
            width = max(20, *map(len, value))
            for key, item in value.items():
                lines += tables.hung(f"  {key:<{width}} ", _shown(item))
        else:
            lines += tables.hung(f"{name:<22} ", _shown(value))
    return lines


def _shown(value: Any) -> str:
    """Say a recorded value without the marks that JSON needs."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_within(item)}" for name, item in value.items()) or "{}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_within, value)) or "[]"
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value, ensure_ascii=False)


def _within(value: Any) -> str:
    """Say a value within another; one that has parts itself is set apart."""
    said = _shown(value)
    is_long = isinstance(value, dict | list | tuple) and len(value) > 0
    return f"({said})" if is_long else said


@command("history")
@argument("model")
@option("--served", is_flag=True, help="Show only what was live when.")
@option("--limit", type=AtLeast(1), metavar="N", help="Show only the last N.")
@plot_files.plot("Draw what served when, and its metric by version, too.")
@context.at
def history(ctx: Context, model: str, *, served: bool, limit: int | None, **asked: Any) -> None:
    """Show what happened to MODEL, newest first: when, who, what, why."""
    at, picture = asked["at"], plot_files.named(asked["plot"])
    registry = ctx.registry()
    if picture is not None:
        picture.write(_history_plot(registry, model, at))
    if at is not None:
        live = [period.version for period in registry.served(model, at=at) if not period.until]
        name = live[0] if live else "nothing"
        echo(f"live at {at}: {name}", err=ctx.as_json)
    if served:
        periods = registry.served(model, at=at)[::-1][:limit]
        ctx.emit(periods, _period_lines(periods))
        return
    history_lines = registry.history(model, at=at, last=limit)[::-1]
    rows = [row for past in history_lines for row in _past_rows(past)]
    ctx.emit(history_lines, tables.columns(("ENTRY", "WHEN (UTC)", "WHO", "WHAT", "WHY"), rows))


def _history_plot(registry: "Registry", model: str, at: str | None) -> str:
    from datetime import UTC, datetime

    from holdfast.core import plots
    from holdfast.core.entry import format_time, parse_time

    now = format_time(datetime.now(UTC)) if at is None else parse_time(at)
    periods, by_version = registry.served(model, at=at), registry.trend(model, at=at)
    return plots.history(model, periods, by_version, now)


def _past_rows(past: Any, mark: str = "") -> list[tuple[str, ...]]:
    """Show a line of history, and below an import what happened before it elsewhere."""
    when = wording.moment(past.at)[tables.year() :]
    who = f"{past.by} (as told)" if mark else _who(past)
    row = (f"{mark}{past.seq}", when, who, past.what, past.reason or "–")
    before = [
        _past_rows(predecessor, "· ")[0] for predecessor in getattr(past, "elsewhere", ())[::-1]
    ]
    return [row, *(("", "", "", "", f"gate: {remark}") for remark in past.gate), *before]


def _who(past: Any) -> str:
    """Name who wrote an entry: ✔ if a listed key signed it, the key if another did."""
    from holdfast.core.auth import shown

    if past.signer is not None:
        return f"{shown(past.signer, past.auth)} ✔"
    by = shown(str(past.by), past.auth)
    return f"{by} (key {past.key[:12]}, not listed)" if past.key else by


def _period_lines(periods: Any) -> list[str]:
    rows = [
        (
            period.version,
            wording.moment(period.since),
            wording.moment(period.until) if period.until else "now",
            period.by,
            period.how.replace("_", " ") + (" by force" if period.forced else ""),
            period.reason or "–",
        )
        for period in periods
    ]
    return tables.columns(("VERSION", "LIVE SINCE (UTC)", "UNTIL", "BY", "HOW", "WHY"), rows)


@command("compare")
@argument("a")
@argument("b")
@option(
    "--fail-if",
    multiple=True,
    metavar="CONDITION",
    help="Exit with status 1 if this holds: 'roc_auc < -0.5%'.",
)
@plot_files.plot("Draw the metrics, too.")
@option("--curve", metavar="NAME", help="Draw this learning curve of both instead.")
@context.at
def compare(ctx: Context, a: str, b: str, fail_if: tuple[str, ...], **asked: Any) -> int:
    """Compare versions A and B: metrics, parameters, schemas, files.

    Learning curves that both have are compared by their last values.

    A condition bounds the value in B ('log_loss > 0.6'), the difference from A
    ('Δlog_loss > 0.01') or its share of A's value ('roc_auc < -0.5%').
    """
    from holdfast.cli import screens
    from holdfast.core.compare import parse_condition

    at, picture = asked["at"], plot_files.named(asked["plot"])
    conditions = [parse_condition(text) for text in fail_if]
    if asked["curve"] is not None and picture is None:
        problem, advice = "is for a picture", "give --plot FILE as well"
        raise InvalidInputError(f"--curve {asked['curve']!r}", problem, advice)
    comparison = ctx.registry().compare(ctx.named(a, at), ctx.named(b, at))
    if picture is not None:
        picture.write(training_views.picture(ctx.registry(), comparison, asked["curve"]))
    ctx.emit(comparison, screens.comparison(comparison))
    failed = [failure for condition in conditions if (failure := condition.holds(comparison))]
    for failure in failed:
        echo(f"holdfast: {failure}", err=True)
    return CHECK if failed else DONE


@command("card")
@argument("ref")
@option("--format", "form", type=Choice("json", "markdown", "cyclonedx"), default="json")
@context.at
def card(ctx: Context, ref: str, form: Any, at: str | None) -> None:
    """Print the model card of REF."""
    from holdfast.cli.tables import inert_json

    made = ctx.registry().card(ctx.named(ref, at), form)
    if isinstance(made, str):
        ctx.emit(made, [made.rstrip("\n")])
    else:
        echo(inert_json(made))


@command("verify")
@argument("target", required=False, metavar="[MODEL|REF]")
@option("--head", metavar="SEQ:SHA256", help="Compare with what `head` printed earlier for MODEL.")
@option("--signed-by", metavar="NAME|FILE", help="Require a signature of REF by this signer.")
def verify(ctx: Context, target: str | None, **demand: Any) -> int:
    """Verify every byte and signature of the store, MODEL or REF."""
    from holdfast.cli import screens

    with progress("verify", shown=not ctx.as_json) as report:
        verification = ctx.registry().verify(target, progress=report, **demand)
    lines = [f"damaged: {screens.damage(damage)}" for damage in verification.damages]
    lines += [f"remark: {remark.subject}: {remark.text}" for remark in verification.remarks]
    lines.append(
        f"{wording.count(verification.models, 'model')}, "
        f"{wording.count(verification.versions, 'version')}, "
        f"{verification.entries} entries, {wording.count(verification.files, 'file')}, "
        f"{wording.size(verification.size_bytes)}: "
        + (
            "every byte is as it was written"
            if verification.whole
            else f"{len(verification.damages)} damaged"
        )
    )
    ctx.emit(verification, lines)
    return DONE if verification.whole else DAMAGED


COMMANDS = (status, ls, show, history, compare, card, verify)
