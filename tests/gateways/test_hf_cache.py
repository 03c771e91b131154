"""A cache of `huggingface_hub` that links to the store; the client itself reads it."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.errors import InvalidInputError
from holdfast.gateways import hf_cache
from holdfast.registry.catalogue_verbs import Labels

pytest.importorskip("huggingface_hub", reason="the client whose cache it is")
_DOWNLOAD = (
    "import json, os, sys\n"
    "from huggingface_hub import snapshot_download\n"
    "folder = snapshot_download(sys.argv[1], revision=sys.argv[2])\n"
    "print(json.dumps({'folder': folder, 'config': open(folder + '/config.json').read()}))\n"
)


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    return holdfast.open(tmp_path / "store", by="ana")


def register(registry: holdfast.Registry, folder: Path, text: str, name: str = "team/bert") -> str:
    model = folder / "bert"
    model.mkdir(exist_ok=True)
    (model / "config.json").write_text(text)
    return registry.register(name, model, metrics={"auc": 0.9}).ref


def downloaded(cache: Path, name: str, revision: str) -> Any:
    """Ask the client, offline."""
    environment = {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _DOWNLOAD, name, revision],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_client_follows_a_promotion(registry: holdfast.Registry, tmp_path: Path) -> None:
    first = register(registry, tmp_path, "one")
    registry.promote(first)
    hf_cache.link(registry, tmp_path / "cache")
    before = downloaded(tmp_path / "cache", "team/bert", "production")
    registry.promote(register(registry, tmp_path, "two"))
    done = hf_cache.link(registry, tmp_path / "cache")
    after = downloaded(tmp_path / "cache", "team/bert", "production")

    assert (before["config"], after["config"]) == ("one", "two")
    assert (done.models, done.versions, done.problems) == (1, 2, ())
    commit = registry.resolve("team/bert@production").digest.removeprefix("sha256:")[:40]
    assert Path(after["folder"]).name == commit
    assert downloaded(tmp_path / "cache", "team/bert", "1.0.0")["config"] == "one"
    register(registry, tmp_path, "three")
    hf_cache.link(registry, tmp_path / "cache")
    assert downloaded(tmp_path / "cache", "team/bert", "main")["config"] == "three"


def refs(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache/models--team--bert/refs").iterdir())


def test_what_is_gone_from_the_store_leaves_the_cache(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    first = register(registry, tmp_path, "one")
    registry.alias(register(registry, tmp_path, "two"), "eu")
    register(registry, tmp_path, "three", "gone")
    hf_cache.link(registry, tmp_path / "cache")
    assert refs(tmp_path) == ["1.0.0", "1.1.0", "eu", "latest", "main"]
    registry.archive(first)
    registry.purge("team/bert", versions=[first], grace_s=0)
    registry.remove_alias("team/bert", "eu")
    registry.delete("gone", reason="a mistake")
    hf_cache.link(registry, tmp_path / "cache")

    assert refs(tmp_path) == ["1.1.0", "latest", "main"]
    assert len(list((tmp_path / "cache/models--team--bert/snapshots").iterdir())) == 1
    assert not (tmp_path / "cache" / "models--gone").exists()


def test_damaged_bytes_are_not_linked(registry: holdfast.Registry, tmp_path: Path) -> None:
    register(registry, tmp_path, "one")
    sha256 = registry.manifest("team/bert@1.0.0").files[0].sha256
    blob = tmp_path / "store" / "blobs" / "sha256" / sha256
    blob.chmod(0o600)
    blob.write_text("onf")
    done = hf_cache.link(registry, tmp_path / "cache")

    assert done.versions == 0
    assert "team/bert@1.0.0" in done.problems[0]
    assert refs(tmp_path) == []


def test_a_folder_of_others_is_left_alone(registry: holdfast.Registry, tmp_path: Path) -> None:
    register(registry, tmp_path, "one")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "mine").write_text("mine")

    with pytest.raises(InvalidInputError, match="did not write"):
        hf_cache.link(registry, tmp_path / "cache")
    other = holdfast.open(tmp_path / "other", by="ana")
    other.init()
    hf_cache.link(other, tmp_path / "theirs")
    with pytest.raises(InvalidInputError, match="another registry"):
        hf_cache.link(registry, tmp_path / "theirs")


@pytest.mark.parametrize("name", [".", "blobs", "refs", "snapshots"])
def test_nothing_is_removed_or_written_where_a_link_leads(
    registry: holdfast.Registry, tmp_path: Path, name: str
) -> None:
    register(registry, tmp_path, "one")
    hf_cache.link(registry, tmp_path / "cache")
    theirs = tmp_path / "theirs"
    for folder in ("refs", "snapshots"):
        (theirs / folder / "deep").mkdir(parents=True)
        (theirs / folder / "mine").write_text("mine")
    place = tmp_path / "cache" / "models--team--bert" / name
    shutil.rmtree(place)
    place.symlink_to(theirs if name == "." else theirs / "refs")

    with pytest.raises(InvalidInputError, match="is a link"):
        hf_cache.link(registry, tmp_path / "cache")

    left = sorted(path.relative_to(theirs).as_posix() for path in theirs.rglob("*"))
    assert left == [
        "refs", "refs/deep", "refs/mine", "snapshots", "snapshots/deep", "snapshots/mine",
    ]  # fmt: skip


def test_links_in_a_cache_are_taken_away_and_not_followed(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    register(registry, tmp_path, "one")
    hf_cache.link(registry, tmp_path / "cache")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "mine").write_text("mine")
    cache = tmp_path / "cache" / "models--team--bert"
    (cache / "refs" / "latest").unlink()
    (cache / "refs" / "latest").symlink_to(theirs / "mine")
    (cache / "refs" / "main").unlink()
    (cache / "refs" / "main").mkdir()
    places = [cache / "refs" / "other", cache / "snapshots" / "0", cache.with_name("models--x")]
    for place in places:
        place.symlink_to(theirs)

    assert hf_cache.link(registry, tmp_path / "cache").versions == 1

    assert (theirs / "mine").read_text() == "mine"
    assert not any(place.is_symlink() for place in places)
    assert refs(tmp_path) == ["1.0.0", "latest", "main"]
    assert len({(cache / "refs" / name).read_text() for name in refs(tmp_path)}) == 1


def test_a_version_without_bytes_is_left_out(registry: holdfast.Registry, tmp_path: Path) -> None:
    register(registry, tmp_path, "one")
    registry.catalogue.refer("team/bert", "s3://gone/model", Labels(lambda _state: None), {})
    done = hf_cache.link(registry, tmp_path / "cache")

    assert (done.versions, done.problems) == (1, ())
    assert refs(tmp_path) == ["1.0.0"]


@pytest.mark.parametrize("name", ["a/b/c", "Churn Model", "a--b", "models-"])
def test_names_that_the_client_refuses_are_left_out(
    registry: holdfast.Registry, tmp_path: Path, name: str
) -> None:
    register(registry, tmp_path, "one", name)

    done = hf_cache.link(registry, tmp_path / "cache")
    assert (done.models, done.left_out) == (0, (name,))


def test_it_follows_until_it_is_stopped(registry: holdfast.Registry, tmp_path: Path) -> None:
    registry.promote(register(registry, tmp_path, "one"))
    stop = threading.Event()
    looks = hf_cache.follow(registry, tmp_path / "cache", stop, 0.01)

    assert next(looks).versions == 1
    registry.promote(register(registry, tmp_path, "two"))
    assert next(looks).versions == 2
    (tmp_path / "cache" / ".holdfast").write_text("other")
    registry.rollback("team/bert")
    assert next(looks).problems
    stop.set()
    assert list(looks) == []
