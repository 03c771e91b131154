"""Commands for rollouts."""

from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import context
from holdfast.cli.context import Context, command
from holdfast.cli.rollout_run import counting, look, run, sources, tick, watch
from holdfast.cli.rollout_simulate import simulate
from holdfast.cli.telling import telling
from holdfast.cli.terms_given import changed, said, terms_options

if TYPE_CHECKING:
    from holdfast.core.views import Moved
    from holdfast.registry import Registry


@click.group("rollout")
def rollout() -> None:
    """Give a new version its traffic step by step, and take it back if it is worse."""


@command("start")
@click.argument("ref")
@terms_options
@context.reason
@context.key
@telling
def start(given: Context, ref: str, reason: str | None, key: str | None, **options: Any) -> None:
    """Begin a rollout of the version REF beside the live version.

    What is not said is the model's policy (`policy set` has the same options). The live version
    stays live until the gate lets this one pass at the last step.
    """
    registry, model = given.registry(), ref.partition("@")[0]
    terms = changed(registry.policy(model).rollout, options)
    done = registry.rollouts.start(ref, terms=terms, reason=reason, key=key)
    lines = _told(registry, done)
    if done.changed:
        lines += [f"  {name:<9} {text}" for name, text in said(terms).items()]
        verdict = registry.judge(ref)
        lines += [f"  gate      would refuse by now: {reason}" for reason in verdict.reasons]
        lines.append(f"  next      holdfast rollout run {model}   (or a server drives it)")
    given.emit(done, lines)


@command("status")
@click.argument("model")
@click.option("--watch", "watched", is_flag=True, help="Until it ends.")
@counting
def status(
    given: Context, model: str, prometheus: str | None, log: str | None, *, watched: bool
) -> int | None:
    """Show the rollout of MODEL that goes on, or the last one: steps, counts, tests, servers."""
    from datetime import UTC, datetime

    from holdfast.cli import rollout_screen, screens

    if watched:
        return watch(given, model, prometheus, log)
    registry = given.registry()
    now = datetime.now(UTC)
    with sources(registry, prometheus, log) as source:
        found = look(registry, model, source(model))
    lines = screens.render(rollout_screen.panel(model, found, now))
    if found.rollout is None:
        lines = [f"no rollout of {model}; start one: holdfast rollout start {model}@VERSION"]
    elif found.rollout.goes_on:
        lines.append(f" next  holdfast rollout abort {model}   → {found.rollout.was} alone")
    given.emit(found, lines)
    return None


@command("pause")
@click.argument("model")
@context.reason
@telling
def pause(given: Context, model: str, reason: str | None) -> None:
    """Keep the weight as it is; evidence still halts."""
    registry = given.registry()
    _emit(given, registry, registry.rollouts.pause(model, reason=reason))


@command("resume")
@click.argument("model")
@context.reason
@telling
def resume(given: Context, model: str, reason: str | None) -> None:
    """Go on after a pause; the time on the step counts anew."""
    registry = given.registry()
    _emit(given, registry, registry.rollouts.resume(model, reason=reason))


@command("advance")
@click.argument("model")
@click.option("--reason", required=True, metavar="TEXT", help="Why the tests are passed over.")
@telling
def advance(given: Context, model: str, reason: str) -> None:
    """Go to the next step now, whatever the tests say."""
    registry = given.registry()
    _emit(given, registry, registry.rollouts.advance(model, reason=reason))


@command("promote")
@click.argument("model")
@context.force
@context.reason
@telling
def promote(given: Context, model: str, *, force: bool, reason: str | None) -> None:
    """Finish the rollout now: its version goes live, if the gate lets it pass."""
    registry = given.registry()
    _emit(given, registry, registry.rollouts.promote(model, force=force, reason=reason))


@command("abort")
@click.argument("model")
@context.reason
@telling
def abort(given: Context, model: str, reason: str | None) -> None:
    """End the rollout in any state; what was live when it began is live again, alone."""
    registry = given.registry()
    _emit(given, registry, registry.rollouts.abort(model, reason=reason))


@command("retry")
@click.argument("model")
@context.reason
@telling
def retry(given: Context, model: str, reason: str | None) -> None:
    """Begin the rollout anew that was halted or aborted, with the same plan."""
    registry = given.registry()
    _emit(given, registry, registry.rollouts.retry(model, reason=reason))


def _emit(given: Context, registry: "Registry", done: "Moved") -> None:
    given.emit(done, _told(registry, done))


def _told(registry: "Registry", done: "Moved") -> list[str]:
    if not done.changed:
        return [f"nothing to do: {done.note}"]
    live = registry.resolve(f"{done.model}@production").version
    lines = [f"gate passed over: {reason}" for reason in done.refused]
    return [*lines, done.note, f"  live      {live}", f"  head      {done.head}"]


for _command in (start, status, pause, resume, advance, promote, abort, retry, run, tick, simulate):
    rollout.add_command(_command)

COMMANDS: tuple[click.Command, ...] = (rollout,)
