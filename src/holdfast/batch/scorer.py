"""A version for engines that send code to where rows are: Spark, Ray Data, Dask.

What is sent holds texts alone. Each process loads the version once, from the store, when it first
has rows; so processes need to reach the store, and the model is never sent.
"""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from holdfast import forks
from holdfast.errors import ConflictError, InvalidInputError

if TYPE_CHECKING:
    from holdfast.batch.version_loading import ReadyVersion

__all__ = ["Scorer"]


class _Cache:
    """What this process has loaded; a forked child has its parent's."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.versions: dict[tuple[str, str, str], ReadyVersion] = {}
        forks.tell(self)

    def after_fork(self) -> None:
        """Let go of what a thread of the parent may have held."""
        self.lock = threading.Lock()


_CACHE: Final = _Cache()


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores tables with one version, in whatever process it is called.

    Attributes:
        store: The store, as processes there reach it: a folder's absolute path or an address.
        ref: The version, exactly, such as `fraud@1.4.0`.
        digest: What that version must be: SHA-256 of its manifest, with or without `sha256:`.
        keep: Columns of the rows that are given back beside the scores.
    """

    store: str
    ref: str
    digest: str
    keep: tuple[str, ...] = ()

    def __call__(self, table: Any) -> Any:
        """Score a table or a batch of pyarrow, or a frame of pandas, and give back the same kind.

        The columns are those of *keep*, the answers, and `error`: why a row has none.

        Raises:
            InvalidInputError: If it is something else, or a column is missing or unfit.
            ConflictError: If the store has another version under this ref.
            UnsupportedError: If the version fails.
        """
        import pyarrow as pa

        if isinstance(table, pa.Table):
            parts = table.combine_chunks().to_batches() or [_nothing(table.schema)]
            return pa.Table.from_batches([self._scored(part) for part in parts])
        if isinstance(table, pa.RecordBatch):
            return self._scored(table)
        if hasattr(table, "columns") and hasattr(table, "iloc"):
            held = pa.RecordBatch.from_pandas(table, preserve_index=False)
            return _frame(table, self.keep, self._scored(held))
        problem = f"must be a table of pyarrow or a frame of pandas, not {type(table).__name__}"
        raise InvalidInputError("rows", problem)

    def arrow(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Score batch after batch, as Spark's `mapInArrow` and `mapInPandas` give them."""
        for batch in batches:
            yield self(batch)

    def _scored(self, batch: Any) -> Any:
        import pyarrow as pa

        from holdfast.batch import input_columns
        from holdfast.batch.chunk_scoring import ChunkScorer
        from holdfast.batch.input_columns import TableColumns

        version = self._version()
        signature = version.loaded.input_schema
        types = dict(zip(batch.schema.names, batch.schema.types, strict=True))
        table = TableColumns("the table", tuple(batch.schema.names), types)
        inputs = input_columns.found(version.ref, signature, version.known_names, table, self.keep)
        for name in self.keep:
            if table.names.count(name) != 1:
                problem = f"is {table.names.count(name)} times among the rows' columns"
                raise InvalidInputError(f"column {name!r} to keep", problem, "name one of them")
        scorer = ChunkScorer(version.loaded, inputs, is_text=False)
        held = {name: batch.column(name) for name in inputs.names}
        scores = scorer(batch.num_rows, held)
        kept = {name: batch.column(name) for name in self.keep}
        return pa.RecordBatch.from_pydict(kept | dict(scores.columns))

    def _version(self) -> "ReadyVersion":
        """Return the version, loaded once in this process, whichever thread is first."""
        wanted = self.digest.removeprefix("sha256:")
        key = self.store, self.ref, wanted
        with _CACHE.lock:
            version = _CACHE.versions.get(key)
            if version is None:
                version = _CACHE.versions[key] = self._loaded(wanted)
        return version

    def _loaded(self, wanted: str) -> "ReadyVersion":
        from holdfast.batch import version_loading
        from holdfast.registry import open_registry

        registry = open_registry(self.store)
        info = registry.resolve(self.ref)
        if info.digest.removeprefix("sha256:") != wanted:
            raise ConflictError(self.ref, f"is {info.digest} in {self.store}, not {wanted}")
        return version_loading.ready(registry, info.ref, "auto")


def _frame(table: Any, keep: tuple[str, ...], scored: Any) -> Any:
    """Return a frame as it came in, the columns to keep alone, with the answers beside them.

    Whole numbers and booleans of which some are missing have pandas' nullable types: as floats they
    would lose digits, and parts of one table would differ in type by what was refused in them.
    """
    import pandas as pd
    import pyarrow as pa

    nullable = {pa.bool_(): pd.BooleanDtype()} | {
        pa.type_for_alias(name.lower()): pd.api.types.pandas_dtype(name)
        for name in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
    }
    frame = table[list(keep)].copy()
    for name in scored.schema.names[len(keep) :]:
        answers = scored.column(name)
        types = nullable.get if answers.null_count else None
        frame[name] = answers.to_pandas(types_mapper=types).set_axis(table.index)
    return frame


def _nothing(schema: Any) -> Any:
    import pyarrow as pa

    return pa.RecordBatch.from_pylist([], schema=schema)
