"""SLSA provenance: what the registry recorded, in an envelope that others verify."""

import base64
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import signing

ssl_dsse = pytest.importorskip(
    "securesystemslib.dsse", reason="securesystemslib, which verifies envelopes, is not installed"
)


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n")
    (tmp_path / "m.txt").write_text("model")
    signing.create("ann", tmp_path)
    registry = holdfast.open(tmp_path / "store", signing_key=tmp_path / "ann.key")
    registry.data.add("sales", str(tmp_path / "rows.csv"))
    registry.register(
        "iris",
        tmp_path / "m.txt",
        data={"train": "sales@v1"},
        environment={"python": "3.11.9", "packages": {"numpy": "2.4.6"}},
        lineage={
            "git_commit": "ab" * 20,
            "git_dirty": False,
            "entry": "jobs:train",
            "seed": 7,
            "slot": "2026-11-29T00:00:00Z",
            "data_window": "2026-08-31T00:00:00Z/2026-11-29T00:00:00Z",
            "remote": "https://example.com/team/repo.git",
            "locks": {"uv.lock": "sha256:" + "c" * 64},
            "run_id": "run-7",
        },
    )
    return registry


def statement(registry: holdfast.Registry) -> Any:
    envelope = json.loads(registry.lineage.slsa("iris@1.0.0"))
    return json.loads(base64.b64decode(envelope["payload"]))


def test_the_subject_is_the_manifest_and_what_was_asked_and_used_is_told(
    registry: holdfast.Registry,
) -> None:
    told = statement(registry)
    digest = registry.resolve("iris@1.0.0").digest.removeprefix("sha256:")
    definition = told["predicate"]["buildDefinition"]

    assert told["_type"] == "https://in-toto.io/Statement/v1"
    assert told["predicateType"] == "https://slsa.dev/provenance/v1"
    assert told["subject"][0] == {"name": "iris@1.0.0", "digest": {"sha256": digest}}
    assert definition["externalParameters"] == {
        "entry": "jobs:train",
        "seed": 7,
        "slot": "2026-11-29T00:00:00Z",
        "window": "2026-08-31T00:00:00Z/2026-11-29T00:00:00Z",
    }
    code, data, lock, package = definition["resolvedDependencies"]
    assert code == {
        "uri": f"git+https://example.com/team/repo.git@{'ab' * 20}",
        "digest": {"gitCommit": "ab" * 20},
    }
    added = registry.data.find("sales").added
    assert data["name"] == "data sales@v1"
    assert f"sha256:{data['digest']['sha256']}" == added.digest
    assert f"sha256:{data['digest']['holdfastRows']}" == added.rows
    assert lock == {"name": "uv.lock", "digest": {"sha256": "c" * 64}}
    assert package == {"uri": "pkg:pypi/numpy@2.4.6"}
    assert told["predicate"]["runDetails"]["metadata"]["invocationId"] == "run-7"


def test_others_verify_the_envelope_and_see_a_change(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    failure = importlib.import_module("securesystemslib.exceptions").VerificationError
    keys = importlib.import_module("securesystemslib.signer").SSlibKey

    raw = json.loads(registry.lineage.slsa("iris@1.0.0"))
    public = load_der_public_key(
        base64.b64decode(signing.public(tmp_path / "ann.pub").ec or ""), None
    )
    key = keys.from_crypto(public, raw["signatures"][0]["keyid"])
    changed = json.loads(json.dumps(raw))
    payload = base64.b64decode(raw["payload"]).replace(b'"seed":7', b'"seed":8')
    changed["payload"] = base64.b64encode(payload).decode()

    assert ssl_dsse.Envelope.from_dict(raw).verify([key], 1)
    with pytest.raises(failure):
        ssl_dsse.Envelope.from_dict(changed).verify([key], 1)


def test_without_a_key_it_is_a_bare_statement(registry: holdfast.Registry, tmp_path: Path) -> None:
    bare = holdfast.open(tmp_path / "store").lineage.slsa("iris@1.0.0")

    assert json.loads(bare) == statement(registry)
