"""Models that MLflow wrote: folders with an `MLmodel`, loaded as a function of rows."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from holdfast.core.manifest import Scan
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats import mlflow_folder, mlflow_schema, pyfunc_code
from holdfast.formats.code.module_space import ModuleSpace
from holdfast.formats.contract import Description
from holdfast.formats.libraries import library, unpickling
from holdfast.formats.scanner import mlmodel

__all__ = ["Mlflow", "PyfuncModel"]

_WHOLE: Final = {"integer": "int32", "long": "int64"}
_FRACTIONS: Final = {"float": "float32", "double": "float64"}


class Mlflow:
    """Folders with an `MLmodel` that says how MLflow loads them as a function."""

    name = "mlflow"

    def takes(self, model: object) -> bool:
        """Take no object: MLflow's flavours write them."""
        del model
        return False

    def recognises(self, path: Path) -> bool:
        """Recognise the folder by the file in it."""
        return mlflow_folder.is_one(path)

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Refuse: each kind of object has a flavour of its own.

        Raises:
            UnsupportedError: Always.
        """
        del folder, stem
        subject, advice = f"{type(model).__name__} object", "save it by MLflow; register the folder"
        raise UnsupportedError(subject, "cannot be written as an MLflow model here", advice)

    def judged(self, path: Path, scan: Scan) -> Scan:
        """Add what the `MLmodel` makes MLflow run to what the scan found in the files.

        Raises:
            InvalidInputError: If the `MLmodel` cannot be read, or names files outside its folder.
            MissingLibraryError: If PyYAML, which comes with MLflow, is not installed.
        """
        document = mlmodel.read(path)
        mlmodel.require_inside(path, document)
        unknown = tuple(sorted({*scan.unknown, *mlmodel.doubts(path, document)}))
        runs = scan.executes_code or bool(unknown)
        return replace(scan, kind=self.name, executes_code=runs, unknown=unknown)

    def load(self, path: Path) -> object:
        """Have MLflow load the folder, by the loader that its `MLmodel` names.

        What that may run was judged, and trusted where it is not known, before it came here.
        """
        path = path.resolve()
        document = mlmodel.read(path)
        mlmodel.require_inside(path, document)
        code = pyfunc_code.folder_of(path, document)
        if code is None:
            return _loaded(path, document)
        space = ModuleSpace(code)
        try:
            with pyfunc_code.loading_with(space, path, code):
                model = _loaded(path, document)
        except BaseException:
            space.hide()
            raise
        space.last_as_long_as([model])
        return model

    def describe(self, source: object) -> Description:
        """Describe a folder by its flavour."""
        if not isinstance(source, Path):
            return Description()
        return Description(mlflow_folder.read(source).framework)


def _loaded(path: Path, document: Mapping[str, Any]) -> "PyfuncModel":
    signature = mlmodel.mapping(document.get("signature"))
    params = mlflow_schema.of_params(signature.get("params"))
    mlflow = library("mlflow.pyfunc", "mlflow")
    with unpickling(path.name):
        return PyfuncModel(mlflow.load_model(str(path), suppress_warnings=True), params)


class PyfuncModel:
    """A model that MLflow loaded, asked with rows as the version's input schema describes them.

    Attributes:
        pyfunc: MLflow's own object, for everything else.
        feature_names_in_: Names of its columns in order; `None` where it has none.
        call_params: JSON Schema of each parameter of its signature; `None` where it has none.
    """

    def __init__(self, pyfunc: Any, params: Mapping[str, Any] | None = None) -> None:
        self.pyfunc = pyfunc
        self.call_params = params or None
        self._schema = pyfunc.metadata.get_input_schema()
        named = self._schema is not None and self._schema.has_input_names()
        self.feature_names_in_ = list(self._schema.input_names()) if named else None

    def predict(self, rows: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict by MLflow, which holds the rows against its signature.

        Args:
            rows: A frame, records, an array, or arrays by name.
            params: As the signature names them; by default those that it gives.
        """
        return self.pyfunc.predict(self._laid_out(rows), params=params)

    def _laid_out(self, rows: Any) -> Any:
        """Return rows as MLflow takes them for its signature: a frame, an array, or several."""
        if self._schema is None:
            return rows
        if self._schema.is_tensor_spec():
            return self._tensors(rows)
        return rows if self.feature_names_in_ is None else self._frame(rows)

    def _tensors(self, rows: Any) -> Any:
        import numpy as np

        specs = self._schema.inputs
        if self.feature_names_in_ is None:
            return np.asarray(rows, dtype=specs[0].type)
        columns = rows if isinstance(rows, Mapping) else self._table(rows)
        return {
            spec.name: np.asarray(list(columns[spec.name]), dtype=spec.type)
            for spec in specs
            if spec.name in columns
        }

    def _table(self, rows: Any) -> Any:
        import pandas as pd

        if isinstance(rows, pd.DataFrame):
            return rows
        records = isinstance(rows, list) and rows and isinstance(rows[0], Mapping)
        return pd.DataFrame(rows, columns=None if records else self.feature_names_in_)

    def _frame(self, rows: Any) -> Any:
        """Lay out columns as MLflow's signature types them, for JSON has fewer types."""
        import pandas as pd

        if isinstance(rows, Mapping):
            rows = pd.DataFrame(rows)
        own = isinstance(rows, pd.DataFrame)
        frame = self._table(rows)
        columns = {}
        for spec in self._schema.inputs:
            if spec.name not in frame.columns:
                continue
            column = frame[spec.name]
            if not spec.required and column.isna().all():
                continue  # left out: a column of nulls has no type
            columns[spec.name] = _typed(column, str(getattr(spec.type, "name", "")), own=own)
        return pd.DataFrame(columns, index=frame.index)


def _typed(column: Any, kind: str, *, own: bool) -> Any:
    """Return a column whose values JSON could not type as the signature has them."""
    if kind == "binary":
        return column.map(_bytes)
    if kind in _WHOLE and column.dtype == object and column.isna().any():
        problem = "has both whole numbers and nulls, which MLflow takes for fractions"
        advice = "send the column in all rows of a request, or log it as double"
        raise InvalidInputError(f"column {column.name!r}", problem, advice)
    if own and column.dtype != object:
        return column
    if kind in _WHOLE:
        whole = column.astype(_WHOLE[kind])
        return whole if (whole == column).all() else column
    if kind in _FRACTIONS or (kind == "boolean" and not column.isna().any()):
        return column.astype(_FRACTIONS.get(kind, "bool"))
    return column


def _bytes(value: Any) -> Any:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value
