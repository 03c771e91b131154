"""Commands that put versions where clouds' services take models from."""

import os
from typing import TYPE_CHECKING, Any, Final

import click

from holdfast.cli import context
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.cli.declaring import Decorator, option
from holdfast.cli.progress import progress
from holdfast.core import wording

if TYPE_CHECKING:
    from holdfast.gateways.sagemaker.package_sending import SentPackage
    from holdfast.registry import Registry
    from holdfast.registry.materialising import Materialised

_AS_JSON: Final = "application/json"

dry_run: Decorator = option(
    "--dry-run", is_flag=True, help="Print the request alone; copy nothing, send nothing."
)
image: Decorator = option(
    "--image", required=True, metavar="URI", help="Serve it with this container."
)


@command("materialise")
@click.argument("ref")
@click.argument("root", metavar="URL")
@context.at
def materialise(ctx: Context, ref: str, root: str, at: str | None) -> None:
    """Copy the files of REF to URL/MODEL/VERSION/ of a bucket.

    URL is s3://bucket/prefix, gs://… or az://…, outside any store. What is there already is hashed
    and stays. In the store's own bucket the service itself copies.
    """
    done = _copied(ctx, ctx.registry(), ctx.named(ref, at), root, {})
    files = wording.count(len(done.files), "file")
    line = f"{done.ref}: {files} ({done.new} new), {wording.size(done.size_bytes)} at {done.url}"
    ctx.emit(done, [line])


@click.group("sagemaker")
def sagemaker() -> None:
    """Export versions to SageMaker's model registry."""


@command("export")
@click.argument("ref")
@option("--to", "root", required=True, metavar="URL", help="Copy the files below s3://bucket/….")
@image
@option("--group", metavar="NAME", help="Use this model package group [for the model's name].")
@option(
    "--content-type",
    "takes",
    multiple=True,
    metavar="TYPE",
    help=f"Name a type of requests; repeatable [{_AS_JSON}].",
)
@option(
    "--response-type",
    "gives",
    multiple=True,
    metavar="TYPE",
    help=f"Name a type of answers; repeatable [{_AS_JSON}].",
)
@option("--apply", is_flag=True, help="Send the request with boto3, or update what is there.")
@option("--region", metavar="NAME", help="Send it to this region [the URL's, AWS_REGION].")
@dry_run
@context.at
def export_package(ctx: Context, ref: str, root: str, at: str | None, **asked: Any) -> None:
    """Copy REF to S3, and print its request for a model package.

    Its approval status follows the version's: live is Approved; held or archived is Rejected. Run
    it again with --apply after a promotion or rollback to bring the status up to date.
    """
    from holdfast.errors import InvalidInputError
    from holdfast.gateways.sagemaker import package_request as packages
    from holdfast.gateways.sagemaker import package_sending
    from holdfast.registry import materialising

    if asked["apply"] and asked["dry_run"]:
        raise InvalidInputError("--apply", "is given beside --dry-run", "leave one out")
    registry = ctx.registry()
    info = registry.resolve(ctx.named(ref, at))
    metrics = {packages.METRICS: packages.metrics_of(info)} if info.metrics else {}
    addresses = [
        materialising.document_of(root, info.model, name, data) for name, data in metrics.items()
    ]
    packaging = packages.Packaging(
        asked["image"],
        asked["group"],
        asked["takes"] or (_AS_JSON,),
        asked["gives"] or (_AS_JSON,),
    )
    request = packages.package_request(
        info,
        registry.manifest(info.ref),
        materialising.place_of(root, info.model, info.version),
        next(iter(addresses), None),
        packaging,
    )
    result: dict[str, Any] = {"request": request}
    if not asked["dry_run"]:
        result["materialised"] = _copied(ctx, registry, info.ref, root, metrics)
    if not asked["apply"]:
        ctx.emit(result, [_text(request)])
        return
    region = asked["region"] or _region_of(root) or os.environ.get("AWS_REGION")
    result["package"] = sent = package_sending.send(request, info.model, region)
    ctx.emit(result, [_sent(info.ref, sent)])


def _region_of(root: str) -> str | None:
    """Return the region that an address names: a model must lie in the region that serves it."""
    from urllib.parse import parse_qs, urlsplit

    return next(iter(parse_qs(urlsplit(root).query).get("region", ())), None)


def _sent(ref: str, sent: "SentPackage") -> str:
    if sent.created:
        return f"created {sent.arn} of {ref}: {sent.approval}"
    if sent.was != sent.approval:
        return f"updated {sent.arn} of {ref}: {sent.approval}, was {sent.was}"
    return f"already there: {sent.arn} of {ref}: {sent.approval}"


@click.group("vertex")
def vertex() -> None:
    """Export versions to Vertex AI's model registry."""


@command("export")
@click.argument("ref")
@option("--to", "root", required=True, metavar="URL", help="Copy the files below gs://bucket/….")
@image
@option(
    "--parent", required=True, metavar="NAME", help="Upload to projects/PROJECT/locations/REGION."
)
@option("--model-id", metavar="NAME", help="Use this model there [for the model's name].")
@option("--first", is_flag=True, help="Make the model there, instead of a version below it.")
@dry_run
@context.at
def export_upload(ctx: Context, ref: str, root: str, at: str | None, **asked: Any) -> None:
    """Copy REF to Cloud Storage, and print its request for an upload.

    Google's client or its REST API sends it.
    """
    from holdfast.gateways.vertex import upload_request as uploads
    from holdfast.registry import materialising

    registry = ctx.registry()
    info = registry.resolve(ctx.named(ref, at))
    place = materialising.place_of(root, info.model, info.version)
    uploading = uploads.Uploading(
        asked["parent"], asked["image"], asked["model_id"], is_first=asked["first"]
    )
    request = uploads.upload_request(info, registry.manifest(info.ref), place, uploading)
    result: dict[str, Any] = {"request": request}
    if not asked["dry_run"]:
        result["materialised"] = _copied(ctx, registry, info.ref, root, {})
    ctx.emit(result, [_text(request)])


def _copied(
    ctx: Context, registry: "Registry", ref: str, root: str, documents: dict[str, bytes]
) -> "Materialised":
    from holdfast.store.objects.credentials import of_environment

    options = of_environment(root.partition("://")[0], os.environ)
    with progress("copy", shown=not ctx.as_json) as report:
        return registry.materialise(
            ref, root, options=options, documents=documents, progress=report
        )


def _text(request: dict[str, Any]) -> str:
    import json

    return json.dumps(request, indent=2, sort_keys=True)


sagemaker.add_command(export_package)
vertex.add_command(export_upload)
COMMANDS = (materialise, sagemaker, vertex)
