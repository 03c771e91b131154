"""The server's half of a registration: a draft is judged by the bytes, whatever it says."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.registry.conftest import Text

import holdfast
from holdfast import Registry
from holdfast.core.version import parse
from holdfast.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
    UntrustedError,
)
from holdfast.registry import received
from holdfast.registry.session import CommitOptions, Session

PICKLE = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."


@pytest.fixture
def session(registry: Registry) -> Session:
    registry.init()
    return registry._session


def sent(session: Session, content: bytes, tmp_path: Path) -> dict[str, Any]:
    """Store a file as an upload does; return how a draft names it."""
    path = tmp_path / "sent"
    path.write_bytes(content)
    taken = session.open_store.blobs.add(path)
    return {"sha256": taken.sha256, "size_bytes": taken.size_bytes}


def draft(*files: dict[str, Any], name: str = "model.txt", kind: str = "file", **more: Any) -> Any:
    artifact = {
        "path": name, "format": kind, "files": [{"path": name, **file} for file in files],
    }  # fmt: skip
    return {"name": "iris", "artifacts": {"model": artifact}, **more}


def accept(session: Session, document: Any, asked: Any = "auto", **more: Any) -> Any:
    options = CommitOptions(more.get("reason"), more.get("key"))
    return received.accept_draft(session, document, asked, options, more.get("trust"))


def test_a_draft_becomes_a_version(session: Session, registry: Registry, tmp_path: Path) -> None:
    done = accept(session, draft(sent(session, b"one", tmp_path), metrics={"auc": 0.9}))

    assert (done.ref, done.created) == ("iris@1.0.0", True)
    assert registry.verify().whole
    assert registry.checkout("iris@1.0.0", tmp_path / "out").joinpath("model.txt").read_text() == (
        "one"
    )


def test_what_a_registration_decides_is_not_taken_from_a_draft(
    session: Session, registry: Registry, tmp_path: Path
) -> None:
    lies: dict[str, Any] = {
        "version": "9.9.9", "number": 99, "registered_at": "1999-01-01T00:00:00.000000Z",
        "registered_by": "the boss",
        "scan": {"model": {"kind": "text", "executes_code": False, "globals": [], "unknown": []}},
    }  # fmt: skip
    accept(session, draft(sent(session, b"one", tmp_path), **lies))

    manifest = registry.manifest("iris@latest")
    assert (manifest.version, manifest.number, manifest.registered_by) == ("1.0.0", 1, "ann")
    assert manifest.registered_at.startswith("2026-03-02")


def test_a_pickle_is_judged_by_its_bytes_whatever_the_draft_says(
    session: Session, registry: Registry, tmp_path: Path
) -> None:
    blob = sent(session, PICKLE, tmp_path)
    for kind, name in (("pickle", "model.pkl"), ("file", "model.txt")):
        with pytest.raises(UntrustedError):
            accept(session, draft(blob, name=name, kind=kind))
    assert registry.models() == []

    accept(session, draft(blob, name="model.pkl", kind="pickle"), trust="our own")

    scan = registry.manifest("iris@1.0.0").scan["model"]
    assert (scan.executes_code, scan.trusted) == (True, "our own")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one | {"name": "../iris"}, "contains '..'"),
        (lambda one: one | {"name": 5}, "is not a manifest"),
        (lambda one: one | {"artifacts": {}}, "no artifact with the role model"),
        (lambda one: one | {"artifacts": {"Model!": one["artifacts"]["model"]}}, "role"),
        (lambda one: one | {"metrics": {"auc": "high"}}, "is not a manifest"),
        (lambda one: one | {"input_schema": {"type": "nonsense"}}, "input_schema"),
        (lambda one: one | {"lineage": {"base": "iris@1.0.0"}}, "base"),
    ],
    ids=["name", "kind of name", "no model", "role", "metric", "schema", "base"],
)
def test_what_no_registration_could_have_made_is_refused(
    session: Session, registry: Registry, tmp_path: Path, change: Any, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        accept(session, change(draft(sent(session, b"one", tmp_path))))

    assert registry.models() == []


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../b", "model.txt\0", ""])
def test_a_path_that_leads_out_is_refused(session: Session, tmp_path: Path, path: str) -> None:
    document = draft(sent(session, b"one", tmp_path))
    document["artifacts"]["model"]["files"][0]["path"] = path
    document["artifacts"]["model"]["path"] = path

    with pytest.raises(InvalidInputError):
        accept(session, document)


def test_bytes_that_were_not_sent_are_missed(session: Session, tmp_path: Path) -> None:
    blob = sent(session, b"one", tmp_path)
    with pytest.raises(InvalidInputError, match="was not sent; send it first"):
        accept(session, draft({"sha256": "0" * 64, "size_bytes": 3}))
    with pytest.raises(InvalidInputError, match="has 3 bytes, but the draft says 4"):
        accept(session, draft({**blob, "size_bytes": 4}))


def test_a_format_that_does_not_fit_the_bytes_is_refused(session: Session, tmp_path: Path) -> None:
    blob = sent(session, b"one", tmp_path)
    for kind in ("onnx", "nonsense"):
        with pytest.raises(InvalidInputError):
            accept(session, draft(blob, kind=kind))


def test_half_a_file_is_refused_as_at_any_registration(session: Session, tmp_path: Path) -> None:
    blob = sent(session, PICKLE[:9], tmp_path)
    with pytest.raises(InvalidInputError):
        accept(session, draft(blob, name="model.pkl", kind="pickle"), trust="our own")


def test_a_number_below_its_schema_change_is_refused(session: Session, tmp_path: Path) -> None:
    first = {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}
    second = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    accept(session, draft(sent(session, b"one", tmp_path), input_schema=first))
    document = draft(sent(session, b"two", tmp_path), input_schema=second)

    with pytest.raises(RefusedError):
        accept(session, document, parse("1.1.0"))
    assert accept(session, document).ref == "iris@2.0.0"


def test_the_same_draft_under_the_same_key_is_accepted_once(
    session: Session, registry: Registry, tmp_path: Path
) -> None:
    document = draft(sent(session, b"one", tmp_path))
    first = accept(session, document, key="run 7")
    again = accept(session, document, key="run 7")

    assert (first.created, again.created) == (True, False)
    assert len(registry.history("iris")) == 1
    with pytest.raises(ConflictError):
        accept(session, draft(sent(session, b"two", tmp_path)), key="run 7")


def test_a_base_must_be_there(session: Session, tmp_path: Path, text: Text) -> None:
    blob = sent(session, b"one", tmp_path)
    missing = {"base": f"iris@sha256:{'0' * 64}"}
    with pytest.raises(NotFoundError):
        accept(session, draft(blob, lineage=missing))

    base = holdfast.open(session.site.location).register("base", text("base"))
    named = {"base": f"base@{base.version.digest}"}
    assert accept(session, draft(blob, lineage=named)).created


def test_code_of_a_version_is_judged_with_it(
    session: Session, registry: Registry, tmp_path: Path
) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "model.py").write_text("class Net:\n    def predict(self, x):\n        return x\n")
    made = registry.register("iris", code=package, entry="shop.model:Net", trust="our own code")
    document = msgspec.to_builtins(registry.manifest(made)) | {"name": "rose"}

    with pytest.raises(UntrustedError):
        accept(session, document)
    assert accept(session, document, trust="our own code").ref == "rose@1.0.0"
