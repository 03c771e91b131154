"""Public keys in a policy, and the ids people compare."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from tests.keys import ANA, BOB

from holdfast.core import signers
from holdfast.core.signers import Signer
from holdfast.errors import InvalidInputError

EC = ANA.signer.ec or ""


def test_the_id_of_an_entry_key_is_the_digest_of_its_raw_bytes() -> None:
    raw = base64.b64decode(ANA.key)

    assert len(raw) == signers.RAW_BYTES
    assert signers.entry_key_id(ANA.key) == hashlib.sha256(raw).hexdigest()


def test_the_id_of_a_version_key_is_the_digest_of_the_pem_that_openssl_writes() -> None:
    key = load_der_public_key(base64.b64decode(EC))
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    assert signers.pem(EC).encode() == pem
    assert signers.version_key_id(EC) == hashlib.sha256(pem).hexdigest()


def test_a_name_is_found_by_either_key() -> None:
    listed = {"ana": ANA.signer, "bob": Signer(ed25519=BOB.key)}

    assert signers.name_of(listed, ANA.key) == "ana"
    assert signers.name_of(listed, EC) == "ana"
    assert signers.name_of(listed, BOB.key) == "bob"
    assert signers.name_of(listed, BOB.signer.ec) is None
    assert signers.name_of(listed, None) is None


PRIME = 2**255 - 19
OF_ORDER_8 = 0x5FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
WEAK = {
    "the identity": 1,
    "of order 2": PRIME - 1,
    "of order 4": 0,
    "of order 8": OF_ORDER_8,
    "another of order 8": PRIME - OF_ORDER_8,
    "the identity beyond the prime": PRIME + 1,
    "of order 4 beyond the prime": PRIME,
}


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        ({"ana": Signer()}, "no name or no key"),
        ({" ": ANA.signer}, "no name or no key"),
        ({"ana": Signer(ed25519="bm9uZQ==")}, "an invalid key"),
        ({"ana": Signer(ed25519=ANA.key[:-1])}, "an invalid key"),
        ({"ana": Signer(ed25519=ANA.key.replace("=", "=\n"))}, "an invalid key"),
        ({"ana": Signer(ec="é")}, "an invalid key"),
        ({"ana": ANA.signer, "eva": ANA.signer}, "has the key of 'ana'"),
    ],
)
def test_a_list_that_would_not_say_who_signed_is_refused(
    listed: dict[str, Signer], problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        signers.check(listed)


@pytest.mark.parametrize("sign", [0, 1 << 255])
@pytest.mark.parametrize("place", WEAK.values(), ids=WEAK)
def test_a_key_in_whose_name_everybody_can_sign_is_refused(place: int, sign: int) -> None:
    key = base64.b64encode((place | sign).to_bytes(32, "little")).decode()

    assert signers.is_weak(key)
    with pytest.raises(InvalidInputError, match="'eve' has a weak key"):
        signers.check({"ana": ANA.signer, "eve": Signer(ed25519=key)})


def test_a_list_of_two_people_stands() -> None:
    signers.check({"ana": ANA.signer, "bob": Signer(ed25519=BOB.key)})

    assert ANA.signer != BOB.signer
