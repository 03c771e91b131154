"""Artifacts of references: made by the SDK, fetched from files, addresses and buckets."""

import hashlib
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from tests.gateways.wandb.test_artifact_import import Logged
from tests.servers.running import Endpoint, serving

import holdfast
from holdfast.errors import (
    DamagedError,
    HoldfastError,
    InvalidInputError,
    StoreError,
    UnsupportedError,
)
from holdfast.gateways.wandb import artifact_import, artifact_references
from holdfast.gateways.wandb.artifact_entries import ListedFile

DATA = b"weights" * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


class _Web(BaseHTTPRequestHandler):
    """Answers a path by what it says: `/TAG/...` has that ETag."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name = self.path.split("/")[1]
        status = {"away": 302, "file": 302, "gone": 404}.get(name, 200)
        self.send_response(status)
        if name == "away":
            self.send_header("Location", f"/{SHA256}/moved")
        if name == "file":
            self.send_header("Location", "file:///etc/passwd")
        if status == 200:
            self.send_header("ETag", f'"{name}"' if name != "none" else "W/x")
        length = {"short": len(DATA) + 1, "long": len(DATA) - 1}.get(self.path.split("/")[2])
        self.send_header("Content-Length", str(length or len(DATA) if status == 200 else 0))
        self.end_headers()
        if status == 200:
            self.wfile.write(DATA)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[tuple[str, list[str]]]:
    """Return the address of a server, and what it is asked."""
    asked: list[str] = []
    with serving(type("Web", (_Web,), {"asked": asked})) as port:
        yield f"http://127.0.0.1:{port}", asked


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    return holdfast.open(tmp_path / "store", by="ana")


def test_files_and_addresses_are_fetched_and_held_against_their_digests(
    offline: Any, registry: holdfast.Registry, tmp_path: Path, web: tuple[str, list[str]]
) -> None:
    folder = tmp_path / "elsewhere"
    (folder / "deep").mkdir(parents=True)
    (folder / "config.json").write_bytes(b"{}")
    (folder / "deep" / "vocabulary.txt").write_bytes(b"a b c")
    (tmp_path / "own.txt").write_bytes(b"own")
    artifact = offline.Artifact("model", "model")
    artifact.add_reference(folder.as_uri(), name="bert")
    artifact.add_reference(f"{web[0]}/{SHA256}/weights.bin", name="weights.bin")
    artifact.add_reference(f"{web[0]}/{hashlib.md5(DATA).hexdigest()}/w", name="more.bin")
    artifact.add_file(str(tmp_path / "own.txt"), name="own.txt")

    logged = Logged(artifact)
    done = artifact_import.register(registry, logged)

    manifest = registry.manifest(done.ref)
    assert {file.path: file.sha256 for file in manifest.files} == {
        "model/bert/config.json": hashlib.sha256(b"{}").hexdigest(),
        "model/bert/deep/vocabulary.txt": hashlib.sha256(b"a b c").hexdigest(),
        "model/more.bin": SHA256,
        "model/own.txt": hashlib.sha256(b"own").hexdigest(),
        "model/weights.bin": SHA256,
    }
    told = manifest.metadata["wandb"]["references"]
    assert told["weights.bin"] == f"{web[0]}/{SHA256}/weights.bin"
    assert "own.txt" not in told
    assert registry.verify().whole
    (folder / "config.json").write_bytes(b"[]")
    logged.qualified_name = "acme/churn/model:v8"
    with pytest.raises(DamagedError, match="other bytes"):
        artifact_import.register(registry, logged)


def test_objects_of_a_bucket_are_held_against_their_etag(
    offline: Any,
    registry: holdfast.Registry,
    moto: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boto3 = pytest.importorskip("boto3", reason="the SDK asks buckets by it")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": moto.address, "AWS_S3_ENDPOINT_URL": moto.address,
        "AWS_ALLOW_HTTP": "true",
    }.items():  # fmt: skip
        monkeypatch.setitem(os.environ, name, value)
    bucket, client = moto.make_bucket(), boto3.client("s3", endpoint_url=moto.address)
    client.put_object(Bucket=bucket, Key="run/config.json", Body=b"{}")
    begun = client.create_multipart_upload(Bucket=bucket, Key="run/deep/weights.bin")
    part = {"Bucket": bucket, "Key": begun["Key"], "UploadId": begun["UploadId"]}
    etags = [
        client.upload_part(**part, PartNumber=number, Body=data)["ETag"]
        for number, data in ((1, bytes(5 << 20)), (2, b"the rest"))
    ]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    client.complete_multipart_upload(**part, MultipartUpload={"Parts": parts})
    artifact = offline.Artifact("model", "model")
    artifact.add_reference(f"s3://{bucket}/run", name="run")

    logged = Logged(artifact)
    done = artifact_import.register(registry, logged)

    sizes = {file.path: file.size_bytes for file in registry.manifest(done.ref).files}
    assert sizes == {"model/run/config.json": 2, "model/run/deep/weights.bin": (5 << 20) + 8}
    client.put_object(Bucket=bucket, Key="run/config.json", Body=b"[]")
    logged.qualified_name = "acme/churn/model:v8"
    with pytest.raises(DamagedError, match="other bytes"):
        artifact_import.register(registry, logged)


def test_a_reference_without_a_digest_of_its_bytes_is_not_asked_for(
    offline: Any, registry: holdfast.Registry, tmp_path: Path, web: tuple[str, list[str]]
) -> None:
    (tmp_path / "secret").write_text("x")
    unchecked = offline.Artifact("model", "model")
    unchecked.add_reference(f"{web[0]}/none/x", name="x", checksum=False)
    weak = offline.Artifact("model", "model")
    weak.add_reference(f"{web[0]}/none/x", name="x")
    by_name = offline.Artifact("model", "model")
    by_name.add_reference((tmp_path / "secret").as_uri(), name="x", checksum=False)
    del web[1][:]

    for artifact in (unchecked, weak):
        with pytest.raises(UnsupportedError, match="without a digest of its bytes"):
            artifact_import.register(registry, Logged(artifact))
    with pytest.raises(DamagedError, match="other bytes"):
        artifact_import.register(registry, Logged(by_name))
    assert web[1] == []
    assert registry.models() == []


@pytest.mark.parametrize(
    ("ref", "digest"),
    [
        ("gs://bucket/x", "CJDn1pmT="),
        ("az://c/x", "0x8D"),
        ("wandb-artifact://abc/x", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("ftp://h/x", "a" * 64),
        ("javascript:x", "a" * 64),
        ("file:///x", "a" * 64),
        ("s3://b/x", "a" * 64),
        ("s3://b/x", "a" * 32 + "-0"),
        ("http://h/x", "http://h/x"),
        ("http://h/x", "A" * 64),
    ],
)
def test_only_digests_of_bytes_are_taken_for_some(ref: str, digest: str) -> None:
    assert artifact_references.content_digest(ref, digest) is None


@pytest.mark.parametrize(
    "ref",
    [
        "s3://b/x?endpoint=http://evil.example",
        "s3://b/x#y",
        "s3://key:secret@b/x",
        "s3:///x",
        "s3://b/x/",
        "http://user:password@h/x",
        "http:///x",
        "file://host/share/x",
        "file:///x?y",
        "file:///x\0y",
    ],
)
def test_an_address_chooses_no_server_and_no_credentials(ref: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="says more") as caught:
        artifact_references.bring(ListedFile("x", b"", "MD5", 1, ref), tmp_path)

    assert "password" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_cannot_be_fetched_is_told_and_nothing_goes_on_for_ever(
    tmp_path: Path, web: tuple[str, list[str]]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_bytes(b"more than was listed")

    def bring(ref: str, kind: type[HoldfastError], size: int | None = len(DATA)) -> str:
        with pytest.raises(kind) as caught:
            artifact_references.bring(ListedFile("x", b"", "MD5", size, ref), tmp_path / "to")
        (tmp_path / "to" / "x").unlink(missing_ok=True)
        return str(caught.value)

    assert "cannot be reached" in bring((tmp_path / "pipe").as_uri(), StoreError)
    assert "cannot be reached" in bring(tmp_path.as_uri(), StoreError)
    assert "cannot be reached" in bring((tmp_path / "missing").as_uri(), StoreError)
    assert "20 bytes instead of" in bring((tmp_path / "long").as_uri(), DamagedError)
    assert "404" in bring(f"{web[0]}/gone/x?token=hunter2hunter2", StoreError)
    assert "hunter2" not in bring(f"{web[0]}/gone/x?token=hunter2hunter2", StoreError)
    assert "file" in bring(f"{web[0]}/file/x", StoreError)
    assert "cannot be reached" in bring("http://127.0.0.1:9/x", StoreError)
    assert "cut short" in bring(f"{web[0]}/{SHA256}/short", DamagedError, None)


def test_an_address_may_lead_on_to_another_of_the_web(
    tmp_path: Path, web: tuple[str, list[str]]
) -> None:
    artifact_references.bring(ListedFile("x", b"", "MD5", None, f"{web[0]}/away/x"), tmp_path)

    assert (tmp_path / "x").read_bytes() == DATA


@pytest.mark.parametrize(("parts", "length"), [(1, 100), (2, (5 << 20) + 1), (3, 20 << 20)])
def test_what_was_sent_in_parts_is_known_by_their_digests(
    parts: int, length: int, tmp_path: Path
) -> None:
    data = bytes(length)
    (tmp_path / "x").write_bytes(data)
    size = {1: 100, 2: 5 << 20, 3: 8 << 20}[parts]
    digests = [hashlib.md5(data[at : at + size]).digest() for at in range(0, length, size)]

    found = list(artifact_references.digests_of_parts(tmp_path / "x", parts))

    assert hashlib.md5(b"".join(digests)).digest() in found


def test_a_digest_of_parts_that_fits_no_usual_length_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"short")

    assert list(artifact_references.digests_of_parts(tmp_path / "x", 7)) == []
