"""Versions as they may stand, without a store: what requests of clouds are made of."""

from typing import Any

from holdfast.core.lineage_record import Lineage
from holdfast.core.manifest import Manifest
from holdfast.core.views import VersionInfo

DIGEST = "sha256:" + "ab" * 32


def standing(**facts: Any) -> VersionInfo:
    plain: dict[str, Any] = {
        "model": "team/churn",
        "version": "1.2.0",
        "number": 3,
        "status": "registered",
        "digest": DIGEST,
        "registered_at": "2026-03-03T14:00:00.000000Z",
        "registered_by": "ana",
        "size_bytes": 5,
        "metrics": {},
        "aliases": (),
        "tags": {},
        "notes": (),
        "approvals": (),
        "held": None,
        "served": False,
    }
    return VersionInfo(**(plain | facts))


def recorded(description: str | None = None, **lineage: Any) -> Manifest:
    return Manifest(
        name="team/churn",
        version="1.2.0",
        number=3,
        registered_at="2026-03-03T14:00:00.000000Z",
        registered_by="ana",
        description=description,
        artifacts={},
        lineage=Lineage(**lineage),
    )


HOSTILE = (
    "a\nb\x00c\x1b[31m",
    "\u202egnp.exe",
    "x" * 3000,
    "\ud800",
    "<script>'\";--",
    "🙂 Ω e\u0301",
    "../../etc/passwd",
)
