"""Signatures of versions in a store: made, shown, kept, carried along and checked."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.bundles import forging
from tests.registry.conftest import Clock, Grow, Text

import holdfast
from holdfast import Policy, Registry, signing
from holdfast.core import signers
from holdfast.errors import (
    ConflictError,
    DamagedError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
)
from holdfast.signing.keys import KeyFiles

Opened = Callable[..., Registry]


@pytest.fixture(scope="module")
def ana(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return signing.create("ana", tmp_path_factory.mktemp("ana"))


@pytest.fixture(scope="module")
def bob(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return signing.create("bob", tmp_path_factory.mktemp("bob"))


@pytest.fixture
def signed(store: Path, clock: Clock, ana: KeyFiles, grow: Grow) -> Registry:
    """Return Ana's registry with her key, iris 1.0.0 signed and 1.1.0 not."""
    grow(2)
    registry = holdfast.open(store, by="ana", clock=clock, signing_key=ana.private)
    registry.sign("iris@1.0.0")
    return registry


def _blob(registry: Registry, store: Path) -> Path:
    record = registry._session.state("iris").versions["1.0.0"]
    return disk.blob(store, record.signatures[-1].signature)


def test_a_signature_is_told_wherever_the_version_is_shown(signed: Registry, ana: KeyFiles) -> None:
    key = signers.version_key_id(ana.signer.ec or "")[:12]

    assert signed.resolve("iris@1.0.0").signed_by == (f"key {key}",)
    assert signed.history("iris")[-1].what == f"sign 1.0.0 with the key {key}"
    assert f"| Signed by | key {key} |" in str(signed.card("iris@1.0.0", "markdown"))
    signed.set_policy("iris", Policy(signers={"ana": ana.signer}))
    assert signed.resolve("iris@1.0.0").signed_by == ("ana",)
    assert "holdfast:signed_by" in str(signed.card("iris@1.0.0", "cyclonedx"))
    assert signed.resolve("iris@1.1.0").signed_by == ()


def test_signing_again_with_the_same_key_does_nothing(signed: Registry) -> None:
    done = signed.sign("iris@1.0.0")

    assert not done.changed
    assert done.note == "1.0.0 already has a signature by this key"


def test_a_second_person_adds_a_signature(
    signed: Registry, store: Path, clock: Clock, ana: KeyFiles, bob: KeyFiles
) -> None:
    holdfast.open(store, by="bob", clock=clock, signing_key=bob.private).sign("iris@1.0.0")

    for person in (ana, bob):
        assert signed.verify("iris@1.0.0", signed_by=person.public).whole


def test_without_a_key_nothing_is_signed(registry: Registry, grow: Grow) -> None:
    grow(1)

    with pytest.raises(InvalidInputError, match="needs a key"):
        registry.sign("iris@1.0.0")


def test_a_purged_version_is_not_signed_and_keeps_its_signature(
    signed: Registry, ana: KeyFiles, tmp_path: Path
) -> None:
    signed.checkout("iris@1.0.0", tmp_path / "out")
    signed.purge("iris", versions=["1.0.0", "1.1.0"], grace_s=0)

    with pytest.raises(ConflictError, match="its bytes are gone"):
        signed.sign("iris@1.1.0")
    with pytest.raises(ConflictError, match="its bytes are gone"):
        signed.sign("iris@1.1.0", attach=tmp_path / "out" / "model.sig", by=ana.public)
    assert signed.verify("iris@1.0.0", signed_by=ana.public).whole


def test_a_damaged_version_is_not_signed(signed: Registry, store: Path) -> None:
    digest = signed.manifest("iris@1.1.0").artifacts["model"].digest
    disk.flip(disk.blob(store, digest))

    with pytest.raises(DamagedError, match=r"model\.txt"):
        signed.sign("iris@1.1.0")


def test_a_file_where_the_signature_would_stand_is_told(signed: Registry, text: Text) -> None:
    made = signed.register("rose", text("rose", "rose.sig"))

    with pytest.raises(InvalidInputError, match=r"has a file model\.sig"):
        signed.sign(made)


def test_an_unsigned_version_is_not_signed_by_anybody(signed: Registry, ana: KeyFiles) -> None:
    verification = signed.verify("iris@1.1.0", signed_by=ana.public)

    assert [(damage.version, damage.subject) for damage in verification.damages] == [
        ("1.1.0", "signature")
    ]
    assert verification.damages[0].problem.startswith("is missing: ")


def test_a_listed_signer_is_asked_for_by_name(
    signed: Registry, ana: KeyFiles, bob: KeyFiles
) -> None:
    signed.set_policy("iris", Policy(signers={"ana": ana.signer, "bob": bob.signer}))

    assert signed.verify("iris@1.0.0", signed_by="ana").whole
    assert not signed.verify("iris@1.0.0", signed_by="bob").whole
    with pytest.raises(NotFoundError, match="listed are ana, bob; or name a public key file"):
        signed.verify("iris@1.0.0", signed_by="eve")


def test_a_signer_without_a_key_for_versions_is_told(signed: Registry, ana: KeyFiles) -> None:
    entries_only = signers.Signer(ed25519=ana.signer.ed25519)
    signed.set_policy("iris", Policy(signers={"ana": entries_only}))

    with pytest.raises(InvalidInputError, match="no elliptic-curve key"):
        signed.verify("iris@1.0.0", signed_by="ana")


def test_who_signed_is_asked_of_a_version(signed: Registry, ana: KeyFiles) -> None:
    for target in (None, "iris"):
        with pytest.raises(InvalidInputError, match="needs a version"):
            signed.verify(target, signed_by=ana.public)


@pytest.mark.parametrize("hurt", disk.HURTS.values(), ids=disk.HURTS)
def test_a_damaged_signature_is_found(signed: Registry, store: Path, hurt: disk.Hurt) -> None:
    path = _blob(signed, store)
    hurt(path)

    verification = holdfast.open(store).verify("iris@1.0.0")

    assert [path.name in damage.subject for damage in verification.damages] == [True]


def test_a_signature_put_in_place_of_another_is_found(
    signed: Registry, store: Path, ana: KeyFiles, tmp_path: Path
) -> None:
    signed.sign("iris@1.1.0")
    other = signed.checkout("iris@1.1.0", tmp_path / "out") / "model.sig"
    replayed = _replayed(signed, store, other, ana)

    verification = holdfast.open(replayed).verify("iris@1.0.0", signed_by=ana.public)

    assert [damage.problem for damage in verification.damages] == ["belongs to another version"]


def _replayed(signed: Registry, store: Path, signature: Path, ana: KeyFiles) -> Path:
    """Forge a `signed` entry for 1.0.0 that names 1.1.0's signature."""
    registry = holdfast.open(store, by="eve")
    session = registry._session
    from holdfast.core.events import Signed
    from holdfast.registry.session import CommitOptions

    digest = session.open_store.blobs.add_bytes(signature.read_bytes())
    event = Signed(version="1.0.0", key=ana.signer.ec or "", signature=digest)
    session.commit("iris", lambda _state, _at: event, Signed, CommitOptions())
    assert signed.history("iris")[-1].by == "eve"
    return store


def test_a_collector_spares_signatures(signed: Registry, store: Path, ana: KeyFiles) -> None:
    assert signed.gc(grace_s=0).freed_blobs == 0
    assert _blob(signed, store).exists()
    assert signed.verify("iris@1.0.0", signed_by=ana.public).whole


def test_a_signature_goes_along_with_its_model(
    signed: Registry, tmp_path: Path, ana: KeyFiles
) -> None:
    signed.export("iris", tmp_path / "iris.tar")
    elsewhere = holdfast.open(tmp_path / "elsewhere", by="zoe")

    elsewhere.import_(tmp_path / "iris.tar")

    assert elsewhere.verify("iris@1.0.0", signed_by=ana.public).whole
    assert elsewhere.verify().whole


def test_a_version_alone_goes_without_and_takes_its_signature_by_hand(
    signed: Registry, tmp_path: Path, ana: KeyFiles
) -> None:
    signed.export("iris@1.0.0", tmp_path / "iris.tar")
    out = signed.checkout("iris@1.0.0", tmp_path / "out")
    elsewhere = holdfast.open(tmp_path / "elsewhere", by="zoe")

    elsewhere.import_(tmp_path / "iris.tar")
    assert not elsewhere.verify("iris@1.0.0", signed_by=ana.public).whole
    elsewhere.sign("iris@1.0.0", attach=out / "model.sig", by=ana.public)

    assert elsewhere.verify("iris@1.0.0", signed_by=ana.public).whole


def test_a_signature_file_that_cannot_be_read_is_told(signed: Registry, ana: KeyFiles) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
        signed.sign("iris@1.0.0", attach="none.sig", by=ana.public)


def test_a_signature_file_of_any_length_is_not_read_whole(
    signed: Registry, ana: KeyFiles, tmp_path: Path
) -> None:
    path = tmp_path / "long.sig"
    with path.open("wb") as file:
        file.truncate((64 << 20) + 1)

    with pytest.raises(InvalidInputError, match="too long to be one"):
        signed.sign("iris@1.0.0", attach=path, by=ana.public)


def test_a_checkout_bears_the_signature_of_a_listed_signer_before_others(
    signed: Registry, store: Path, clock: Clock, tmp_path: Path, ana: KeyFiles, bob: KeyFiles
) -> None:
    holdfast.open(store, by="bob", clock=clock, signing_key=bob.private).sign("iris@1.0.0")
    last = signed.checkout("iris@1.0.0", tmp_path / "last") / "model.sig"
    signed.set_policy("iris", Policy(signers={"ana": ana.signer}))
    listed = signed.checkout("iris@1.0.0", tmp_path / "listed") / "model.sig"

    hints = [signing.bundle.read(path.read_bytes(), path.name).hint for path in (last, listed)]
    expected = [signers.version_key_id(key_pair.signer.ec or "") for key_pair in (bob, ana)]

    assert hints == expected


def test_the_manifest_of_a_checkout_has_the_digest_of_the_version(
    signed: Registry, tmp_path: Path
) -> None:
    out = signed.checkout("iris@1.0.0", tmp_path / "out")

    raw = (out / "manifest.json").read_bytes()

    assert hashlib.sha256(raw).hexdigest() == signed.resolve("iris@1.0.0").digest[7:]


def test_a_gate_that_wants_a_signature_opens_to_a_genuine_one_of_a_listed_signer(
    signed: Registry, store: Path, ana: KeyFiles, bob: KeyFiles, tmp_path: Path
) -> None:
    strict = Policy(signers={"ana": ana.signer, "bob": bob.signer}, require_signature=True)
    signed.set_policy("iris", strict)
    whole = disk.copy(store, tmp_path / "whole")

    with pytest.raises(RefusedError, match=r"no listed signer \(ana, bob\) signed"):
        signed.promote("iris@1.1.0")
    disk.flip(_blob(signed, store))
    with pytest.raises(RefusedError, match="no listed signer"):
        signed.promote("iris@1.0.0")

    shutil.rmtree(store)
    disk.copy(whole, store)
    assert signed.promote("iris@1.0.0").changed


def test_a_forged_signature_opens_no_gate(
    signed: Registry, store: Path, ana: KeyFiles, tmp_path: Path
) -> None:
    out = signed.checkout("iris@1.0.0", tmp_path / "out")
    signed.sign("iris@1.1.0")
    newer = signed.checkout("iris@1.1.0", tmp_path / "newer")
    _replayed(signed, store, newer / "model.sig", ana)
    signed.set_policy("iris", Policy(signers={"ana": ana.signer}, require_signature=True))

    with pytest.raises(RefusedError, match="no listed signer"):
        signed.promote("iris@1.0.0")
    signed.sign("iris@1.0.0", attach=out / "model.sig", by="ana")
    assert signed.promote("iris@1.0.0").changed


def test_a_signature_goes_along_with_a_copy(
    signed: Registry, tmp_path: Path, ana: KeyFiles
) -> None:
    elsewhere = holdfast.open(tmp_path / "elsewhere", by="zoe")

    signed.copy(elsewhere)

    assert elsewhere.verify("iris@1.0.0", signed_by=ana.public).whole


@pytest.mark.parametrize("hurt", disk.HURTS.values(), ids=disk.HURTS)
def test_a_damaged_signature_is_repaired_from_a_copy(
    signed: Registry, store: Path, tmp_path: Path, ana: KeyFiles, hurt: disk.Hurt
) -> None:
    good = disk.copy(store, tmp_path / "good")
    hurt(_blob(signed, store))

    done = signed.repair("iris", source=good)

    assert done.whole
    assert signed.verify("iris@1.0.0", signed_by=ana.public).whole


def test_a_bundle_without_a_signature_it_tells_of_is_refused(
    signed: Registry, store: Path, tmp_path: Path
) -> None:
    signed.export("iris", tmp_path / "iris.tar")
    members = forging.taken_apart(tmp_path / "iris.tar")
    del members[f"blobs/sha256/{_blob(signed, store).name}"]
    forged = forging.put_together(tmp_path / "forged.tar", members)

    with pytest.raises(DamagedError, match="signature by key"):
        holdfast.open(tmp_path / "elsewhere").import_(forged)


def test_a_bundle_whose_signature_is_of_another_version_is_refused(
    signed: Registry, store: Path, tmp_path: Path, ana: KeyFiles
) -> None:
    signed.sign("iris@1.1.0")
    newer = signed.checkout("iris@1.1.0", tmp_path / "newer")
    _replayed(signed, store, newer / "model.sig", ana)
    signed.export("iris", tmp_path / "iris.tar")

    with pytest.raises(DamagedError, match=r"signature by key .* belongs to another version"):
        holdfast.open(tmp_path / "elsewhere").import_(tmp_path / "iris.tar")
