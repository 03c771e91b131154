"""Servers that follow a bucket."""

from pathlib import Path

import pytest
from tests.servers.running import Endpoint
from tests.serving.facing import until
from tests.serving.serving import MODEL, Callers, estimating, serving

import holdfast


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.sweep), "2"])
def test_a_bucket_is_followed_without_a_lost_request(
    moto: Endpoint, tmp_path: Path, workers: str
) -> None:
    location = f"s3://{moto.make_bucket()}/store"
    registry = holdfast.open(location, by="ana", options=moto.options, cache=tmp_path / "cache")
    for number in (1, 2):
        estimating(registry, number)
    registry.promote(f"{MODEL}@1.1.0")
    environment = {
        "HOLDFAST_CACHE": str(tmp_path / "cache of the server"),
        "AWS_ENDPOINT_URL": moto.address,
        "AWS_ACCESS_KEY_ID": moto.options["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": moto.options["secret_access_key"],
        "AWS_REGION": moto.options["region"],
        "AWS_ALLOW_HTTP": "true",
    }

    def live() -> list[str | None]:
        return [report.active for report in registry.fleet.servers(MODEL)]

    with serving(location, tmp_path, "--workers", workers, environment=environment) as server:
        until(lambda: live() == ["1.1.0"] * int(workers))
        with Callers(server.port, 2) as callers:
            registry.promote(f"{MODEL}@1.2.0")
            until(lambda: live() == ["1.2.0"] * int(workers))
            callers.more(20)

    assert callers.wrong == []
    assert {version for version, _ in callers.answered} == {"1.1.0", "1.2.0"}
    assert server.process.returncode == 0
    assert registry.fleet.servers(MODEL) == []
