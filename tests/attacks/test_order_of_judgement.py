"""Nothing is deserialised before digest and content were judged, whatever the verb."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.attacks.conftest import marked_files
from tests.conftest import Tally

import holdfast

_WATCHED = """
import contextlib, json, os, sys

ran = []
def watch(event, args):
    if event == "subprocess.Popen" and os.path.basename(str(args[0])) == "git":
        return  # which is asked for the commit
    if event.startswith(("os.system", "subprocess.", "os.exec", "os.posix_spawn", "os.spawn")):
        ran.append(event)
    if event == "pickle.find_class":
        ran.append(f"pickle {args[0]}.{args[1]}")

import holdfast
from holdfast.errors import HoldfastError
import joblib, numpy, sklearn.linear_model, skops.io, onnxruntime, xgboost, lightgbm  # first
sys.addaudithook(watch)

files, store, spare, step = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
verbs = 0
def attempt(verb, *arguments, **more):
    global verbs
    verbs += 1
    with contextlib.suppress(HoldfastError, UnicodeError):
        return verb(*arguments, **more)

registry = holdfast.open(store, by="ann")
for place, name in enumerate(sorted(os.listdir(files))):
    path = os.path.join(files, name)
    attempt(registry.register, "plain", path)
    if place % step:
        continue
    for wanted in ("joblib", "pickle", "skops", "onnx", "safetensors", "xgboost", "torch-state"):
        attempt(registry.register, "plain", path, formats={"model": wanted})
    attempt(registry.register, "trusted", path, trust="to be looked at, not loaded")
    attempt(registry.register, "beside", os.path.join(spare, "model.txt"),
            artifacts={"tokenizer": path}, trust="beside a model")
attempt(registry.register, "plain", files)
attempt(registry.adopt_plan, "adopted", files)
attempt(registry.adopt, "adopted", files)
if step == 1:
    attempt(registry.adopt, "adopted", files, trust="to be looked at")
for info in registry.models():
    model = info.model
    versions = registry.versions(model)
    attempt(registry.status, model)
    attempt(registry.history, model)
    attempt(registry.verify, model)
    attempt(registry.repair, model)
    for number, version in enumerate(versions[::step]):
        ref = version.ref
        attempt(registry.resolve, ref)
        attempt(registry.manifest, ref)
        attempt(registry.paths, ref)
        for form in ("json", "markdown", "cyclonedx"):
            attempt(registry.card, ref, form)
        attempt(registry.judge, ref)
        attempt(registry.promote, ref, force=True, reason="tried")
        attempt(registry.stage, ref)
        attempt(registry.compare, versions[0].ref, ref)
        attempt(registry.checkout, ref, os.path.join(spare, f"{model}-{number}"))
        if number % 10 == 0:
            bundle = os.path.join(spare, f"{model}-{number}.tar")
            attempt(registry.export, ref, bundle)
            other = holdfast.open(os.path.join(spare, "other"), by="zoe")
            attempt(other.import_, bundle)
            attempt(other.import_, bundle, trust="to be looked at")
    attempt(registry.rollback, model)
attempt(registry.verify)

# and then every stored byte is another: `load` must find out before it reads an object
blobs = os.path.join(store, "blobs", "sha256")
for name in os.listdir(blobs):
    blob = os.path.join(blobs, name)
    os.chmod(blob, 0o644)
    with open(blob, "ab") as file:
        file.write(b"." if os.path.getsize(blob) else b"x")
fresh = holdfast.open(store, by="ann")
refs = [version.ref for info in fresh.models() for version in fresh.versions(info.model)]
for ref in refs:
    attempt(fresh.load, ref)
    attempt(fresh.paths, ref)
print(json.dumps({"verbs": verbs, "refs": len(refs), "ran": ran}))
"""


@pytest.fixture
def hostile_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "hostile"
    folder.mkdir()
    for number, (name, content) in enumerate(marked_files(tmp_path / "the-payload-ran")):
        (folder / f"{number:03}-{name}").write_bytes(content)
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="the payloads are commands of Unix")
@pytest.mark.parametrize(
    "step", [96, pytest.param(12, marks=pytest.mark.sweep), pytest.param(1, marks=pytest.mark.long)]
)
def test_no_verb_runs_anything_of_any_hostile_file(
    hostile_folder: Path, tmp_path: Path, marker: Path, tally: Tally, step: int
) -> None:
    spare = tmp_path / "spare"
    spare.mkdir()
    (spare / "model.txt").write_text("words")
    command = [sys.executable, "-W", "ignore", "-c", _WATCHED, str(hostile_folder)]

    done = subprocess.run(
        [*command, str(tmp_path / "store"), str(spare), str(step)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["ran"] == []
    assert not marker.exists()
    assert report["refs"] > 200 / step
    tally("verbs watched over hostile bytes", report["verbs"])


@pytest.mark.skipif(sys.platform == "win32", reason="the payloads are commands of Unix")
def test_the_watch_sees_a_pickle_that_is_loaded(tmp_path: Path, marker: Path) -> None:
    """Keep the watch honest: what a reason lets in does run, once it is loaded."""
    from tests.registry import hostile

    (tmp_path / "model.pkl").write_bytes(hostile.payload(marker))
    registry = holdfast.open(tmp_path / "store", by="ann")
    registry.register("iris", tmp_path / "model.pkl", trust="to see it run")
    assert not marker.exists()

    registry.load("iris@1.0.0")

    assert marker.exists()
