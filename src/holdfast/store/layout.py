"""The keys: the one place that knows how names become paths below a store."""

import re
from typing import Final

from holdfast.core.names import escape

CONFIG: Final = "holdfast.json"
LOCK: Final = "lock"
TURN: Final = "lock.turn"
"""Held by whoever waits to hold `lock` alone, so that no more come to share it."""
BLOBS: Final = "blobs/sha256"
TRASH: Final = "trash"
"""Of what a collector takes away; `reserved.DAMAGED` is below it, and it leaves that alone."""
MODELS: Final = "models"
DATA: Final = "data"
"""Journals of data that people added by a name, apart from those of models."""
KNOWN: Final = "known"
"""One file for each model that ever had an entry, so that a missing journal is told from none."""
SEAL: Final = "signed.json"
OCI_LAYOUT: Final = "oci-layout"
OCI_INDEX: Final = "index.json"
OCI_LOCK: Final = ".index.lock"

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_ENTRY: Final = re.compile(r"([0-9]{10,})\.json")
_PACK: Final = re.compile(r"([0-9]{10,})-([0-9]{10,})\.jsonl")


def blob(sha256: str) -> str:
    """Return the key of a blob; text that is not a digest gives a key that nothing has."""
    return f"{BLOBS}/{sha256 if _DIGEST.fullmatch(sha256) else escape(sha256)}"


def model(name: str) -> str:
    """Return the prefix of everything about a registered model."""
    return f"{MODELS}/{escape(name)}"


def data(name: str) -> str:
    """Return the prefix of everything about data of a name."""
    return f"{DATA}/{escape(name)}"


def known(name: str) -> str:
    """Return the key of the file that says that a model has had entries."""
    return f"{KNOWN}/{escape(name)}.json"


def journal(prefix: str) -> str:
    """Return the prefix of a model's entries, given the model's own."""
    return f"{prefix}/journal"


def seal(prefix: str) -> str:
    """Return the key of the mark that signatures are demanded, given the model's own prefix."""
    return f"{journal(prefix)}/{SEAL}"


def stem_of(seq: int) -> str:
    """Return *seq* with so many digits that names sort as numbers do."""
    return f"{seq:010d}"


def name_of(seq: int) -> str:
    """Return the file name of entry *seq*."""
    return f"{stem_of(seq)}.json"


def names_of(first: int, last: int) -> list[str]:
    """Return the file names of entries *first* to *last*: in one go, as there may be many."""
    return [f"{seq:010d}.json" for seq in range(first, last + 1)]


def numbered(prefix: str, seq: int) -> str:
    """Return the key of entry *seq* below *prefix*."""
    return f"{prefix}/{name_of(seq)}"


def number_of(name: str) -> int | None:
    """Return the number in an entry's file name, `None` for any other file."""
    match = _ENTRY.fullmatch(name)
    number = int(match[1]) if match else 0
    return number if number and name == name_of(number) else None


def packs(prefix: str) -> str:
    """Return the prefix of a model's packs of entries, given the model's own."""
    return f"{prefix}/packs"


def pack(prefix: str, first: int, last: int) -> str:
    """Return the key of the pack of entries *first* to *last*, given the model's own prefix."""
    return f"{packs(prefix)}/{stem_of(first)}-{stem_of(last)}.jsonl"


def run_of(name: str) -> tuple[int, int] | None:
    """Return the numbers in a pack's file name, `None` for any other file."""
    match = _PACK.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else None


def pointer(name: str) -> str:
    """Return the key of a model's `active_version.json`."""
    return pointer_below(model(name))


def pointer_below(prefix: str) -> str:
    """Return the key of a model's `active_version.json`, given the model's own prefix."""
    return f"{prefix}/active_version.json"


def versions(prefix: str) -> str:
    """Return the prefix of the folders of versions, given the model's own."""
    return f"{prefix}/versions"


def version(name: str, number: str) -> str:
    """Return the prefix of a version's folder."""
    return f"{versions(model(name))}/{escape(number, 60)}"


def servers(prefix: str) -> str:
    """Return the prefix of what serving workers report, given the model's own."""
    return f"{prefix}/servers"


def counts(prefix: str, number: int) -> str:
    """Return the prefix of what workers counted of rollout *number*, given the model's own."""
    return f"{rollouts(prefix)}/{number}"


def rollouts(prefix: str) -> str:
    """Return the prefix of the folders of rollouts, given the model's own."""
    return f"{prefix}/rollouts"


def retraining(prefix: str) -> str:
    """Return the prefix of the leases of retraining, given the model's own."""
    return f"{prefix}/retraining"


def term(prefix: str, number: int, what: str) -> str:
    """Return the key of a file of lease *number*: its `json`, its `beat` or that it is `done`."""
    return f"{retraining(prefix)}/{stem_of(number)}.{what}"


def images(prefix: str) -> str:
    """Return the prefix of what is kept of container images, given the model's prefix."""
    return f"{prefix}/images"


def image(prefix: str, number: str) -> str:
    """Return the key of what is kept of a version's container image, given the model's prefix."""
    return f"{images(prefix)}/{escape(number, 60)}.json"


def of_worker(prefix: str, worker: str) -> str:
    """Return the key of one worker's file below *prefix*."""
    return f"{prefix}/{escape(worker)}.json"
