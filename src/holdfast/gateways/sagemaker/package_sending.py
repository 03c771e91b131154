"""A model package sent by boto3: made once for each version, then kept at the version's status."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from msgspec import Struct

from holdfast.core.redaction import without_credentials
from holdfast.core.wording import inert, shortened
from holdfast.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    MissingLibraryError,
    StoreError,
    UnauthenticatedError,
)

__all__ = ["SentPackage", "send"]

_OURS: Final = "Versions of the Holdfast model "
_DIGEST: Final = "holdfast.digest"
_VERSION: Final = "holdfast.version"
_PREFIXES: Final = ("holdfast.", "metric.")
"""Of our own pairs."""
_SUBJECT: Final = "SageMaker"
_MOST_TOLD: Final = 300
_UNKNOWN_CALLER: Final = frozenset(
    (
        "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidClientTokenId",
        "InvalidSignatureException", "MissingAuthenticationToken", "UnrecognizedClientException",
    )
)  # fmt: skip
_DENIED: Final = frozenset(("AccessDenied", "AccessDeniedException", "NotAuthorized"))


class SentPackage(Struct, frozen=True):
    """A version's package as SageMaker has it now.

    Attributes:
        created: False if the group had it already.
        was: The approval status that it had before.
    """

    arn: str
    group: str
    approval: str
    created: bool
    was: str | None = None


def send(request: Mapping[str, Any], model: str, region: str | None = None) -> SentPackage:
    """Create a package, and its group if there is none; one that is there gets the status alone.

    Args:
        request: Of `CreateModelPackage`.
        model: The registered model, which the group is marked with.
        region: Of SageMaker; by default as boto3 finds it.

    Raises:
        ConflictError: If the group is of another model, or has the version with other bytes.
        UnauthenticatedError: If there are no credentials, or they are refused.
        ForbiddenError: If they may not do this.
    """
    with _told():
        client = _client(region)
        group = request["ModelPackageGroupName"]
        _ensure_group(client, group, model)
        known = _known(client, group, request["CustomerMetadataProperties"])
        if known is None:
            arn = client.create_model_package(**request)["ModelPackageArn"]
            return SentPackage(arn, group, request["ModelApprovalStatus"], created=True)
        return _updated(client, known, request)


def _client(region: str | None) -> Any:
    try:
        import boto3
    except ModuleNotFoundError as error:
        raise MissingLibraryError("boto3", "sagemaker", "SageMaker is reached by it") from error
    return boto3.client("sagemaker", region_name=region)


def _ensure_group(client: Any, group: str, model: str) -> None:
    mark = _OURS + model
    found = _group(client, group)
    if found is None:
        try:
            client.create_model_package_group(
                ModelPackageGroupName=group, ModelPackageGroupDescription=mark
            )
        except client.exceptions.ClientError:
            found = _group(client, group)  # a rival made it
            if found is None:
                raise
        else:
            return
    described = found.get("ModelPackageGroupDescription") or ""
    if described.startswith(_OURS) and described != mark:
        raise ConflictError(
            f"group {group}",
            f"belongs to the model {inert(described.removeprefix(_OURS))}",
            "name another with --group",
        )


def _group(client: Any, group: str) -> Any:
    try:
        return client.describe_model_package_group(ModelPackageGroupName=group)
    except client.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _known(client: Any, group: str, properties: Mapping[str, str]) -> Any:
    """Return the package of a version; the list tells descriptions alone, so likely ones are asked.

    A description can be changed by whoever may, so what a package says of itself counts.
    """
    pages = client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    version = properties[_VERSION]
    for page in pages:
        for summary in page["ModelPackageSummaryList"]:
            if f"@{version} sha256:" not in (summary.get("ModelPackageDescription") or ""):
                continue
            package = client.describe_model_package(ModelPackageName=summary["ModelPackageArn"])
            theirs = package.get("CustomerMetadataProperties") or {}
            if theirs.get(_DIGEST) == properties[_DIGEST]:
                return package
            if theirs.get(_VERSION) == version:
                problem = f"has {version} with other bytes: {summary['ModelPackageArn']}"
                raise ConflictError(f"group {group}", problem, "name another with --group")
    return None


def _updated(client: Any, package: Any, request: Mapping[str, Any]) -> SentPackage:
    """Bring status, stage and our own pairs up to date; others' pairs stay."""
    arn, was = package["ModelPackageArn"], package.get("ModelApprovalStatus")
    approval, ours = request["ModelApprovalStatus"], request["CustomerMetadataProperties"]
    theirs = package.get("CustomerMetadataProperties") or {}
    before = {key: text for key, text in theirs.items() if key.startswith(_PREFIXES)}
    if was != approval or before != ours:
        others = {key: text for key, text in theirs.items() if key not in before}
        gone = sorted(before.keys() - ours.keys())
        client.update_model_package(
            ModelPackageArn=arn,
            ModelApprovalStatus=approval,
            ApprovalDescription=f"{ours['holdfast.status']} in Holdfast",
            ModelLifeCycle=request["ModelLifeCycle"],
            CustomerMetadataProperties=others | ours,
            **({"CustomerMetadataPropertiesToRemove": gone} if gone else {}),
        )
    return SentPackage(arn, request["ModelPackageGroupName"], approval, created=False, was=was)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what boto3 raises into what Holdfast raises."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("botocore", "boto3"):
            raise
        raise _error(error) from None  # a cause would be shown as it is


def _error(error: Exception) -> Exception:
    said = " ".join(inert(without_credentials(str(error))).split())
    told = shortened(said, _MOST_TOLD)
    answer: Any = getattr(error, "response", None)
    code = answer["Error"]["Code"] if answer else type(error).__name__
    if code in _UNKNOWN_CALLER or "Credential" in code or "Token" in code:
        advice = "check the credentials where boto3 looks for them"
        return UnauthenticatedError(_SUBJECT, f"denied access: {told}", advice)
    if code in _DENIED:
        return ForbiddenError("your credentials", f"may not do this in SageMaker: {told}")
    if code == "NoRegionError":
        return InvalidInputError("region", "is not set", "give --region, or set AWS_REGION")
    if code in ("ValidationException", "ParamValidationError"):
        return InvalidInputError("the request", f"was refused: {told}", "look at --dry-run")
    if code in ("ConflictException", "ResourceLimitExceeded"):
        return ConflictError(_SUBJECT, f"refused this: {told}", "look at the message, then repeat")
    problem = f"cannot be reached: {told}" if answer is None else f"refused this: {told}"
    return StoreError(_SUBJECT, problem, "check the region and the network")
