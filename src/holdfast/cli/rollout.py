"""Commands for rollouts."""

from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import context, plot_files
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.cli.notify_hook import telling
from holdfast.cli.rollout_options import changed, said, terms_options
from holdfast.cli.rollout_run import counting, look, run, sources, tick, watch
from holdfast.cli.rollout_simulate import simulate
from holdfast.errors import InvalidInputError

if TYPE_CHECKING:
    from holdfast.core.views import Moved
    from holdfast.registry import Registry


@click.group("rollout")
def rollout() -> None:
    """Move traffic to a new version in steps; take it back if worse."""


@command("start")
@click.argument("ref")
@terms_options
@context.reason
@context.idempotency_key
@telling
def start(
    ctx: Context, ref: str, reason: str | None, idempotency_key: str | None, **options: Any
) -> None:
    """Start a rollout of REF beside the live version.

    Options that are not given come from the policy (`policy set` has the same). The live version
    stays live until the gate allows this one at the last step.
    """
    registry, model = ctx.registry(), ref.partition("@")[0]
    terms = changed(registry.policy(model).rollout, options)
    done = registry.rollouts.start(ref, terms=terms, reason=reason, idempotency_key=idempotency_key)
    lines = _told(registry, done)
    if done.changed:
        lines += [f"  {name:<9} {text}" for name, text in said(terms).items()]
        verdict = registry.judge(ref)
        lines += [f"  gate      would refuse it now: {reason}" for reason in verdict.reasons]
        lines.append(f"  next      holdfast rollout run {model}{_driven(terms.plan.strategy)}")
    ctx.emit(done, lines)


@command("status")
@click.argument("model")
@click.option("--watch", "watched", is_flag=True, help="Keep showing it until it ends.")
@plot_files.plot("Draw its steps, counts and evidence, too.")
@counting
def status(
    ctx: Context, model: str, prometheus: str | None, log: str | None, **asked: Any
) -> int | None:
    """Show the running or last rollout of MODEL, with its tests."""
    from datetime import UTC, datetime

    from holdfast.cli import rollout_screen, screens

    picture = plot_files.named(asked["plot"])
    if asked["watched"]:
        if picture is not None:
            raise InvalidInputError("--plot", "cannot be combined with --watch", "leave out one")
        return watch(ctx, model, prometheus, log)
    registry = ctx.registry()
    now = datetime.now(UTC)
    with sources(registry, prometheus, log) as source:
        snapshot = look(registry, model, source(model))
    if picture is not None:
        from holdfast.core import plots

        picture.write(plots.rollout(model, snapshot.rollout, snapshot.verdict))
    lines = screens.render(rollout_screen.panel(model, snapshot, now))
    if snapshot.rollout is None:
        lines = [f"no rollout of {model}; start one: holdfast rollout start {model}@VERSION"]
    elif snapshot.rollout.goes_on:
        lines.append(f" next  holdfast rollout abort {model}   → {snapshot.rollout.was} alone")
    ctx.emit(snapshot, lines)
    return None


@command("pause")
@click.argument("model")
@context.reason
@telling
def pause(ctx: Context, model: str, reason: str | None) -> None:
    """Keep the traffic share as it is; evidence can still halt it."""
    registry = ctx.registry()
    _emit(ctx, registry, registry.rollouts.pause(model, reason=reason))


@command("resume")
@click.argument("model")
@context.reason
@telling
def resume(ctx: Context, model: str, reason: str | None) -> None:
    """Resume after a pause; the time on the step starts anew."""
    registry = ctx.registry()
    _emit(ctx, registry, registry.rollouts.resume(model, reason=reason))


@command("advance")
@click.argument("model")
@click.option("--reason", required=True, metavar="TEXT", help="Say why the tests are overridden.")
@telling
def advance(ctx: Context, model: str, reason: str) -> None:
    """Go to the next step now, whatever the tests say."""
    registry = ctx.registry()
    _emit(ctx, registry, registry.rollouts.advance(model, reason=reason))


@command("promote")
@click.argument("model")
@context.force
@context.reason
@telling
def promote(ctx: Context, model: str, *, force: bool, reason: str | None) -> None:
    """Finish the rollout now and make it live, if the gate allows it."""
    registry = ctx.registry()
    _emit(ctx, registry, registry.rollouts.promote(model, force=force, reason=reason))


@command("abort")
@click.argument("model")
@context.reason
@telling
def abort(ctx: Context, model: str, reason: str | None) -> None:
    """End the rollout and return to what was live when it began."""
    registry = ctx.registry()
    _emit(ctx, registry, registry.rollouts.abort(model, reason=reason))


@command("retry")
@click.argument("model")
@context.reason
@telling
def retry(ctx: Context, model: str, reason: str | None) -> None:
    """Restart a halted or aborted rollout with the same plan."""
    registry = ctx.registry()
    _emit(ctx, registry, registry.rollouts.retry(model, reason=reason))


def _driven(strategy: str) -> str:
    """Say what a driver needs: servers do not know what becomes of their answers."""
    return " --log DIR" if strategy == "ab" else "   (or a server drives it)"


def _emit(ctx: Context, registry: "Registry", done: "Moved") -> None:
    ctx.emit(done, _told(registry, done))


def _told(registry: "Registry", done: "Moved") -> list[str]:
    if not done.changed:
        return [f"nothing to do: {done.note}"]
    live = registry.resolve(f"{done.model}@production").version
    lines = [f"gate overridden: {reason}" for reason in done.refused]
    return [*lines, done.note, f"  live      {live}", f"  head      {done.head}"]


for _command in (start, status, pause, resume, advance, promote, abort, retry, run, tick, simulate):
    rollout.add_command(_command)

COMMANDS: tuple[click.Command, ...] = (rollout,)
