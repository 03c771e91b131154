"""Signatures that nobody made, or that say more than was signed: no reader believes them."""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from tests.keys import BOB
from tests.registry import disk
from tests.registry.conftest import Clock

import holdfast
from holdfast import Policy, Registry, signing
from holdfast.core import entry as entries
from holdfast.core.entry import Stamp
from holdfast.core.entry_signature import EntrySignature, EntrySigner
from holdfast.core.events import AnyEvent, Approved, Archived, PolicySet, Promoted, Tagged
from holdfast.core.signers import Signer
from holdfast.errors import ConflictError, DamagedError, InvalidInputError
from holdfast.signing import checks
from holdfast.signing.keys import KeyFiles

JOURNAL = Path("models/iris/journal")
EVIL = Promoted(version="1.1.0", was="1.0.0")
PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY = (1).to_bytes(32, "little")


class Nobody:
    """A pen of no private key: under a weak public key, what it writes may well hold."""

    def __init__(self, place: int) -> None:
        self.raw = place.to_bytes(32, "little")

    @property
    def key(self) -> str:
        return base64.b64encode(self.raw).decode()

    def sign(self, _message: bytes) -> str:
        return base64.b64encode(IDENTITY + bytes(32)).decode()


WEAK = {"the identity": 1, "the identity beyond the prime": PRIME + 1, "of order 2": PRIME - 1}


@pytest.fixture(scope="module")
def ana(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return signing.create("ana", tmp_path_factory.mktemp("ana"))


@pytest.fixture
def store(tmp_path: Path, ana: KeyFiles) -> Path:
    """Return a store that demands signatures, with 1.0.0 live and signed, and 1.1.0 neither."""
    registry = holdfast.open(tmp_path / "store", by="ana", clock=Clock(), signing_key=ana.private)
    for content in ("one", "two"):
        (tmp_path / "model.txt").write_text(content)
        registry.register("iris", tmp_path / "model.txt")
    signers = {"ana": ana.signer, "bob": BOB.signer}
    registry.set_policy("iris", Policy(signers=signers, require_signature=True))
    registry.sign("iris@1.0.0")
    registry.promote("iris@1.0.0")
    return tmp_path / "store"


def opened(store: Path, ana: KeyFiles) -> Registry:
    return holdfast.open(store, by="ana", signing_key=ana.private)


def forge(
    store: Path, event: AnyEvent, by: str, pen: EntrySigner | None = None, key: str | None = None
) -> Path:
    """Write the next entry by hand, chain and checksum right."""
    tail = max((store / JOURNAL).glob("0*.json"))
    seq, at = int(tail.stem) + 1, json.loads(tail.read_bytes())["at"]
    stamp = Stamp(Clock()(), by, f"{seq:032x}", None, key, pen)
    later = entries.next_time(stamp.at, at)
    raw, _ = entries.write("iris", seq, entries.digest(tail.read_bytes()), later, stamp, event)
    path = store / JOURNAL / f"{seq:010}.json"
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("place", WEAK.values(), ids=WEAK)
def test_a_key_in_whose_name_everybody_can_sign_is_not_listed(
    store: Path, ana: KeyFiles, place: int
) -> None:
    signers = {"ana": ana.signer, "eve": Signer(ed25519=Nobody(place).key)}
    before = disk.journals(store)

    with pytest.raises(InvalidInputError, match="'eve' has a weak key"):
        opened(store, ana).set_policy("iris", Policy(signers=signers, require_signature=True))
    assert disk.journals(store) == before


@pytest.mark.parametrize("place", WEAK.values(), ids=WEAK)
def test_what_nobody_signed_is_not_believed_where_such_a_key_is_listed(
    tmp_path: Path, ana: KeyFiles, place: int
) -> None:
    """As by a policy that was put into a store before it demanded signatures."""
    registry = holdfast.open(tmp_path / "store", by="ann", clock=Clock())
    for content in ("one", "two"):
        (tmp_path / "model.txt").write_text(content)
        registry.register("iris", tmp_path / "model.txt")
    registry.promote("iris@1.0.0")
    signers = {"ana": ana.signer, "eve": Signer(ed25519=Nobody(place).key)}
    planted = Policy(signers=signers, require_signature=True, approvals=1, approval="signed")
    forge(tmp_path / "store", PolicySet(policy=planted), "ann")
    held = [EntrySignature(Nobody(place).key, Nobody(place).sign(b""), b"%d" % n) for n in range(8)]
    forge(tmp_path / "store", EVIL, "eve", Nobody(place))

    assert not any(signing.genuine(signature) for signature in held)
    with pytest.raises(DamagedError, match="entry 5 of iris has a signature that its key"):
        holdfast.open(tmp_path / "store").status("iris")


def test_an_approval_that_nobody_signed_proves_nobody(tmp_path: Path, ana: KeyFiles) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana", clock=Clock(), signing_key=ana.private)
    (tmp_path / "model.txt").write_text("one")
    registry.register("iris", tmp_path / "model.txt")
    signers = {"ana": ana.signer, "eve": Signer(ed25519=Nobody(1).key)}
    planted = Policy(signers=signers, approvals=1, approval="signed")
    forge(tmp_path / "store", PolicySet(policy=planted), "ana")
    forge(tmp_path / "store", Approved(version="1.0.0"), "eve", Nobody(1))

    info = opened(tmp_path / "store", ana).resolve("iris@1.0.0")
    assert info.claimed == info.approvals == ("eve",)
    assert not opened(tmp_path / "store", ana).judge("iris@1.0.0").passed


def _with_another_half(value: str) -> bytes:
    """Add the group's order to the second half: the same equation, another signature."""
    raw = base64.b64decode(value)
    second = int.from_bytes(raw[32:], "little") + ORDER
    return raw[:32] + second.to_bytes(32, "little")


def _with_a_sign(value: str) -> bytes:
    raw = bytearray(base64.b64decode(value))
    raw[31] ^= 0x80
    return bytes(raw)


MALLEATED: dict[str, Callable[[str], bytes]] = {
    "another second half": _with_another_half,
    "another sign": _with_a_sign,
    "nothing": lambda _value: bytes(64),
    "the identity and nothing": lambda _value: IDENTITY + bytes(32),
}


@pytest.mark.parametrize("change", MALLEATED.values(), ids=MALLEATED)
def test_a_signature_has_one_form(
    store: Path, ana: KeyFiles, change: Callable[[str], bytes]
) -> None:
    path = forge(store, EVIL, "bob", BOB)
    value = json.loads(path.read_bytes())["signature"]["value"]
    other = base64.b64encode(change(value))
    path.write_bytes(disk.sealed(path.read_bytes().replace(value.encode(), other)))

    with pytest.raises(DamagedError, match="entry 6 of iris has a signature that its key"):
        opened(store, ana).load("iris@production")


def test_what_everybody_may_write_does_not_move_what_is_live(store: Path, ana: KeyFiles) -> None:
    """Archive the live version by hand, without a key: it stays live, and loads."""
    forge(store, Archived(version="1.0.0"), "eve")

    for registry in (opened(store, ana), holdfast.open(store)):
        assert registry.load("iris@production").ref == "iris@1.0.0"


def test_a_key_of_a_promotion_that_a_stranger_used_up_is_not_taken_for_it(
    store: Path, ana: KeyFiles
) -> None:
    forge(store, Tagged(version="1.1.0", tags={}), "ana", key="deploy-42")
    registry = opened(store, ana)
    registry.sign("iris@1.1.0")

    with pytest.raises(ConflictError, match="was used for 'tagged'"):
        registry.promote("iris@1.1.0", idempotency_key="deploy-42")
    assert registry.load("iris@production").ref == "iris@1.0.0"


@pytest.mark.skipif(os.name == "nt", reason="neither pipes nor devices there")
@pytest.mark.parametrize("kind", ["pipe", "device", "circle", "folder"])
def test_a_signature_to_attach_is_neither_waited_for_nor_read_without_end(
    store: Path, tmp_path: Path, ana: KeyFiles, kind: str
) -> None:
    path = tmp_path / "model.sig"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "circle":
            path.symlink_to(path.name)
        case _:
            path.mkdir()

    with pytest.raises(InvalidInputError, match=r"model\.sig' cannot be read"):
        opened(store, ana).sign("iris@1.1.0", attach=path, by=ana.public)


def _mirrored(raw: bytes, private: ec.EllipticCurvePrivateKey) -> bytes:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    first, second = decode_dss_signature(raw)
    assert private.curve.name == "secp256r1"
    return encode_dss_signature(first, order - second)


def test_the_mirror_of_a_versions_signature_is_no_second_one(
    store: Path, tmp_path: Path, ana: KeyFiles
) -> None:
    """Of each signature by an elliptic-curve key there are two; both are of one person."""
    registry = opened(store, ana)
    folder = registry.checkout("iris@1.0.0", tmp_path / "out")
    private = load_pem_private_key(ana.private.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    document = json.loads((folder / "model.sig").read_bytes())
    (signature,) = document["dsseEnvelope"]["signatures"]
    mirrored = _mirrored(base64.b64decode(signature["sig"]), private)
    signature["sig"] = base64.b64encode(mirrored).decode()
    (tmp_path / "mirrored.sig").write_text(json.dumps(document))
    before = disk.journals(store)

    registry.sign("iris@1.0.0", attach=tmp_path / "mirrored.sig", by=ana.public)

    assert disk.journals(store) == before


def _point(secret: int) -> bytes:
    key = ec.derive_private_key(secret, ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _with_parameters(generator: bytes, point: bytes) -> str:
    return base64.b64encode(EXPLICIT[0] + generator + EXPLICIT[1] + point).decode()


EXPLICIT = (
    bytes.fromhex(
        "3082014b3082010306072a8648ce3d02013081f7020101302c06072a8648ce3d0101022100ffffffff0000"
        "0001000000000000000000000000ffffffffffffffffffffffff305b0420ffffffff000000010000000000"
        "00000000000000fffffffffffffffffffffffc04205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53"
        "b0f63bce3c3e27d2604b031500c49d360886e704936a6678e1139d26b7819f7e900441"
    ),
    bytes.fromhex(
        "022100ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551020101034200"
    ),
)
"""A public key of P-256 with its parameters, without generator and point."""


def test_a_key_on_a_curve_of_ones_own_is_none() -> None:
    """Take a person's key for the generator: then 1 is the private key to it."""
    theirs = _point(42)
    spelled_out = checks.ec_key(_with_parameters(_point(1), theirs))

    assert spelled_out.curve.name == "secp256r1"
    with pytest.raises(ValueError, match=r"(?i)curve|key|param"):
        checks.ec_key(_with_parameters(theirs, theirs))
    assert not checks.fits(_with_parameters(theirs, theirs), b"", b"")
