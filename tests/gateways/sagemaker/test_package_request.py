"""The request of a model package, held against the service's own model in botocore."""

import re
import unicodedata
from typing import Any

import pytest
from tests.gateways.standing import HOSTILE, recorded, standing

from holdfast.errors import InvalidInputError
from holdfast.gateways.sagemaker.package_request import Packaging, metrics_of, package_request

PLACE = "s3://serving/models/team/churn/1.2.0/"
IMAGE = Packaging("123456789012.dkr.ecr.eu-west-1.amazonaws.com/serve:1")


@pytest.fixture(scope="module")
def shape() -> Any:
    session = pytest.importorskip("botocore.session", reason="botocore has the service's model")
    service = session.get_session().get_service_model("sagemaker")
    return service.operation_model("CreateModelPackage").input_shape


def fits(pattern: str, text: str) -> bool:
    """Match as the service does; Python's own expressions know no classes of Unicode."""
    pattern = re.sub(r"\$\{\d+,\d+\}$", "", pattern)
    categories = re.findall(r"\\p\{(\w)\}", pattern)
    if not categories:
        return re.fullmatch(pattern, text) is not None
    others = re.sub(r"\\p\{\w\}", "", pattern)
    plain = re.search(r"\[(.*)\]", others)
    signs = f"[{plain[1]}]" if plain and plain[1] else r"[^\s\S]"
    return all(unicodedata.category(c)[0] in categories or re.match(signs, c) for c in text)


def problems(shape: Any, value: Any, where: str = "") -> list[str]:
    """List where a value is not what a shape says: names, lengths, patterns, words."""
    limits, found = shape.metadata, []
    least, most = limits.get("min", 0), limits.get("max", 10**9)
    if shape.type_name == "structure":
        absent = [name for name in shape.required_members if name not in value]
        found += [f"{where}.{name} is absent" for name in absent]
        for name, inner in value.items():
            if name not in shape.members:
                found.append(f"{where}.{name} is unknown")
            else:
                found += problems(shape.members[name], inner, f"{where}.{name}")
        return found
    if shape.type_name == "list":
        found += [p for item in value for p in problems(shape.member, item, where)]
    if shape.type_name == "map":
        found += [p for key in value for p in problems(shape.key, key, where)]
        found += [p for text in value.values() for p in problems(shape.value, text, where)]
    if not least <= len(value) <= most:
        found.append(f"{where} has {len(value)}")
    if shape.type_name == "string":
        if "pattern" in limits and not fits(limits["pattern"], value):
            found.append(f"{where} {value!r} does not match {limits['pattern']}")
        if "enum" in limits and value not in limits["enum"]:
            found.append(f"{where} {value!r} is not one of {limits['enum']}")
    return found


def test_the_check_finds_what_the_service_would_refuse(shape: Any) -> None:
    wrong = {"ModelPackageGroupName": "a/b", "ModelApprovalStatus": "Yes", "Nonsense": "1"}

    assert len(problems(shape, wrong)) == 3
    assert problems(shape, {"CustomerMetadataProperties": {"a": "ü b", "c^": "x"}}) != []
    assert problems(shape, {"CustomerMetadataProperties": {"a": "ü b"}}) == []
    assert problems(shape, {"ModelPackageDescription": "a\nb"}) != []


def test_a_request_is_one_that_the_service_takes(shape: Any) -> None:
    info = standing(status="production", metrics={"auc": 0.91, "f1": 1e-07}, aliases=("best",))
    manifest = recorded(
        "predicts who leaves",
        git_commit="0" * 40,
        remote="https://ana:hunter2@git.example.org/churn.git?token=hunter2",
        run_id="r1",
    )

    request = package_request(info, manifest, PLACE, "s3://serving/metrics.json", IMAGE)

    assert problems(shape, request) == []
    container = request["InferenceSpecification"]["Containers"][0]
    assert container["ModelDataSource"]["S3DataSource"]["S3Uri"] == PLACE
    assert PLACE.endswith("/"), "else the service takes 1.2.0-rc.1/, too"
    assert request["ModelPackageGroupName"] == "team-churn"
    pairs = request["CustomerMetadataProperties"]
    assert (pairs["holdfast.version"], pairs["holdfast.digest"]) == (info.version, info.digest)
    assert pairs["metric.f1"] == "1e-07"
    assert request["MetadataProperties"]["CommitId"] == "0" * 40
    assert "hunter2" not in str(request)


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_version_says_becomes_a_request_that_the_service_takes(
    shape: Any, text: str
) -> None:
    metrics = {f"{text[:100]}{number}": float(number) for number in range(60)}
    info = standing(model=f"m {text[:150]}", metrics=metrics)
    manifest = recorded(text, git_commit=text, remote=text, run_id=text)

    request = package_request(info, manifest, PLACE, None, IMAGE)

    assert problems(shape, request) == []
    assert request["CustomerMetadataProperties"]["holdfast.digest"] == info.digest


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"status": "registered"}, "PendingManualApproval"),
        ({"status": "staging"}, "PendingManualApproval"),
        ({"status": "production"}, "Approved"),
        ({"status": "archived", "served": True}, "Rejected"),
        ({"status": "production", "held": "under review"}, "Rejected"),
    ],
)
def test_the_approval_is_what_happened_to_the_version(facts: Any, status: str) -> None:
    request = package_request(standing(**facts), recorded(), PLACE, None, IMAGE)

    assert request["ModelApprovalStatus"] == status
    assert request["ModelLifeCycle"]["StageStatus"] == status


@pytest.mark.parametrize(
    ("place", "packaging"),
    [
        ("gs://b/x/", IMAGE),
        (PLACE, Packaging("")),
        (PLACE, Packaging("two words")),
        (PLACE, Packaging("i", group="team/churn")),
        (PLACE, Packaging("i", group="x" * 64)),
    ],
)
def test_what_the_service_would_refuse_is_refused_here(place: str, packaging: Packaging) -> None:
    with pytest.raises(InvalidInputError):
        package_request(standing(), recorded(), place, None, packaging)


def test_equal_requests_have_one_token_and_equal_metrics_are_equal_bytes() -> None:
    first = package_request(standing(), recorded(), PLACE, None, IMAGE)
    again = package_request(standing(), recorded(), PLACE, None, IMAGE)
    live = package_request(standing(status="production"), recorded(), PLACE, None, IMAGE)

    assert first == again
    assert first["ClientToken"] != live["ClientToken"]
    assert metrics_of(standing(metrics={"a": 1.0, "b": 2.0})) == metrics_of(
        standing(metrics={"b": 2.0, "a": 1.0})
    )
