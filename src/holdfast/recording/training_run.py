"""What is told of a training while it goes on."""

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from holdfast import forks, formats, scratch
from holdfast.core import curves, figure_content, names
from holdfast.core.curves import Curve
from holdfast.core.manifest import clean_metrics, plain
from holdfast.core.training_record import TrainingRecord
from holdfast.core.views import RegistrationResult, VersionInfo
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.recording import data_facts, figure_drawing, file_copies, fit_reports
from holdfast.recording.curve_points import CurvePoints
from holdfast.recording.data_facts import DataFacts, Describe
from holdfast.recording.fit_reports import FitReport
from holdfast.recording.plain_numbers import height_of, scalar, step_of
from holdfast.registry import facts as known_facts

__all__ = ["GatheredRun", "TrainingRun"]

MOST_PARAMETERS: Final = 1_000
MOST_FILES: Final = 100
CANDIDATES: Final = "candidates.json"
"""The file in which what a search tried is kept."""

_LONGEST_KEY: Final = 250
_NOT_MODEL: Final = "was given no model"


class GatheredRun(Struct, frozen=True):
    """Everything that a run was told, once it ended.

    Attributes:
        figures: How many there are in the folder of figures.
        files: How many there are in the folder of files.
    """

    model: object
    preprocessor: object
    example: object
    parameters: dict[str, Any]
    metrics: dict[str, float]
    curves: dict[str, Curve]
    data: dict[str, DataFacts]
    figures: int
    files: int


class TrainingRun:
    """Takes what a training has to tell; its block registers it.

    It may be called from several threads. A forked child has a copy that leads nowhere, so there
    each call is refused: return figures to the process that began the run and tell them there.

    Args:
        model: Name of the registered model.
        folder: Where figures and files wait.
        describe: Looks at data that are named by path or ref.
        named_formats: By role, where the caller names some.
    """

    def __init__(
        self,
        model: str,
        folder: Path,
        describe: Describe,
        named_formats: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.model_name = model
        self.folder = folder
        self.result: RegistrationResult | None = None
        self._describe = describe
        self._named_formats = named_formats
        self._lock = threading.RLock()
        self._owner = os.getpid()
        self._ended = False
        self._model: tuple[object, object, object] | None = None
        self._parameters: dict[str, Any] = {}
        self._metrics: dict[str, float] = {}
        self._curves: dict[str, CurvePoints] = {}
        self._finished: dict[str, Curve] = {}
        self._data: dict[str, DataFacts] = {}
        self._figures: dict[str, Path] = {}
        self._files: dict[str, Path] = {}
        forks.tell(self)

    def after_fork(self) -> None:
        """Have a lock that no thread of the parent holds."""
        self._lock = threading.RLock()

    # What is told

    def parameters(self, values: Mapping[str, object] = {}, /, **more: object) -> None:
        """Record parameters, such as `learning_rate=0.1`; a name that is told again is replaced.

        Raises:
            InvalidInputError: If a name is not printable text, a value is too long or nested too
                deeply, or there are more than 1,000.
        """
        told = {
            _key("parameter", name): plain(value, f"parameter {name!r}")
            for name, value in {**values, **more}.items()
        }
        known_facts.check_parameters(told)
        with self._open():
            if len(self._parameters.keys() | told) > MOST_PARAMETERS:
                raise _too_many("parameters", MOST_PARAMETERS)
            self._parameters |= told

    def metric(self, name: str, value: object) -> None:
        """Record a figure of the finished model, such as `roc_auc`.

        Raises:
            InvalidInputError: If it is not a finite number.
        """
        told = clean_metrics({_key("metric", name): scalar(value)})
        with self._open():
            self._metrics |= told

    def curve(self, name: str, step: object, value: object) -> None:
        """Add a point to a learning curve.

        Curves of one name behind a `/`, such as `train/loss` and `validation/loss`, are drawn
        together. Of more than 1,000 points every second, fourth, … is kept, and always the first,
        last, least and greatest.

        Args:
            name: At most 100 characters.
            step: Epoch, round or batch; a finite number.
            value: A number. One that is not finite leaves a gap: a loss that diverges is worth
                seeing, and should not end the training.

        Raises:
            InvalidInputError: If either is not a number, or there are more than 100 curves.
        """
        place, height = step_of(name, step), height_of(name, value)
        with self._open():
            self._points(name).add(place, height)

    def series(
        self, name: str, values: Sequence[object], steps: Sequence[object] | None = None
    ) -> None:
        """Record a whole learning curve, in place of what there is of that name.

        Args:
            name: As in `curve`.
            values: One for each step.
            steps: As many; 1, 2, 3, … if left out.
        """
        heights = [height_of(name, value) for value in values]
        places = [step_of(name, step) for step in (steps or range(1, len(heights) + 1))]
        if len(places) != len(heights):
            problem = f"has {len(heights)} values for {len(places)} steps"
            raise InvalidInputError(f"curve {figure_content.shown(name)}", problem)
        with self._open():
            self._curves.pop(name, None)
            points = self._points(name)
            for place, height in zip(places, heights, strict=True):
                points.add(place, height)

    def figure(self, name: str, figure: object) -> None:
        """Keep a figure: one of matplotlib, or a PNG or SVG as bytes or path.

        Raises:
            InvalidInputError: If it is something else, has over 2 MB, or is an SVG that could do
                more than be looked at.
        """
        figure_content.check_name("figure", name)
        content = figure_drawing.content_of(name, figure)
        kind = figure_content.kind_of(name, content)
        with self._open():
            self._claim("figure", name, self._figures, figure_content.MOST_FIGURES)
            before = self._figures.get(name)
            if before is not None:
                before.unlink()
            path = self._place(figure_content.ROLE, f"{figure_content.file_name(name)}.{kind}")
            path.write_bytes(content)
            self._figures[name] = path

    def file(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Keep a copy of a file as it is now.

        Args:
            path: Of a regular file.
            name: The file's own, if left out.

        Raises:
            InvalidInputError: If it cannot be read, or files of the run have over 1 GB.
        """
        source = Path(path)
        called = figure_content.check_name("file", source.name if name is None else name)
        with self._open():
            self._claim("file", called, self._files, MOST_FILES)
            target = self._place("files", figure_content.file_name(called))
            others = sum(other.stat().st_size for other in self._files.values() if other != target)
            file_copies.copy(called, source, target, others)
            self._files[called] = target

    def data(self, name: str, source: object) -> None:
        """Record what the model is trained on, by digests of bytes and rows as they are now.

        Args:
            name: Such as `training` or `validation`.
            source: A file, a folder, a pattern, a version of data that was added (`sales@v3`), or a
                frame in memory.
        """
        facts = data_facts.facts_of(_key("data", name), source, self._describe)
        with self._open():
            self._data[name] = facts

    def model(
        self, model: object, preprocessor: object = None, *, input_example: object = None
    ) -> None:
        """Say what is registered at the end: objects, or paths of files.

        Args:
            model: The trained model.
            preprocessor: What was fitted with it.
            input_example: A few rows: gives the schema, and proves that what is stored answers as
                the object does.

        Raises:
            InvalidInputError: If one is an object of which no file keeps the whole: better now than
                after the training.
        """
        for role, part in (("model", model), ("preprocessor", preprocessor)):
            if part is not None and role not in self._named_formats:
                formats.check_home(part)
        with self._open():
            self._model = (model, preprocessor, input_example)

    def history(self, history: Mapping[str, Any]) -> None:
        """Record the curves of a history as libraries keep them.

        Args:
            history: `evals_result()` of XGBoost, what `record_evaluation` of LightGBM fills,
                `History.history` of Keras: series by name, or by data and name.
        """
        for name, values in fit_reports.of_history(history).items():
            self.series(name, values)

    def fitted(self, model: object) -> None:
        """Record what a fitted object tells of its training.

        Args:
            model: A search, gradient boosting or a perceptron of scikit-learn, an estimator of
                XGBoost or LightGBM, or a pipeline that ends in one.
        """
        self.absorb(fit_reports.of(model), replace=True)

    # What became of it

    @property
    def models(self) -> tuple[object, ...]:
        """What the run is to register, so far: the model, and its preprocessor if it has one."""
        with self._lock:
            models = self._model[:2] if self._model is not None else ()
            return tuple(model for model in models if model is not None)

    def absorb(self, report: FitReport, *, replace: bool = False) -> None:
        """Record what a fitted object told; unless *replace*, what was told by hand stays."""
        with self._open():
            if replace or not self._parameters:
                self.parameters(report.parameters)
            for name, value in report.metrics.items():
                if replace or name not in self._metrics:
                    self.metric(name, value)
            for name, values in report.series.items():
                if replace or name not in self._curves:
                    self.series(name, values, report.steps.get(name))
            if report.candidates and (replace or CANDIDATES not in self._files):
                self._keep_candidates(report.candidates)

    def _keep_candidates(self, content: bytes) -> None:
        with scratch.folder(self.folder) as own:
            path = own / CANDIDATES
            path.write_bytes(content)
            self.file(path)

    @property
    def version(self) -> VersionInfo:
        """The version that the run became, once its block has ended.

        Raises:
            InvalidInputError: If it became none.
        """
        if self.result is None:
            problem = "became no version" if self._ended else "has no version yet"
            raise InvalidInputError(f"training of {self.model_name}", problem)
        return self.result.version

    def gather(self) -> GatheredRun:
        """End the run, and return everything that it was told.

        Raises:
            InvalidInputError: If there is no model among it.
        """
        with self._open():
            self._ended = True
            if self._model is None:
                advice = "call run.model(model) in the block"
                raise InvalidInputError(f"training of {self.model_name}", _NOT_MODEL, advice)
            model, preprocessor, example = self._model
            self._model = None
            finished = {name: points.finished() for name, points in sorted(self._curves.items())}
            self._finished = {name: curve for name, curve in finished.items() if curve is not None}
            return GatheredRun(
                model=model,
                preprocessor=preprocessor,
                example=example,
                parameters=self._parameters,
                metrics=self._metrics,
                curves=self._finished,
                data=self._data,
                figures=len(self._figures),
                files=len(self._files),
            )

    def end(self) -> None:
        """Take nothing more, and let go of the model."""
        with self._lock:
            self._ended, self._model = True, None

    @property
    def is_own(self) -> bool:
        """True in the process that began it."""
        return os.getpid() == self._owner

    def _repr_html_(self) -> str:
        """Show in a notebook what the run became."""
        from holdfast.core import notebook

        if self.result is None:
            stand = "ended without a version" if self._ended else "goes on"
            return notebook.view(notebook.heading(self.model_name, f"training {stand}"))
        kept = TrainingRecord(self.result.ref, curves=self._finished)
        return self.result.version._repr_html_() + (kept._repr_html_() if kept.curves else "")

    # The rest

    def _open(self) -> AbstractContextManager[Any]:
        """Return the lock, where something can still be told.

        Raises:
            UnsupportedError: In a forked child.
            InvalidInputError: If the block has ended.
        """
        subject = f"training of {self.model_name}"
        if not self.is_own:
            advice = "return the figures to that process and tell them there"
            raise UnsupportedError(subject, "was begun by another process", advice)
        if self._ended:
            raise InvalidInputError(subject, "has ended", "begin another with holdfast.training")
        return self._lock

    def _points(self, name: str) -> CurvePoints:
        if name not in self._curves:
            if len(self._curves) >= curves.MOST_CURVES:
                raise _too_many("curves", curves.MOST_CURVES)
            self._curves[_key("curve", name, curves.LONGEST_NAME)] = CurvePoints()
        return self._curves[name]

    def _claim(self, what: str, name: str, taken: Mapping[str, Path], most: int) -> None:
        """Refuse a name that is another's where case does not count, or one too many."""
        for other in taken:
            if other != name and other.casefold() == name.casefold():
                problem = f"equals {other!r} where file systems ignore case"
                raise InvalidInputError(f"{what} {name!r}", problem, "rename one of them")
        if name not in taken and len(taken) >= most:
            raise _too_many(f"{what}s", most)

    def _place(self, role: str, file_name: str) -> Path:
        names.check_paths([f"{role}/{file_name}"])
        folder = self.folder / role
        folder.mkdir(exist_ok=True)
        return folder / file_name


def _key(what: str, name: object, most: int = _LONGEST_KEY) -> str:
    if not isinstance(name, str) or not names.is_key(name):
        advice = "use printable characters"
        raise InvalidInputError(f"{what} {figure_content.shown(name)}", "is not a name", advice)
    if len(name) > most:
        problem = f"has {len(name):,} characters, more than {most}"
        raise InvalidInputError(f"{what} {figure_content.shown(name)}", problem, "shorten it")
    return name


def _too_many(what: str, most: int) -> InvalidInputError:
    return InvalidInputError(what, f"are more than {most:,}", "record those that tell something")
