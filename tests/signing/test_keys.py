"""Key files: what is written, and what is refused."""

import base64
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from holdfast import signing
from holdfast.core import signers
from holdfast.core.entry_signature import EntrySignature
from holdfast.errors import InvalidInputError, MissingLibraryError
from holdfast.signing.checks import fits
from holdfast.signing.keys import KeyFiles


@pytest.fixture
def ana(tmp_path: Path) -> KeyFiles:
    """Return Ana's new key."""
    return signing.create("ana", tmp_path / "keys")


def test_a_new_key_is_a_private_file_for_its_owner_and_a_public_one(
    ana: KeyFiles, tmp_path: Path
) -> None:
    assert ana.private == tmp_path / "keys" / "ana.key"
    assert ana.public == tmp_path / "keys" / "ana.pub"
    assert stat.S_IMODE(ana.private.stat().st_mode) == 0o600
    assert b"PRIVATE" in ana.private.read_bytes()
    assert b"PRIVATE" not in ana.public.read_bytes()


def test_both_files_hold_the_same_keys(ana: KeyFiles) -> None:
    assert signing.load(ana.private).signer == signing.public(ana.public) == ana.signer


def test_other_tools_read_the_elliptic_curve_key_of_either_file(ana: KeyFiles) -> None:
    private = load_pem_private_key(ana.private.read_bytes(), None)
    public = load_pem_public_key(ana.public.read_bytes())

    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert private.public_key() == public
    assert public.curve.name == "secp256r1"


def test_two_keys_are_never_the_same(ana: KeyFiles, tmp_path: Path) -> None:
    bob = signing.create("bob", tmp_path)

    assert ana.signer.ed25519 != bob.signer.ed25519
    assert ana.signer.ec != bob.signer.ec


def test_what_a_key_signs_is_genuine(ana: KeyFiles) -> None:
    key = signing.load(ana.private)

    made = EntrySignature(key.key, key.sign(b"deed"), b"deed")

    assert signing.genuine(made)
    assert not signing.genuine(EntrySignature(key.key, key.sign(b"deed"), b"other deed"))


def test_a_key_that_is_no_point_of_the_curve_proves_nothing(ana: KeyFiles) -> None:
    value = signing.load(ana.private).sign(b"deed")

    assert not signing.genuine(EntrySignature("AAAA", value, b"deed"))


def test_a_key_overwrites_nothing(ana: KeyFiles) -> None:
    before = ana.private.read_bytes()

    with pytest.raises(InvalidInputError, match=r"ana\.key.* exists"):
        signing.create("ana", ana.private.parent)

    assert ana.private.read_bytes() == before


@pytest.mark.parametrize("name", ["", "../ana", "a/b", "-ana", "con", "ana\n"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError):
        signing.create(name, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(InvalidInputError, match=r"ana\.key"):
        signing.create("ana", tmp_path / "file")


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_a_private_key_that_others_may_use_is_refused(ana: KeyFiles, mode: int) -> None:
    ana.private.chmod(mode)

    with pytest.raises(InvalidInputError, match=f"is open to others .mode {mode:o}.; chmod 600"):
        signing.load(ana.private)


def test_a_locked_key_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    made = signing.create("ana", tmp_path, "open sesame")

    assert signing.is_locked(made.private)
    assert signing.load(made.private, "open sesame").signer == made.signer
    with pytest.raises(InvalidInputError, match="needs its passphrase; set HOLDFAST_KEY_PASS"):
        signing.load(made.private)
    with pytest.raises(InvalidInputError, match="does not open with this passphrase"):
        signing.load(made.private, "open barley")


def test_a_passphrase_for_a_key_without_one_does_no_harm(ana: KeyFiles) -> None:
    assert not signing.is_locked(ana.private)
    assert signing.load(ana.private, "needless").signer == ana.signer


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "has no private Ed25519 key"),
        (b"not a key", "has no private Ed25519 key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "is not a key"),
    ],
)
def test_a_file_without_a_private_key_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "ana.key"
    path.touch(0o600)
    path.write_bytes(content)

    with pytest.raises(InvalidInputError, match=problem):
        signing.load(path)


def test_a_public_key_in_place_of_a_private_one_is_refused(ana: KeyFiles) -> None:
    ana.public.chmod(0o600)

    with pytest.raises(InvalidInputError, match="has no private Ed25519 key"):
        signing.load(ana.public)


def test_a_private_key_in_place_of_a_public_one_is_refused(ana: KeyFiles) -> None:
    with pytest.raises(InvalidInputError, match="is not a public key"):
        signing.public(ana.private)


def test_a_key_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for read in (signing.load, signing.public, signing.is_locked):
        with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
            read(tmp_path / "none.key")


def _pem(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_a_public_key_of_model_signings_own_is_read(
    tmp_path: Path, curve: ec.EllipticCurve
) -> None:
    path = tmp_path / "team.pem"
    path.write_bytes(_pem(ec.generate_private_key(curve).public_key()))

    signer = signing.public(path)

    assert signer.ed25519 is None
    assert signer.ec is not None


def test_public_keys_that_cannot_sign_here_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pem"
    rsa_key = rsa.generate_private_key(65537, 2048).public_key()
    brainpool = ec.generate_private_key(ec.BrainpoolP256R1()).public_key()
    k1 = ec.generate_private_key(ec.SECP256K1()).public_key()
    for content in (_pem(rsa_key), _pem(brainpool), _pem(k1)):
        path.write_bytes(content)
        with pytest.raises(InvalidInputError, match="is not a key"):
            signing.public(path)
    for content in (b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(InvalidInputError, match="holds no public key"):
            signing.public(path)


def test_an_ed25519_key_alone_signs_entries_and_no_versions(ana: KeyFiles) -> None:
    content = ana.private.read_bytes()
    second = content.index(b"-----BEGIN", 10)
    ana.private.write_bytes(content[second:])

    key = signing.load(ana.private)

    assert key.signer.ed25519 == ana.signer.ed25519
    with pytest.raises(InvalidInputError, match="no elliptic-curve key"):
        key.sign_version(b"model")


def test_an_elliptic_curve_key_alone_signs_no_entries(tmp_path: Path) -> None:
    path = tmp_path / "team.key"
    path.touch(0o600)
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    with pytest.raises(InvalidInputError, match="has no private Ed25519 key"):
        signing.load(path)


_WITHOUT = """
import sys
sys.modules["cryptography"] = None
from pathlib import Path
from holdfast import signing
from holdfast.errors import MissingLibraryError
try:
    signing.create("ana", Path(sys.argv[1]))
except MissingLibraryError as error:
    print(error)
"""


def test_without_the_library_the_extra_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert done.stdout == (
        "cryptography is not installed, but keys and signatures need it; "
        "pip install 'holdfast[sign]'\n"
    )
    assert MissingLibraryError.code == "missing_library"


def test_a_curve_that_nobody_knows_is_no_key(ana: KeyFiles, tmp_path: Path) -> None:
    spki = base64.b64decode(ana.signer.ec or "")
    unknown = spki.replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030163"))
    assert unknown != spki
    key = base64.b64encode(unknown).decode()
    path = tmp_path / "odd.pem"
    path.write_text(signers.pem(key))

    with pytest.raises(InvalidInputError, match="is not a key"):
        signing.public(path)
    assert not fits(key, b"", b"")
    assert not fits("AAAA", b"", b"")
