"""A version's files below a prefix of a bucket: real servers, real requests."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.servers.lossy import Lossy
from tests.servers.running import Endpoint
from tests.web.teams import Team

import holdfast
from holdfast.core.names import check_model
from holdfast.errors import ConflictError, DamagedError, InvalidInputError
from holdfast.registry import materialising
from holdfast.store import layout
from holdfast.store.objects import sending
from holdfast.store.objects.locating import locate
from holdfast.store.objects.object_store import ObjectStore

NAMES = ("config.json", "deep/weights 1.bin", "größe/50%+#1.txt")


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    folder = tmp_path / "bert"
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


@pytest.fixture
def local(tmp_path: Path, bert: Path) -> holdfast.Registry:
    registry = holdfast.open(tmp_path / "store", by="ana")
    registry.register("team/bert", bert, version="1.2.0-rc.1+b2")
    return registry


def bucket_of(server: Endpoint, root: str) -> ObjectStore:
    return locate("/".join(root.split("/")[:3]), server.options)


def texts(server: Endpoint, url: str) -> dict[str, bytes]:
    """Read every object below a prefix."""
    bucket, folder = bucket_of(server, url), url.split("/", 3)[3].rstrip("/")
    found = {}
    for metadata in bucket.wire.below(folder):
        found[metadata["path"].removeprefix(f"{folder}/")] = bucket.read(metadata["path"]) or b""
    return found


def root_in(server: Endpoint, prefix: str = "serve/models") -> str:
    return f"{server.scheme}://{server.make_bucket()}/{prefix}"


def test_the_files_come_under_their_names_and_the_manifest_last(
    server: Endpoint, local: holdfast.Registry
) -> None:
    root = root_in(server)

    done = local.materialise("team/bert@v1", root + "/", options=server.options)
    again = local.materialise("team/bert@v1", root, options=server.options)

    assert done.url == f"{root}/team/bert/1.2.0-rc.1%2bb2/"
    there = texts(server, done.url)
    assert {name: there[name].decode() for name in NAMES} == {name: name for name in NAMES}
    assert f"sha256:{hashlib.sha256(there['manifest.json']).hexdigest()}" == done.digest
    assert set(there) == {file.path for file in done.files} == {*NAMES, "manifest.json"}
    assert (done.new, again.new) == (4, 0)


@pytest.fixture
def in_bucket(server: Endpoint, bert: Path, tmp_path: Path) -> holdfast.Registry:
    bucket = server.make_bucket()
    registry = holdfast.open(
        f"{server.scheme}://{bucket}/own", options=server.options, cache=tmp_path / "kept"
    )
    registry.register("bert", bert)
    return registry


def test_a_version_of_the_same_bucket_is_copied_by_the_service(
    server: Endpoint, in_bucket: holdfast.Registry, tmp_path: Path
) -> None:
    own = str(in_bucket.location).partition("?")[0]
    root = own.replace("/own", "/serve")
    elsewhere = holdfast.open(own, options=server.options, cache=tmp_path / "other")

    done = elsewhere.materialise("bert@1.0.0", root, options=server.options)

    assert not list(tmp_path.glob("other/sha256/*")), "no blob was brought here to be sent"
    assert texts(server, done.url)["config.json"] == b"config.json"
    changed = bucket_of(server, root)
    sha256 = hashlib.sha256(b"config.json").hexdigest()
    changed.replace(f"own/{layout.blob(sha256)}", b"config.jsom")
    changed.delete("serve/bert/1.0.0/config.json")
    with pytest.raises(DamagedError, match="has changed"):
        elsewhere.materialise("bert@1.0.0", root, options=server.options)
    assert "config.json" not in texts(server, done.url)


def test_the_bytes_of_a_copy_do_not_pass_here_twice(
    moto: Endpoint, lose: Callable[[Endpoint], Lossy], bert: Path, tmp_path: Path
) -> None:
    relay = lose(moto)
    options = {**moto.options, "endpoint": relay.address}
    bucket = moto.make_bucket()
    registry = holdfast.open(f"s3://{bucket}/own", options=options, cache=tmp_path / "kept")
    (bert / "long.bin").write_bytes(b"7" * (sending.SMALL + 1))
    registry.register("bert", bert)
    before = len(relay.log)

    done = registry.materialise("bert@1.0.0", f"s3://{bucket}/serve", options=options)

    sent = [path for method, path in relay.log[before:] if method == "PUT"]
    assert len(sent) == len(done.files) == 5
    assert not any("partNumber" in path for path in sent)


def test_a_long_file_of_a_folder_is_sent_in_parts(
    moto: Endpoint, local: holdfast.Registry, tmp_path: Path
) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"7" * (sending.SMALL + 1))
    local.register("long", path)

    done = local.materialise("long@1.0.0", root_in(moto), options=moto.options)

    assert len(texts(moto, done.url)["model.txt"]) == sending.SMALL + 1


def test_what_is_not_the_version_s_is_not_handed_out_with_it(
    moto: Endpoint, local: holdfast.Registry
) -> None:
    root = root_in(moto)
    done = local.materialise("team/bert@v1", root, options=moto.options)
    bucket, folder = bucket_of(moto, root), done.url.split("/", 3)[3]

    bucket.replace(f"{folder}code/inference.py", b"import os")
    with pytest.raises(ConflictError, match=r"code/inference\.py does not belong"):
        local.materialise("team/bert@v1", root, options=moto.options)
    bucket.delete(f"{folder}code/inference.py")
    bucket.replace(f"{folder}config.json", b"config.jsom")
    with pytest.raises(ConflictError, match="other bytes"):
        local.materialise("team/bert@v1", root, options=moto.options)


def test_the_files_of_a_server_are_sent_from_here(
    moto: Endpoint, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = Team(tmp_path / "team")
    team.registry.register("team/bert", bert)
    token = team.member("vic", "viewer", "team/*")
    monkeypatch.setenv("HOLDFAST_TOKEN", token)
    with team.served() as served:
        address = f"http://127.0.0.1:{served.port}"
        registry = holdfast.open(address, cache=tmp_path / "kept")

        done = registry.materialise("team/bert@latest", root_in(moto), options=moto.options)

    assert texts(moto, done.url)["config.json"] == b"config.json"
    assert set(texts(moto, done.url)) == {*NAMES, "manifest.json"}


def test_a_changed_blob_is_not_handed_out(moto: Endpoint, local: holdfast.Registry) -> None:
    root = root_in(moto)
    sha256 = hashlib.sha256(b"config.json").hexdigest()
    path = Path(local.location) / layout.blob(sha256)
    path.chmod(0o600)
    path.write_bytes(b"config.jsom")

    with pytest.raises(DamagedError, match=sha256):
        local.materialise("team/bert@v1", root, options=moto.options)

    there = texts(moto, materialising.place_of(root, "team/bert", "1.2.0-rc.1+b2"))
    assert "config.json" not in there
    assert "manifest.json" not in there


def test_no_prefix_is_inside_a_store_or_another_version_s(
    moto: Endpoint, local: holdfast.Registry, bert: Path, tmp_path: Path
) -> None:
    root = root_in(moto)
    store = f"{root}/own"
    holdfast.open(store, options=moto.options, cache=tmp_path / "kept").register("bert", bert)
    local.register("bert", bert, version="1.0.0")
    local.register("bert/1.0.0", bert, version="1.0.0")
    local.materialise("bert@1.0.0", root, options=moto.options)

    for ref, place in (("bert@1.0.0", store), ("bert/1.0.0@1.0.0", root)):
        with pytest.raises(InvalidInputError, match="is inside"):
            local.materialise(ref, place, options=moto.options)


@pytest.mark.parametrize(
    "root",
    [
        "models",
        "https://b/x",
        "s3://",
        "s3://b/../x",
        "s3://key:secret@b/x",
        "s3://b/x?token=hunter2",
    ],
)
def test_what_is_not_a_prefix_of_a_bucket_is_refused(local: holdfast.Registry, root: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        local.materialise("team/bert@v1", root)

    assert "hunter2" not in str(caught.value)
    assert "secret@" not in str(caught.value)


def test_a_version_may_have_files_of_any_name(
    moto: Endpoint, local: holdfast.Registry, bert: Path
) -> None:
    (bert / "holdfast.json").write_text("{}")
    (bert / "1.0.0").mkdir()
    (bert / "1.0.0" / "manifest.json").write_text("{}")
    local.register("bert", bert)
    root = root_in(moto)

    local.materialise("bert@1.0.0", root, options=moto.options)

    assert local.materialise("bert@1.0.0", root, options=moto.options).new == 0


@given(st.lists(st.text("aA1.%~- /ä", min_size=1, max_size=6), min_size=2, max_size=2, unique=True))
def test_no_two_models_share_a_prefix(models: list[str]) -> None:
    for model in models:
        try:
            check_model(model)
        except InvalidInputError:
            return

    first, other = (materialising.place_of("gs://bucket/x", model, "1.0.0") for model in models)
    assert first != other
    assert "//" not in first.removeprefix("gs://")


def test_documents_lie_beside_the_version(moto: Endpoint, local: holdfast.Registry) -> None:
    root = root_in(moto)
    data = json.dumps({"auc": 0.9}).encode()

    done = local.materialise(
        "team/bert@v1", root, options=moto.options, documents={"metrics.json": data}
    )

    address = done.documents["metrics.json"]
    assert address == materialising.document_of(root, "team/bert", "metrics.json", data)
    assert not address.startswith(done.url)
    assert bucket_of(moto, root).read(address.split("/", 3)[3]) == data


def test_parts_of_addresses_are_distinct() -> None:
    names = ("Iris", "iris", "a b", "a%20b", "ä", "-x", "~documents", "a/b", "CON", "x" * 300)

    places = [materialising.place_of("s3://bucket", name, "1.0.0") for name in names]

    assert len(set(places)) == len(names)
    assert all(place.isascii() and " " not in place for place in places)
    assert (
        materialising.place_of("gs://bucket/x/?region=y", "Iris", "1.0.0")
        == "gs://bucket/x/Iris/1.0.0/"
    )
