"""Versions to SageMaker and Vertex: boto3 against moto, and requests that are only printed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Holdfast
from tests.servers.running import Endpoint

IMAGE = ("--image", "example.org/serve:1")


@pytest.fixture
def amazon(moto: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let boto3 and buckets find moto, and return a client of its SageMaker."""
    boto3 = pytest.importorskip("boto3", reason="boto3 sends the requests")
    for name, value in {
        "AWS_ENDPOINT_URL": moto.address,
        "AWS_ENDPOINT_URL_S3": moto.address,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": moto.options["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": moto.options["secret_access_key"],
    }.items():
        monkeypatch.setitem(os.environ, name, value)
    client = boto3.client("sagemaker", region_name="us-east-1")
    yield client
    client.close()


def packages(client: Any, group: str) -> list[Any]:
    listed = client.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    return [
        client.describe_model_package(ModelPackageName=item["ModelPackageArn"]) for item in listed
    ]


def test_a_package_follows_its_version(churn: Holdfast, amazon: Any, moto: Endpoint) -> None:
    root = f"s3://{moto.make_bucket()}/models"
    export = ("sagemaker", "export", "--to", root, *IMAGE, "--apply", "--group", "follows")

    first = churn(*export, "churn@1.1.0", "--json")
    again = churn(*export, "churn@production")
    churn("rollback", "churn", "--reason", "worse")
    after = churn(*export, "churn@1.1.0")
    churn(*export, "churn@1.0.0")

    assert first.status == 0, first.err
    assert (first.data["package"]["approval"], first.data["package"]["created"]) == (
        "Approved",
        True,
    )
    assert "already there" in again.out
    assert "Rejected, was Approved" in after.out
    old, new = packages(amazon, "follows")
    assert old["ModelApprovalStatus"] == "Rejected"
    assert new["ModelApprovalStatus"] == "Approved"
    assert old["CustomerMetadataProperties"]["holdfast.version"] == "1.1.0"
    place = old["InferenceSpecification"]["Containers"][0]["ModelDataSource"]["S3DataSource"]
    assert place["S3Uri"] == f"{root}/churn/1.1.0/"
    statistics = old["ModelMetrics"]["ModelQuality"]["Statistics"]
    bucket, _, key = statistics["S3Uri"].removeprefix("s3://").partition("/")
    raw = _s3(moto).get_object(Bucket=bucket, Key=key)["Body"].read()
    assert json.loads(raw)["metrics"] == {"roc_auc": {"value": 0.81}}


def test_pairs_of_ours_are_kept_up_to_date_and_those_of_others_stay(
    churn: Holdfast, amazon: Any, moto: Endpoint
) -> None:
    root = f"s3://{moto.make_bucket()}/models"
    export = ("sagemaker", "export", "--to", root, *IMAGE, "--apply", "--group", "pairs")
    churn("alias", "churn@1.2.0", "best")
    arn = churn(*export, "churn@1.2.0", "--json").data["package"]["arn"]
    pairs = packages(amazon, "pairs")[0]["CustomerMetadataProperties"]
    amazon.update_model_package(
        ModelPackageArn=arn, CustomerMetadataProperties=pairs | {"owner": "risk"}
    )
    churn("alias", "churn@best", "--remove")

    churn(*export, "churn@1.2.0")

    after = packages(amazon, "pairs")[0]["CustomerMetadataProperties"]
    assert pairs["holdfast.aliases"] == "best"
    assert "holdfast.aliases" not in after
    assert after["owner"] == "risk"


def _s3(moto: Endpoint) -> Any:
    client: Any = moto._client  # type: ignore[attr-defined]
    return client


def test_the_request_alone_is_what_aws_itself_reads(
    churn: Holdfast, amazon: Any, moto: Endpoint
) -> None:
    bucket = moto.make_bucket()
    export = ("sagemaker", "export", "churn@1.0.0", "--to", f"s3://{bucket}/m", *IMAGE)

    dry = churn(*export, "--dry-run")
    empty = _s3(moto).list_objects_v2(Bucket=bucket)["KeyCount"]
    done = churn(*export)

    assert empty == 0
    assert json.loads(dry.out) == json.loads(done.out)
    assert _s3(moto).list_objects_v2(Bucket=bucket)["KeyCount"] == 3
    amazon.create_model_package_group(ModelPackageGroupName="churn")
    arn = amazon.create_model_package(**json.loads(done.out))["ModelPackageArn"]
    assert amazon.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"] == "Rejected"


def test_a_group_of_another_model_and_other_bytes_are_refused(
    churn: Holdfast, amazon: Any, moto: Endpoint, model: Any, tmp_path: Path
) -> None:
    root = f"s3://{moto.make_bucket()}/models"
    export = ("sagemaker", "export", "--to", root, *IMAGE, "--apply", "--group", "shared", "--json")
    churn("register", "other", model("other"))
    churn(*export, "churn@1.0.0")
    other = churn(*export, "other@1.0.0")
    elsewhere = ("--store", str(tmp_path / "two"))
    churn("register", "churn", model("four"), *elsewhere)
    bytes_differ = churn(*export, "churn@1.0.0", "--to", f"{root}2", *elsewhere)

    assert other.error["code"] == "conflict"
    assert "belongs to the model churn" in other.error["message"]
    assert bytes_differ.error["code"] == "conflict"
    assert "1.0.0 with other bytes" in bytes_differ.error["message"]
    assert len(packages(amazon, "shared")) == 1


@pytest.mark.usefixtures("amazon")
def test_what_goes_wrong_is_said_without_a_secret(
    churn: Holdfast, moto: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = f"s3://{moto.make_bucket()}/models"
    export = ("sagemaker", "export", "churn@1.0.0", "--to", root, *IMAGE, "--json")

    both = churn(*export, "--apply", "--dry-run")
    nowhere = churn("materialise", "churn@1.0.0", "models", "--json")
    gone = churn("materialise", "churn@1.0.0", "s3://nobody-has-this/x", "--json")
    monkeypatch.setitem(os.environ, "AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setitem(os.environ, "AWS_MAX_ATTEMPTS", "1")
    unreachable = churn(*export, "--apply")

    assert both.error["code"] == "invalid_input"
    assert nowhere.error["code"] == "invalid_input"
    assert gone.error["code"] == "not_a_store"
    assert unreachable.error["code"] == "store"
    secret = moto.options["secret_access_key"]
    assert all(secret not in done.err for done in (both, nowhere, gone, unreachable))


@pytest.mark.usefixtures("amazon")
def test_a_bucket_s_files_are_counted(churn: Holdfast, moto: Endpoint) -> None:
    root = f"s3://{moto.make_bucket()}/models"

    done = churn("materialise", "churn@production", root)
    again = churn("materialise", "churn@1.1.0", root, "--json")

    assert "churn@1.1.0: 2 files (2 new)" in done.out
    assert f"at {root}/churn/1.1.0/" in done.out
    assert again.data["new"] == 0


def test_an_upload_to_vertex_is_printed(churn: Holdfast) -> None:
    parent = "projects/shop/locations/europe-west4"
    export = ("vertex", "export", "churn@production", *IMAGE, "--parent", parent, "--dry-run")

    done = churn(*export, "--to", "gs://serving/models")
    first = churn(*export, "--to", "gs://serving/models", "--first", "--json")
    wrong = churn(*export, "--to", "s3://serving/models", "--json")

    request = json.loads(done.out)
    assert request["model"]["artifactUri"] == "gs://serving/models/churn/1.1.0"
    assert request["parentModel"] == f"{parent}/models/churn"
    assert first.data["request"]["modelId"] == "churn"
    assert wrong.error["code"] == "invalid_input"


@pytest.mark.parametrize(
    "root", ["s3://key:hunter2@b/x", "s3://b/x?secret_access_key=hunter2", "s3://b/../x", "s3:b"]
)
def test_an_address_that_is_none_or_tells_a_secret_is_not_printed(
    churn: Holdfast, root: str
) -> None:
    """Nothing is asked of the bucket here, so nothing else would look at the address."""
    done = churn("sagemaker", "export", "churn@1.0.0", "--to", root, *IMAGE, "--dry-run", "--json")

    assert done.error["code"] == "invalid_input"
    assert "hunter2" not in done.out + done.err


def test_a_command_that_looks_imports_no_cloud() -> None:
    """What is heavy waits for the command that needs it."""
    code = (
        "import sys, holdfast.cli.cloud_exports, holdfast.gateways.sagemaker.package_sending,"
        "holdfast.gateways.sagemaker.package_request, holdfast.gateways.vertex.upload_request\n"
        "print([name for name in ('boto3', 'botocore', 'wandb') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
