"""Commands that let clients of other registries read a store without a server."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from holdfast.cli.clicked import command
from holdfast.cli.context import Context, seconds
from holdfast.cli.exit_codes import DAMAGED, DONE
from holdfast.core import wording

if TYPE_CHECKING:
    from holdfast.gateways.hf_cache import Linked


@click.group("link")
def link() -> None:
    """Let clients of OCI registries and of Hugging Face read a store."""


@command("oci")
def oci(ctx: Context) -> None:
    """Make the store's folder an OCI image layout, and keep it one.

    `skopeo copy oci:STORE:iris:1.2.0 …` then reads it. Every change keeps it current from then on.
    """
    kept = ctx.registry().keep_layout()
    models, tags = wording.count(len(kept.models), "model"), wording.count(kept.tags, "tag")
    lines = [f"{kept.location} is an OCI image layout of {models} ({tags})"]
    ctx.emit(kept, lines + _left_out(kept.left_out))


@command("hf")
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--follow", is_flag=True, help="Go on until stopped, and follow every change.")
@click.option("--every", default="2s", metavar="SPAN", help="Set how often --follow looks [2s].")
def hf(ctx: Context, folder: str, *, follow: bool, every: str) -> int:
    """Lay out DIR as a cache of huggingface_hub that links to the store.

    With HF_HUB_CACHE=DIR and HF_HUB_OFFLINE=1, `snapshot_download("team/iris",
    revision="production")` reads it. Run it again after a promotion, or leave it running.
    """
    from holdfast.gateways import hf_cache

    registry = ctx.registry()
    ctx.require_store(registry)
    place = Path(folder).absolute()
    if not follow:
        done = hf_cache.link(registry, place)
        ctx.emit(done, _lines(done))
        return DAMAGED if done.problems else DONE
    import signal

    from holdfast.stop_signal import StopSignal

    stop = StopSignal()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    for done in hf_cache.follow(registry, place, stop, max(0.1, seconds("--every", every))):
        ctx.emit(done, _lines(done))
    return DONE


def _lines(done: "Linked") -> list[str]:
    models, versions = wording.count(done.models, "model"), wording.count(done.versions, "version")
    lines = [f"{done.folder} has {models} ({versions})"]
    lines += [f"not linked: {problem}" for problem in done.problems]
    return lines + _left_out(done.left_out)


def _left_out(names: tuple[str, ...]) -> list[str]:
    if not names:
        return []
    return [f"left out, for clients do not take such names: {', '.join(names)}"]


link.add_command(oci)
link.add_command(hf)
COMMANDS = (link,)
