"""Signatures of versions, beside OpenSSF model-signing's own command line."""

import base64
import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

import holdfast
from holdfast import Registry, signing
from holdfast.errors import DamagedError
from holdfast.signing import bundle
from holdfast.signing.keys import KeyFiles


def model_signing(*words: object) -> int:
    """Run the other project's command in this process; return its status."""
    from model_signing import _cli

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is theirs to see to
        return CliRunner().invoke(_cli.main, list(map(str, words))).exit_code


@pytest.fixture(scope="module")
def ana(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return signing.create("ana", tmp_path_factory.mktemp("keys"))


@pytest.fixture
def registry(tmp_path: Path, ana: KeyFiles) -> Registry:
    """A registry of Ana's with two versions, of a folder and a file each."""
    ana_registry = holdfast.open(tmp_path / "store", by="ana", signing_key=ana.private)
    for number in (1, 2):
        tree = tmp_path / "tree"
        (tree / "deep").mkdir(parents=True, exist_ok=True)
        (tree / "weights.txt").write_text(f"weights {number}\n")
        (tree / "deep" / "é.txt").write_text("constant\n")
        (tmp_path / "scaler.txt").write_text("scaler\n")
        ana_registry.register("iris", tree, tmp_path / "scaler.txt")
    return ana_registry


@pytest.fixture
def folder(registry: Registry, tmp_path: Path) -> Path:
    """The first version, signed and checked out."""
    registry.sign("iris@1.0.0")
    return registry.checkout("iris@1.0.0", tmp_path / "out")


def accepted(folder: Path, ana: KeyFiles) -> bool:
    words = ("verify", "key", "--public_key", ana.public, "--signature", folder / "model.sig")
    return model_signing(*words, folder) == 0


def test_their_command_verifies_what_we_sign(folder: Path, ana: KeyFiles) -> None:
    words = ["verify", "key", "--public_key", str(ana.public)]
    words += ["--signature", str(folder / "model.sig"), str(folder)]
    command = Path(sys.executable).parent / "model_signing"
    done = subprocess.run([command, *words], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert accepted(folder, ana)


def _sign_by_theirs(folder: Path, key: Path) -> Path:
    signature = folder / "model.sig"
    words = ("sign", "key", "--private_key", key, "--signature", signature)
    assert model_signing(*words, folder) == 0
    return signature


def test_we_verify_what_their_command_signs(
    registry: Registry, tmp_path: Path, ana: KeyFiles
) -> None:
    out = registry.checkout("iris@1.0.0", tmp_path / "out")
    made = _sign_by_theirs(out, ana.private)

    registry.sign("iris@1.0.0", attach=made, by=ana.public)

    assert registry.verify("iris@1.0.0", signed_by=ana.public).whole
    again = registry.checkout("iris@1.0.0", tmp_path / "again")
    assert (again / "model.sig").read_bytes() == made.read_bytes()


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()])
def test_we_verify_their_signatures_on_larger_curves(
    registry: Registry, tmp_path: Path, curve: ec.EllipticCurve
) -> None:
    key = ec.generate_private_key(curve)
    private, public = tmp_path / "team.key", tmp_path / "team.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    made = _sign_by_theirs(registry.checkout("iris@1.0.0", tmp_path / "out"), private)

    registry.sign("iris@1.0.0", attach=made, by=public)

    assert registry.verify("iris@1.0.0", signed_by=public).whole


def test_a_statement_is_what_theirs_is(registry: Registry, tmp_path: Path, ana: KeyFiles) -> None:
    registry.sign("iris@1.0.0")
    out = registry.checkout("iris@1.0.0", tmp_path / "out")
    ours = _statement(out / "model.sig")
    (out / "model.sig").unlink()
    theirs = _statement(_sign_by_theirs(out, ana.private))

    assert ours["subject"][0]["name"] == "iris@1.0.0"
    theirs["subject"][0]["name"] = "iris@1.0.0"
    for statement in (ours, theirs):
        statement["predicate"]["serialization"]["ignore_paths"].sort()
    assert ours == theirs


def _statement(signature: Path) -> Any:
    envelope = json.loads(signature.read_bytes())["dsseEnvelope"]
    return json.loads(base64.b64decode(envelope["payload"]))


Hurt = Callable[[Path], None]


def _flip(out: Path) -> None:
    path = out / "model" / "weights.txt"
    path.chmod(0o644)
    path.write_text("weightz 1\n")


def _add(out: Path) -> None:
    (out / "model" / "extra.txt").write_text("more")


def _remove(out: Path) -> None:
    (out / "preprocessor.txt").unlink()


def _rename(out: Path) -> None:
    (out / "preprocessor.txt").rename(out / "preprocessor.text")


def _link(out: Path) -> None:
    (out / "preprocessor.txt").rename(out.parent / "aside.txt")
    (out / "preprocessor.txt").symlink_to(out.parent / "aside.txt")


def _change(out: Path) -> None:
    document = json.loads((out / "model.sig").read_bytes())
    envelope = document["dsseEnvelope"]
    value = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
    value[-1] ^= 1
    envelope["signatures"][0]["sig"] = base64.b64encode(value).decode()
    (out / "model.sig").write_text(json.dumps(document))


HURTS: dict[str, Hurt] = {
    "flipped byte": _flip,
    "extra file": _add,
    "missing file": _remove,
    "renamed file": _rename,
    "link": _link,
    "changed signature": _change,
}


@pytest.mark.parametrize("hurt", HURTS.values(), ids=HURTS)
def test_a_folder_that_was_tampered_with_is_refused_by_theirs(
    folder: Path, ana: KeyFiles, hurt: Hurt
) -> None:
    hurt(folder)

    assert not accepted(folder, ana)


@pytest.mark.parametrize("hurt", [one for name, one in HURTS.items() if one is not _link])
def test_what_was_signed_after_tampering_is_no_signature_of_the_version(
    registry: Registry, tmp_path: Path, ana: KeyFiles, hurt: Hurt
) -> None:
    registry.sign("iris@1.0.0")
    out = registry.checkout("iris@1.0.0", tmp_path / "out")
    hurt(out)
    if hurt is not _change:
        (out / "model.sig").unlink()
        _sign_by_theirs(out, ana.private)

    with pytest.raises(DamagedError, match=r"does not match the file|was not made with the key"):
        registry.sign("iris@1.0.0", attach=out / "model.sig", by=ana.public)


def test_another_key_is_refused_on_both_sides(
    registry: Registry, folder: Path, tmp_path: Path
) -> None:
    bob = signing.create("bob", tmp_path)

    assert not accepted(folder, bob)
    with pytest.raises(DamagedError, match="was made with the key"):
        registry.sign("iris@1.0.0", attach=folder / "model.sig", by=bob.public)


def test_another_key_is_refused_without_a_hint_too(
    registry: Registry, folder: Path, tmp_path: Path
) -> None:
    bob = signing.create("bob", tmp_path)
    document = json.loads((folder / "model.sig").read_bytes())
    document["verificationMaterial"]["publicKey"] = {}
    (folder / "model.sig").write_text(json.dumps(document))

    with pytest.raises(DamagedError, match="was not made with the key"):
        registry.sign("iris@1.0.0", attach=folder / "model.sig", by=bob.public)


def test_a_signature_of_one_version_fits_no_other(
    registry: Registry, folder: Path, tmp_path: Path, ana: KeyFiles
) -> None:
    newer = registry.checkout("iris@1.1.0", tmp_path / "newer")
    shutil.copy(folder / "model.sig", newer / "model.sig")

    assert not accepted(newer, ana)
    with pytest.raises(DamagedError, match="belongs to another version"):
        registry.sign("iris@1.1.0", attach=newer / "model.sig", by=ana.public)


def test_a_signature_fits_no_other_version_with_the_same_files(
    registry: Registry, folder: Path, tmp_path: Path, ana: KeyFiles
) -> None:
    paths = registry.paths("iris@1.0.0")
    twin = registry.register("iris", paths["model"], paths["preprocessor"], bump="patch")
    out = registry.checkout(twin, tmp_path / "twin")
    shutil.copy(folder / "model.sig", out / "model.sig")

    assert not accepted(out, ana)
    with pytest.raises(DamagedError, match="belongs to another version"):
        registry.sign(twin, attach=out / "model.sig", by=ana.public)


def test_a_signature_that_leaves_the_manifest_out_is_refused(
    registry: Registry, tmp_path: Path, ana: KeyFiles
) -> None:
    out = registry.checkout("iris@1.0.0", tmp_path / "out")
    (out / "manifest.json").unlink()
    made = _sign_by_theirs(out, ana.private)

    with pytest.raises(DamagedError, match=r"does not cover manifest\.json"):
        registry.sign("iris@1.0.0", attach=made, by=ana.public)


def _bundle(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "model.sig").read_bytes())
    document["payload"] = _statement(folder / "model.sig")
    return document


def _written(document: dict[str, Any]) -> bytes:
    payload = json.dumps(document.pop("payload")).encode()
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    return json.dumps(document).encode()


Spoil = Callable[[dict[str, Any]], object]
SPOILS: dict[str, Spoil] = {
    "media type": lambda one: one.update(mediaType="application/x"),
    "payload type": lambda one: one["dsseEnvelope"].update(payloadType="text/plain"),
    "statement type": lambda one: one["payload"].update(_type="x"),
    "predicate type": lambda one: one["payload"].update(
        predicateType="https://model_signing/Digests/v0.1"
    ),
    "no signature": lambda one: one["dsseEnvelope"].update(signatures=[]),
    "two signatures": lambda one: one["dsseEnvelope"]["signatures"].append({"sig": "AAAA"}),
    "no subject": lambda one: one["payload"].update(subject=[]),
    "another digest": lambda one: one["payload"]["subject"][0]["digest"].update(sha256="0" * 64),
    "no digest": lambda one: one["payload"]["subject"][0].update(digest={}),
    "shards": lambda one: one["payload"]["predicate"]["serialization"].update(method="shards"),
    "blake3": lambda one: one["payload"]["predicate"]["serialization"].update(hash_type="blake3"),
    "another hash": lambda one: one["payload"]["predicate"]["resources"][0].update(
        algorithm="blake2b"
    ),
    "no hex": lambda one: one["payload"]["predicate"]["resources"][0].update(digest="xyz"),
    "a file twice": lambda one: (
        one["payload"]["predicate"]["resources"].append(
            one["payload"]["predicate"]["resources"][0]
        ),
        one["payload"]["subject"][0]["digest"].update(
            sha256=bundle._root(r["digest"] for r in one["payload"]["predicate"]["resources"])
        ),
    ),
    "no resources": lambda one: one["payload"]["predicate"].pop("resources"),
    "no envelope": lambda one: one.update(dsseEnvelope={}),
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_a_bundle_of_another_form_is_no_signature(folder: Path, spoil: Spoil) -> None:
    document = _bundle(folder)
    document.setdefault("dsseEnvelope", {})
    spoil(document)

    with pytest.raises(DamagedError, match=r"model\.sig is not a signature of a model"):
        bundle.read(_written(document), "model.sig")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff"])
def test_bytes_that_are_no_bundle_are_no_signature(raw: bytes) -> None:
    with pytest.raises(DamagedError, match="is not a signature of a model"):
        bundle.read(raw, "model.sig")
