"""The request of an upload, read by Google's own client."""

import json
import re
from typing import Any

import pytest
from tests.gateways.standing import HOSTILE, recorded, standing

from holdfast.errors import InvalidInputError
from holdfast.gateways.vertex.upload_request import Uploading, upload_request

PLACE = "gs://serving/models/team/churn/1.2.0/"
PARENT = "projects/shop/locations/europe-west4"
LABEL = re.compile(r"[a-z0-9_-]{0,63}")


@pytest.fixture(scope="module")
def client() -> Any:
    return pytest.importorskip(
        "google.cloud.aiplatform_v1", reason="Google's client reads what was written"
    )


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_google_s_client_reads_the_request(client: Any) -> None:
    info = standing(status="production", aliases=("best", "a.b"))
    request = upload_request(
        info, recorded("who leaves"), PLACE, Uploading(PARENT, "europe-docker.pkg.dev/x/serve:1")
    )

    read = client.UploadModelRequest.from_json(json.dumps(request))

    assert read.parent == PARENT
    assert read.parent_model == f"{PARENT}/models/team-churn"
    assert read.model.artifact_uri == PLACE.rstrip("/")
    assert read.model.container_spec.image_uri == "europe-docker.pkg.dev/x/serve:1"
    assert list(read.model.version_aliases) == ["v1-2-0", "production", "best", "a-b", "default"]
    assert info.digest in read.model.version_description
    assert read.model.labels["holdfast-commit"] == info.digest.removeprefix("sha256:")[:40]


def test_the_first_version_makes_the_model() -> None:
    request = upload_request(
        standing(), recorded(), PLACE, Uploading(PARENT, "image", "own_id", is_first=True)
    )

    assert request["modelId"] == "own_id"
    assert "parentModel" not in request


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_version_says_stays_within_the_rules(text: str) -> None:
    info = standing(
        model=f"m {text[:150]}", aliases=("default", "x", "best_of-", "a" * 64), status="staging"
    )

    request = upload_request(info, recorded(text), PLACE, Uploading(PARENT, "image"))

    model = request["model"]
    assert all(len(value) < 64 and LABEL.fullmatch(value) for value in model["labels"].values())
    assert model["versionAliases"] == ["v1-2-0", "staging", "best-of", "a" * 64]
    assert re.fullmatch(rf"{PARENT}/models/[a-z][a-z0-9-]{{0,62}}", request["parentModel"])
    assert len(model["displayName"]) <= 128
    assert model["versionDescription"].isprintable()


@pytest.mark.parametrize(
    ("place", "uploading"),
    [
        ("s3://b/x/", Uploading(PARENT, "image")),
        (PLACE, Uploading("shop", "image")),
        (PLACE, Uploading(f"{PARENT}/models/x", "image")),
        (PLACE, Uploading(PARENT, "")),
        (PLACE, Uploading(PARENT, "image", "1st")),
        (PLACE, Uploading(PARENT, "image", "a/b")),
    ],
)
def test_what_the_service_would_refuse_is_refused_here(place: str, uploading: Uploading) -> None:
    with pytest.raises(InvalidInputError):
        upload_request(standing(), recorded(), place, uploading)
