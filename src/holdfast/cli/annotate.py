"""Commands for facts learnt later and for a model's rules."""

from typing import TYPE_CHECKING, Any

import click
import msgspec

from holdfast.cli import context
from holdfast.cli.clicked import command
from holdfast.cli.context import Context, pairs
from holdfast.cli.retrain_options import retraining_policy_options
from holdfast.cli.rollout_options import terms_options

if TYPE_CHECKING:
    from holdfast.core.policy import Policy


@command("tag")
@click.argument("ref")
@click.argument("tags", nargs=-1, required=True, metavar="NAME=VALUE…")
@click.option("--remove", is_flag=True, help="Remove the named tags.")
@context.reason
def tag(ctx: Context, ref: str, tags: tuple[str, ...], *, remove: bool, reason: str | None) -> None:
    """Set tags on REF."""
    changes: dict[str, str | None] = dict.fromkeys(tags, None) if remove else {**pairs("tag", tags)}
    done = ctx.registry().tag(ref, changes, reason=reason)
    ctx.emit(done, [done.note])


@command("note")
@click.argument("ref")
@click.argument("text")
def note(ctx: Context, ref: str, text: str) -> None:
    """Add a note to REF."""
    done = ctx.registry().note(ref, text)
    ctx.emit(done, [f"noted on {done.ref}"])


@command("approve")
@click.argument("ref")
@context.reason
def approve(ctx: Context, ref: str, reason: str | None) -> None:
    """Approve REF for production, as a second person."""
    done = ctx.registry().approve(ref, reason=reason)
    ctx.emit(done, [done.note])


@command("hold")
@click.argument("ref")
@click.option("--reason", required=True, metavar="TEXT", help="Say why it must be kept.")
def hold(ctx: Context, ref: str, reason: str) -> None:
    """Protect REF from being purged."""
    done = ctx.registry().hold(ref, reason=reason)
    ctx.emit(done, [done.note])


@command("release")
@click.argument("ref")
@context.reason
def release(ctx: Context, ref: str, reason: str | None) -> None:
    """End the hold on REF."""
    done = ctx.registry().release(ref, reason=reason)
    ctx.emit(done, [done.note])


@click.group("policy")
def policy() -> None:
    """Show or change the rules of a model: gate, aliases, retention."""


@command("show")
@click.argument("model")
def show(ctx: Context, model: str) -> None:
    """Show the policy of MODEL."""
    policy = ctx.registry().policy(model)
    ctx.emit(policy, _lines(policy))


def _lines(policy: "Policy") -> list[str]:
    from holdfast.cli.rollout_options import said
    from holdfast.cli.tables import hung

    rows = _rows(msgspec.to_builtins(policy) | {"rollout": said(policy.rollout)})
    width = max(len(path) for path, _ in rows)
    return [line for path, shown in rows for line in hung(f"{path:<{width}} ", str(shown))]


def _rows(document: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in document.items():
        if isinstance(value, dict) and value:
            rows += _rows(value, f"{prefix}{name}.")
        else:
            shown = ", ".join(value) if isinstance(value, list | tuple) else value
            rows.append((f"{prefix}{name}", "–" if shown in (None, "", {}) else shown))
    return rows


@command("set")
@click.argument("model")
@click.option(
    "--file", metavar="FILE", help="Read the whole policy as `policy show --json` prints it."
)
@click.option(
    "--max-regression",
    metavar="SHARE",
    help="Limit the loss against the champion: 5%, 0.05 or off.",
)
@click.option(
    "--metric",
    multiple=True,
    metavar="NAME:RULE",
    help="Set a rule: roc_auc:min=0.9, cost:lower, auc:max_regression=1%.",
)
@click.option(
    "--require-metric", multiple=True, metavar="NAME", help="Require this metric of each version."
)
@click.option(
    "--require-evaluation",
    multiple=True,
    metavar="NAME",
    help="Require that Holdfast measured this evaluation of each version.",
)
@click.option(
    "--drop-required",
    multiple=True,
    metavar="NAME",
    help="Stop requiring this metric, field or evaluation.",
)
@click.option(
    "--require-field",
    multiple=True,
    metavar="FIELD",
    help="Require this manifest field to be filled.",
)
@click.option("--schema", type=click.Choice(["declared", "compatible", "any"]))
@click.option(
    "--clean-scan/--no-clean-scan",
    default=None,
    help="Require a second person where code is trusted.",
)
@click.option(
    "--inconclusive",
    type=click.Choice(["refuse", "remark"]),
    help="Choose what to do if paired losses are inconclusive.",
)
@click.option("--approvals", type=int, metavar="N", help="Set how many people must approve.")
@click.option(
    "--approval",
    type=click.Choice(["claimed", "authenticated", "signed"]),
    help="Choose which approvals count: any, of people signed in, signed by listed keys.",
)
@click.option(
    "--allow", multiple=True, metavar="MODULE.NAME", help="Allow a constructor in pickles."
)
@click.option(
    "--protect", multiple=True, metavar="ALIAS", help="Require an approval to move this alias."
)
@click.option(
    "--code",
    type=click.Choice(["scanned", "approved", "signed"]),
    help="Choose what versions need that run code on loading.",
)
@click.option(
    "--signer", multiple=True, metavar="NAME=FILE.pub", help="Accept signatures of this author."
)
@click.option(
    "--drop-signer", multiple=True, metavar="NAME", help="Stop accepting signatures of this author."
)
@click.option(
    "--require-signature/--no-require-signature",
    default=None,
    help="Require a listed signature of every version that goes live.",
)
@click.option(
    "--keep", type=int, metavar="N", help="Retention: keep this many of the newest versions."
)
@click.option(
    "--max-age-days", type=float, metavar="DAYS", help="Retention: purge others beyond this age."
)
@terms_options
@retraining_policy_options
@context.new
@context.reason
def set_(ctx: Context, model: str, reason: str | None, **options: Any) -> None:
    """Change rules of MODEL; rules that are not named stay as they are."""
    from holdfast.cli.policy_options import changed
    from holdfast.core.policy import Policy
    from holdfast.errors import NotFoundError

    registry = ctx.registry()
    try:
        present = registry.policy(model)
    except NotFoundError:  # a policy may come before the first version
        ctx.require_meant(registry, model, new=options["new"])
        present = Policy()
    policy = changed(present, options)
    done = registry.set_policy(model, policy, reason=reason)
    ctx.emit(policy, [done.note, *_lines(policy)])


policy.add_command(show)
policy.add_command(set_)

COMMANDS = (tag, note, approve, hold, release, policy)
