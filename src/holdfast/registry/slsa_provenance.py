"""How a version came to be, as SLSA provenance v1 in an in-toto statement.

Level 1: it says what the registry recorded. Nobody but whoever signs it vouches for that.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import UNSET

from holdfast import __version__
from holdfast.core.entry import format_time
from holdfast.core.lineage_record import DataUse
from holdfast.core.manifest import Manifest
from holdfast.signing.dsse import STATEMENT_TYPE

__all__ = ["statement"]


_PREDICATE: Final = "https://slsa.dev/provenance/v1"
_BUILD_TYPE: Final = "https://holdfast.dev/training/v1"
_BUILDER: Final = "https://holdfast.dev/builder"
_ASKED: Final = ("entry", "slot", "seed", "folder")


def statement(manifest: Manifest, digest: str, record: dict[str, Any]) -> dict[str, Any]:
    """Return the statement of a version.

    Args:
        manifest: Of the version.
        digest: SHA-256 of the manifest's bytes, the version's identity.
        record: Of the run that made it, empty where none did.
    """
    lineage = manifest.lineage
    parameters = {
        name: value for name in _ASKED if (value := getattr(lineage, name)) not in (UNSET, None, "")
    }
    if lineage.data_window:
        parameters["window"] = lineage.data_window
    settings = record.get("settings")
    definition = {
        "buildType": _BUILD_TYPE,
        "externalParameters": parameters,
        "internalParameters": settings if isinstance(settings, dict) else {},
        "resolvedDependencies": [*_code(manifest), *_data(manifest), *_environment(manifest)],
    }
    details = {
        "builder": {"id": _BUILDER, "version": {"holdfast": __version__}},
        "metadata": _metadata(manifest, record),
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": f"{manifest.name}@{manifest.version}", "digest": {"sha256": digest}},
            *(
                {"name": file.path, "digest": {"sha256": file.sha256}}
                for file in manifest.files
                if file.sha256 != digest
            ),
        ],
        "predicateType": _PREDICATE,
        "predicate": {"buildDefinition": definition, "runDetails": details},
    }


def _metadata(manifest: Manifest, record: dict[str, Any]) -> dict[str, Any]:
    metadata = {"finishedOn": manifest.registered_at}
    if manifest.lineage.run_id:
        metadata["invocationId"] = manifest.lineage.run_id
    began = began_at(manifest, record)
    return metadata | ({"startedOn": began} if began else {})


def began_at(manifest: Manifest, record: dict[str, Any]) -> str | None:
    """Return when the run began, as far as its record says how long it took."""
    return time_before(manifest.registered_at, record.get("took_s"))


def time_before(ended_at: str, took_s: object) -> str | None:
    """Return when what took so long began; `None` if it is not a number of seconds."""
    if not isinstance(took_s, int | float) or isinstance(took_s, bool):
        return None
    ended = datetime.fromisoformat(ended_at)
    return format_time(ended - timedelta(seconds=min(max(took_s, 0.0), 1e9)))


def _code(manifest: Manifest) -> Iterator[dict[str, Any]]:
    lineage = manifest.lineage
    if lineage.git_commit:
        remote = "" if lineage.remote is UNSET else lineage.remote
        uri = {"uri": f"git+{remote}@{lineage.git_commit}"} if remote else {"name": "code"}
        yield uri | {"digest": {"gitCommit": lineage.git_commit}}


def _data(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for name, use in manifest.lineage.used_data.items():
        digests = _digests(use)
        if digests:
            yield {"name": f"data {use.ref or name}", "digest": digests}


def _digests(use: DataUse) -> dict[str, str]:
    """Return both digests; the one of rows has a name of its own, for it is not one of bytes."""
    digests = {"sha256": use.digest, "holdfastRows": use.rows}
    return {name: text.removeprefix("sha256:") for name, text in digests.items() if text}


def _environment(manifest: Manifest) -> Iterator[dict[str, Any]]:
    locks = manifest.lineage.locks
    for name, digest in sorted(locks.items()) if locks is not UNSET else ():
        yield {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
    for name, version in sorted(manifest.environment.packages.items()):
        yield {"uri": f"pkg:pypi/{name.lower()}@{version}"}
