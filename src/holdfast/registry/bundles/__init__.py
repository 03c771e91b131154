"""Bundles: one version or a whole model as one tar file with checksums, out and in.

```
SHA256SUMS                    of every member below, for `sha256sum -c`
bundle.json                   what it holds and where it comes from
journal/0000000001.json …     the entries as they are (a whole model)
blobs/sha256/<hex>            manifests and files
iris-1.2.0/card.md …          for people: card.md, card.json and bom.json of each version
iris-1.2.0/model/…            for people: its files by name, manifest.json and model.sig
```
What is there for people is made of the rest, links where it can be; an import checks it against
`SHA256SUMS` and makes no use of it.

Members are written in this order with fixed times and owners, so equal content gives equal bytes.
"""

import re
from typing import Final, Literal

from msgspec import Struct

from holdfast.core.events import Past

FORMAT: Final = 1
SUMS: Final = "SHA256SUMS"
INDEX: Final = "bundle.json"
MEMBER: Final = re.compile(r"bundle\.json|journal/[0-9]{10,18}\.json|blobs/sha256/[0-9a-f]{64}")
CARDS: Final = ("card.md", "card.json", "bom.json")
FILES: Final = "model"
_FOR_PEOPLE: Final = re.compile(r"[^/]+/(?:card\.md|card\.json|bom\.json|model(?:/[^/]+)+)")


def is_for_people(name: str) -> bool:
    """Tell whether a member is one of those that an import makes no use of."""
    return bool(_FOR_PEOPLE.fullmatch(name)) and not {".", ".."} & set(name.split("/"))


class Index(Struct, frozen=True):
    """The content of `bundle.json`.

    Attributes:
        kind: A whole model with its journal, or one version.
        registry: Id of the registry it was taken from.
        head: SHA-256 of the last entry of the model's journal there.
        manifest: SHA-256 of the version's manifest; `None` for a whole model.
        history: What happened to the version there; empty for a whole model, whose journal tells.
    """

    format: int
    kind: Literal["model", "version"]
    registry: str
    model: str
    head: str
    version: str | None = None
    manifest: str | None = None
    history: tuple[Past, ...] = ()


class Bundled(Struct, frozen=True):
    """What an export wrote or an import took in.

    Attributes:
        created: False if an import found all of it there already.
    """

    model: str
    versions: tuple[str, ...]
    files: int
    size_bytes: int
    path: str
    created: bool = True
