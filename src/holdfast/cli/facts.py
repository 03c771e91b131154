"""Commands for facts learnt later and for a model's rules."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from holdfast.cli import context
from holdfast.cli.context import Context, command, numbers, pairs
from holdfast.cli.terms_given import terms_options

if TYPE_CHECKING:
    from holdfast.core.policy import Policy


@command("tag")
@click.argument("ref")
@click.argument("tags", nargs=-1, required=True, metavar="NAME=VALUE…")
@click.option("--remove", is_flag=True, help="Remove the tags named.")
@context.reason
def tag(
    given: Context, ref: str, tags: tuple[str, ...], *, remove: bool, reason: str | None
) -> None:
    """Set tags of the version REF."""
    wanted: dict[str, str | None] = dict.fromkeys(tags, None) if remove else {**pairs("tag", tags)}
    done = given.registry().tag(ref, wanted, reason=reason)
    given.emit(done, [done.note])


@command("note")
@click.argument("ref")
@click.argument("text")
def note(given: Context, ref: str, text: str) -> None:
    """Write a note on the version REF."""
    done = given.registry().note(ref, text)
    given.emit(done, [f"noted on {done.ref}"])


@command("evaluate")
@click.argument("ref")
@click.argument("metrics", nargs=-1, metavar="NAME=NUMBER…")
@click.option("--dataset", metavar="NAME", help="What it was measured on.")
@context.losses
@context.reason
def evaluate(given: Context, ref: str, metrics: tuple[str, ...], **options: Any) -> None:
    """Record metrics of the version REF measured after its registration."""
    losses = {name: Path(file) for name, file in pairs("--losses", options["losses"]).items()}
    done = given.registry().evaluate(
        ref, numbers("metric", metrics), **{**options, "losses": losses}
    )
    given.emit(done, [done.note])


@command("approve")
@click.argument("ref")
@context.reason
def approve(given: Context, ref: str, reason: str | None) -> None:
    """Approve the version REF for production, as a second person."""
    done = given.registry().approve(ref, reason=reason)
    given.emit(done, [done.note])


@command("hold")
@click.argument("ref")
@click.option("--reason", required=True, metavar="TEXT", help="Why it must be kept.")
def hold(given: Context, ref: str, reason: str) -> None:
    """Keep the version REF from being purged."""
    done = given.registry().hold(ref, reason=reason)
    given.emit(done, [done.note])


@command("release")
@click.argument("ref")
@context.reason
def release(given: Context, ref: str, reason: str | None) -> None:
    """End the hold on the version REF."""
    done = given.registry().release(ref, reason=reason)
    given.emit(done, [done.note])


@click.group("policy")
def policy() -> None:
    """Show or change a model's rules: gate, protected aliases, retention."""


@command("show")
@click.argument("model")
def show(given: Context, model: str) -> None:
    """Show the policy of MODEL."""
    found = given.registry().policy(model)
    given.emit(found, _lines(found))


def _lines(policy: "Policy") -> list[str]:
    from holdfast.cli.terms_given import said

    rows = _rows(msgspec.to_builtins(policy) | {"rollout": said(policy.rollout)})
    width = max(len(path) for path, _ in rows)
    return [f"{path:<{width}} {shown}" for path, shown in rows]


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
    "--file", metavar="FILE", help="The whole policy as JSON, as `policy show --json` prints it."
)
@click.option(
    "--max-regression", metavar="SHARE", help="5%, 0.05 or off: loss against the champion."
)
@click.option(
    "--metric",
    multiple=True,
    metavar="NAME:RULE",
    help="roc_auc:min=0.9, cost:lower, auc:max_regression=1%.",
)
@click.option(
    "--require-metric", multiple=True, metavar="NAME", help="A metric each version must have."
)
@click.option(
    "--require-field", multiple=True, metavar="FIELD", help="A manifest field to be filled."
)
@click.option("--schema", type=click.Choice(["declared", "compatible", "any"]))
@click.option(
    "--clean-scan/--no-clean-scan",
    default=None,
    help="Ask for a second person where code is trusted.",
)
@click.option(
    "--inconclusive",
    type=click.Choice(["refuse", "remark"]),
    help="Where paired losses do not tell whether it regressed.",
)
@click.option("--approvals", type=int, metavar="N", help="People who must approve.")
@click.option(
    "--allow", multiple=True, metavar="MODULE.NAME", help="A constructor pickles may name."
)
@click.option(
    "--protect", multiple=True, metavar="ALIAS", help="An alias that needs an approval to move."
)
@click.option(
    "--code",
    type=click.Choice(["scanned", "approved", "signed"]),
    help="What versions need that run code on loading.",
)
@click.option(
    "--signer", multiple=True, metavar="NAME=FILE.pub", help="Whose signature counts, by author."
)
@click.option("--drop-signer", multiple=True, metavar="NAME", help="Whose no longer does.")
@click.option(
    "--require-signature/--no-require-signature",
    default=None,
    help="Let nothing go live that no signer signed.",
)
@click.option("--keep", type=int, metavar="N", help="Retention: the newest versions that stay.")
@click.option(
    "--max-age-days", type=float, metavar="DAYS", help="Retention: age beyond which others go."
)
@terms_options
@context.new
@context.reason
def set_(given: Context, model: str, reason: str | None, **options: Any) -> None:
    """Change rules of MODEL; what is not named stays as it is."""
    from holdfast.cli.policy_given import changed
    from holdfast.core.policy import Policy
    from holdfast.errors import NotFoundError

    registry = given.registry()
    try:
        present = registry.policy(model)
    except NotFoundError:  # a policy may come before the first version
        given.require_meant(registry, model, new=options["new"])
        present = Policy()
    wanted = changed(present, options)
    done = registry.set_policy(model, wanted, reason=reason)
    given.emit(wanted, [done.note, *_lines(wanted)])


policy.add_command(show)
policy.add_command(set_)

COMMANDS = (tag, note, evaluate, approve, hold, release, policy)
