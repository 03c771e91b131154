"""Keys that are the same in every run, and pens that sign as a policy does not want it."""

import base64
import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdfast.core.signers import Signer


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs entries: a pen of their own."""

    name: str

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.name.encode()).digest())

    @property
    def key(self) -> str:
        return base64.b64encode(self._private.public_key().public_bytes_raw()).decode()

    def sign(self, message: bytes) -> str:
        return base64.b64encode(self._private.sign(message)).decode()

    @property
    def signer(self) -> Signer:
        """What a policy lists of them."""
        secret = int.from_bytes(hashlib.sha256(self.name.encode()).digest()) >> 1
        public = ec.derive_private_key(secret, ec.SECP256R1()).public_key()
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return Signer(self.key, base64.b64encode(spki).decode())


ANA = Person("ana")
BOB = Person("bob")
EVE = Person("eve")
