"""What a version was trained on: digests of bytes and rows, taken for its manifest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from holdfast import scratch
from holdfast.core import names
from holdfast.core.lineage_record import DataUse
from holdfast.datasets import data_source
from holdfast.datasets.data_records import DataVersion, parse_data_ref
from holdfast.errors import InvalidInputError
from holdfast.registry.facts import Facts
from holdfast.registry.session import Session

__all__ = ["as_facts", "of_version", "use_of", "with_data"]


def with_data(session: Session, facts: Facts) -> Facts:
    """Return facts with the digests of the data that they name.

    Raises:
        InvalidInputError: If data cannot be read.
        NotFoundError: If a version of data does not exist.
    """
    sources = facts.get("data")
    if not sources:
        return facts
    uses = {name: use_of(session, name, source) for name, source in sorted(sources.items())}
    lineage, training = as_facts(uses)
    extended: Any = {
        **facts,
        "lineage": {**facts.get("lineage", {}), **lineage},
        "training_data": {**training, **facts.get("training_data", {})},
    }
    result: Facts = extended
    return result


def as_facts(uses: Mapping[str, DataUse]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is known of data as facts of the lineage and of the training data."""
    digests = {name: use.digest or use.rows for name, use in uses.items()}
    lineage = {"data": {name: msgspec.to_builtins(use) for name, use in uses.items()}}
    return (lineage, {"digests": digests}) if uses else ({}, {})


def of_version(version: DataVersion) -> DataUse:
    """Return the use of a version of data by name."""
    return DataUse(version.added.digest, version.added.rows, version.ref)


def use_of(session: Session, name: object, source: Any) -> DataUse:
    """Return what is to be recorded of a path, a pattern, or a version of data by its ref.

    Raises:
        InvalidInputError: If the name is not one, or the data cannot be read.
        NotFoundError: If a version of data does not exist.
    """
    if not isinstance(name, str) or not names.is_key(name):
        raise InvalidInputError(f"data name {name!r}", "is not a valid name", "use printable text")
    text = str(source)
    if parse_data_ref(text) is not None and not isinstance(source, Path):
        from holdfast.registry.data_verbs import Datasets

        return of_version(Datasets(session).find(text))
    with scratch.folder() as home:
        described = data_source.described(data_source.find(text, home))
    return DataUse(described.digest, described.rows, None, text)
