"""What `load` gives: a model with what prepares its rows and what reads its answers, as one."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from holdfast.core import notebook
from holdfast.core.manifest import Manifest
from holdfast.errors import NotFoundError, UnsupportedError

_READING: Final = ("postprocess", "inverse_transform", "transform")
"""Methods of a postprocessor, the first that it has is called."""

_THREADED: Final = frozenset(
    ("scikit-learn", "xgboost", "lightgbm", "catboost", "pytorch", "tensorflow", "keras", "onnx")
)
"""Frameworks that compute in threads of their own, of which a forked process has none."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A version in memory, ready to predict; also unpacks as `model, preprocessor`.

    Attributes:
        ref: The version it was loaded from, such as `iris@1.2.0`.
        manifest: What is recorded of it.
        parts: Loaded object by role.
        process: Id of the process in which it was loaded.
    """

    ref: str
    manifest: Manifest
    parts: Mapping[str, object]
    process: int = field(default_factory=os.getpid, init=False, compare=False)

    @property
    def model(self) -> Any:
        """The object in the role `model`.

        Raises:
            NotFoundError: If the version has none.
        """
        if "model" not in self.parts:
            raise NotFoundError(f"{self.ref}: role 'model'", sorted(self.parts))
        return self.parts["model"]

    @property
    def preprocessor(self) -> Any:
        """The object in the role `preprocessor`, None if the version has none."""
        return self.parts.get("preprocessor")

    @property
    def postprocessor(self) -> Any:
        """The object in the role `postprocessor`, None if the version has none."""
        return self.parts.get("postprocessor")

    def __iter__(self) -> Iterator[Any]:
        """Unpack as `model, preprocessor`."""
        yield self.model
        yield self.preprocessor

    def predict(self, rows: Any) -> Any:
        """Preprocess *rows*, predict and postprocess.

        Args:
            rows: What the version's input schema describes.

        Raises:
            UnsupportedError: If the model cannot predict: it is a file, or tensors alone.
        """
        return self.answer(self.preprocess(rows))

    def answer(self, prepared: Any) -> Any:
        """Predict from rows that are preprocessed already, and postprocess.

        The postprocessor is given what `predict` returns, or another method of the model that it
        names by its attribute `response_method`, such as `predict_proba`. Of its own methods
        `postprocess` is called, else `inverse_transform` (a label encoder decodes, a scaler of
        the target scales back), else `transform`, else itself.

        Raises:
            UnsupportedError: If the model cannot predict, or the postprocessor has none of these.
        """
        postprocessor = self.postprocessor
        if postprocessor is None:
            return self._method("predict")(prepared)
        methods = (getattr(postprocessor, name, None) for name in _READING)
        call = next(filter(callable, methods), postprocessor)
        if not callable(call):
            raise self._unsupported("postprocessor", postprocessor, "postprocess")
        return call(self._method(getattr(postprocessor, "response_method", "predict"))(prepared))

    def predict_proba(self, rows: Any) -> Any:
        """Preprocess *rows* and give the probability of each class, shape (n, classes).

        These are the model's own: no postprocessor sees them.

        Raises:
            UnsupportedError: If the model gives none.
        """
        return self._method("predict_proba")(self.preprocess(rows))

    def preprocess(self, rows: Any) -> Any:
        """Pass *rows* through the preprocessor, unchanged if there is none.

        Raises:
            UnsupportedError: If it neither transforms nor can be called.
        """
        preprocessor = self.preprocessor
        if preprocessor is None:
            return rows
        self._warn_of_a_fork()
        transform = getattr(preprocessor, "transform", preprocessor)
        if not callable(transform):
            raise self._unsupported("preprocessor", preprocessor, "transform")
        return transform(rows)

    def _warn_of_a_fork(self) -> None:
        """Warn where a call can wait for ever for threads that were left behind in the parent."""
        here = os.getpid()
        if self.process != here and self.manifest.framework in _THREADED:
            warning = (
                f"{self.ref} was loaded in process {self.process} and is asked in process {here}, "
                f"its fork, which has none of the threads of {self.manifest.framework}: the call "
                "may never return; load it after the fork"
            )
            warnings.warn(warning, RuntimeWarning, stacklevel=4)

    def __reduce__(self) -> tuple[object, ...]:
        """Begin anew where it is unpickled: what it holds is loaded there."""
        return type(self), (self.ref, self.manifest, self.parts)

    def _method(self, name: str) -> Callable[[Any], Any]:
        self._warn_of_a_fork()
        method = getattr(self.model, name, None)
        if not callable(method):
            raise self._unsupported("model", self.model, name)
        return method  # type: ignore[no-any-return]

    def _unsupported(self, role: str, part: object, method: str) -> UnsupportedError:
        if isinstance(part, Path):
            advice = f"open {str(part)!r} with its own program"
        else:
            advice = f"use `.parts[{role!r}]` as its own library does"
        problem = f"has a {type(part).__name__} without {method} as its {role}"
        return UnsupportedError(self.ref, problem, advice)

    def __repr__(self) -> str:
        """Name the version and what it holds."""
        contents = ", ".join(f"{role}={type(part).__name__}" for role, part in self.parts.items())
        return f"Pair({self.ref!r}, {contents})"

    def _repr_html_(self) -> str:
        """Show what it holds in a notebook."""
        facts = {
            "framework": self.manifest.framework,
            "algorithm": self.manifest.algorithm,
            **{role: type(part).__name__ for role, part in self.parts.items()},
            **self.manifest.metrics,
        }
        return notebook.view(notebook.heading(self.ref), notebook.facts(facts.items()))
