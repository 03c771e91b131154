"""Keys and signatures: the one place that knows cryptography, imported when it is used.

```
keys      key files, made and read       checks    is this signature genuine?
bundle    signatures of versions, as OpenSSF model-signing writes and reads them
```
"""

from holdfast.signing.bundle import Statement
from holdfast.signing.checks import genuine, require_genuine
from holdfast.signing.keys import SigningKey, create, is_locked, load, public

__all__ = [
    "SigningKey",
    "Statement",
    "create",
    "genuine",
    "is_locked",
    "load",
    "public",
    "require_genuine",
]
