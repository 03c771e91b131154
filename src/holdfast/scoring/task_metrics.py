"""The figures of a task, by scikit-learn, and of what rows each is the mean.

A figure that is not defined on these rows is not measured, and says why: none is ever NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from holdfast.errors import MissingLibraryError
from holdfast.formats.bootstrap import numpy

__all__ = ["Classified", "Regressed", "Unmeasured", "sklearn", "sklearn_version"]

_BINARY: Final = 2
_BRIER: Final = "brier"


class Unmeasured(Exception):  # noqa: N818 - a reason, not a failure
    """Why a figure has no value on these rows."""


def sklearn() -> Any:
    """Import scikit-learn's metrics.

    Raises:
        MissingLibraryError: If it is not installed.
    """
    try:
        from sklearn import metrics
    except ImportError as error:
        raise MissingLibraryError("scikit-learn", "sklearn", "its metrics are used") from error
    return metrics


def sklearn_version() -> str:
    """Tell which scikit-learn computes the figures."""
    from importlib.metadata import version

    sklearn()
    return version("scikit-learn")


@dataclass(frozen=True, slots=True)
class Regressed:
    """One side of a regression, or some rows of it.

    Attributes:
        truth: float64, shape (n,).
        answered: The same.
    """

    truth: Any
    answered: Any

    def of(self, rows: Any) -> "Regressed":
        """Return some rows."""
        return Regressed(self.truth[rows], self.answered[rows])

    def losses(self) -> dict[str, Any]:
        """Return what each row has of the figures that are means."""
        return {"mae": abs(self.answered - self.truth)}

    def further_losses(self) -> dict[str, Any]:
        """Return losses that are measured where somebody names them."""
        return {"mse": (self.answered - self.truth) ** 2}

    def figures(self) -> dict[str, Callable[[], float]]:
        """Return how each other figure is computed."""
        return {"rmse": self._rmse, "r2": self._r2, "mape": self._mape}

    def _rmse(self) -> float:
        return float(sklearn().root_mean_squared_error(self.truth, self.answered))

    def _r2(self) -> float:
        if len(self.truth) < 2 or self.truth.min() == self.truth.max():  # noqa: PLR2004
            raise Unmeasured("the label is the same in every row")
        return float(sklearn().r2_score(self.truth, self.answered))

    def _mape(self) -> float:
        if (self.truth == 0).any():
            raise Unmeasured(f"the label is 0 in {int((self.truth == 0).sum())} rows")
        return float(sklearn().mean_absolute_percentage_error(self.truth, self.answered))


@dataclass(frozen=True, slots=True)
class Classified:
    """One side of a classification, or some rows of it.

    Attributes:
        truth: Index of each row's class, int64, shape (n,).
        answered: The same.
        classes: As text, sorted: those of the label and of both versions.
        positive: Index of the class that is looked for, None unless there are two.
        chances: Probability of each class, shape (n, classes); NaN where the version has none for
            a class. None without any.
        no_chances: Why there are none.
    """

    truth: Any
    answered: Any
    classes: tuple[str, ...]
    positive: int | None
    chances: Any
    no_chances: str

    def of(self, rows: Any) -> "Classified":
        """Return some rows."""
        chances = None if self.chances is None else self.chances[rows]
        return Classified(
            self.truth[rows], self.answered[rows], self.classes, self.positive, chances,
            self.no_chances,
        )  # fmt: skip

    def losses(self) -> dict[str, Any]:
        """Return what each row has of the figures that are means."""
        np = numpy()
        losses = {"accuracy": (self.truth == self.answered).astype("float64")}
        if self.chances is not None:
            own = self.chances[np.arange(len(self.truth)), self.truth]
            if not np.isnan(own).any():
                least = np.finfo("float64").eps
                losses["log_loss"] = -np.log(np.clip(own, least, 1.0))
                losses[_BRIER] = self._brier()
        return losses

    def further_losses(self) -> dict[str, Any]:
        """Return losses that are measured where somebody names them."""
        return {"error_rate": (self.truth != self.answered).astype("float64")}

    def _brier(self) -> Any:
        np = numpy()
        chances = np.nan_to_num(self.chances)
        if self.positive is not None:
            return (chances[:, self.positive] - (self.truth == self.positive)) ** 2
        right = np.zeros_like(chances)
        right[np.arange(len(self.truth)), self.truth] = 1.0
        return ((chances - right) ** 2).sum(axis=1)

    def figures(self) -> dict[str, Callable[[], float]]:
        """Return how each other figure is computed."""
        return {
            "balanced_accuracy": self._balanced,
            "precision": self._precision,
            "recall": self._recall,
            "f1": self._f1,
            "roc_auc": self._roc_auc,
            "average_precision": self._average_precision,
        } | dict.fromkeys(("log_loss", _BRIER), self._missing)

    def _missing(self) -> float:
        """Say why a figure that is a mean over rows is not."""
        if self.chances is None:
            raise Unmeasured(self.no_chances)
        raise Unmeasured("the label has classes that the version gives no probability for")

    def _balanced(self) -> float:
        np = numpy()
        there = np.unique(self.truth)
        recalls = [(self.answered[self.truth == label] == label).mean() for label in there]
        return float(np.mean(recalls))

    def _require_two(self) -> int | None:
        if len(self.classes) < _BINARY:
            raise Unmeasured(f"only one class is known, {self.classes[0]!r}")
        return self.positive

    def _precision(self) -> float:
        positive = self._require_two()
        if positive is not None and not (self.answered == positive).any():
            raise Unmeasured(f"no row is answered with {self.classes[positive]!r}")
        return self._scored(sklearn().precision_score)

    def _recall(self) -> float:
        positive = self._require_two()
        if positive is not None and not (self.truth == positive).any():
            raise Unmeasured(f"the label has no {self.classes[positive]!r}")
        return self._scored(sklearn().recall_score)

    def _f1(self) -> float:
        positive = self._require_two()
        if (
            positive is not None
            and not ((self.truth == positive) | (self.answered == positive)).any()
        ):
            raise Unmeasured(f"neither label nor answers have {self.classes[positive]!r}")
        return self._scored(sklearn().f1_score)

    def _scored(self, score: Callable[..., Any]) -> float:
        if self.positive is None:
            return float(score(self.truth, self.answered, average="macro", zero_division=0.0))
        hits, right = self.answered == self.positive, self.truth == self.positive
        return float(score(right, hits, zero_division=0.0))

    def ranked(self) -> tuple[Any, Any]:
        """Return probabilities and truth by class, shape (n, columns), of what is ranked.

        Raises:
            Unmeasured: If there is nothing to rank.
        """
        np = numpy()
        if self.chances is None:
            raise Unmeasured(self.no_chances)
        there = np.unique(self.truth)
        if len(there) < _BINARY:
            raise Unmeasured(f"the label has one class alone, {self.classes[int(there[0])]!r}")
        if self.positive is not None:
            columns = [self.positive]
        elif len(there) < len(self.classes):
            gone = next(name for at, name in enumerate(self.classes) if at not in there)
            raise Unmeasured(f"the label has no row of {gone!r}")
        else:
            columns = list(range(len(self.classes)))
        chances = self.chances[:, columns]
        if np.isnan(chances).any():
            raise Unmeasured("the label has classes that the version gives no probability for")
        return chances, self.truth[:, None] == np.asarray(columns)

    def _roc_auc(self) -> float:
        chances, right = self.ranked()
        score = sklearn().roc_auc_score
        values = [score(right[:, at], chances[:, at]) for at in range(chances.shape[1])]
        return float(sum(values) / len(values))

    def _average_precision(self) -> float:
        chances, right = self.ranked()
        score = sklearn().average_precision_score
        values = [score(right[:, at], chances[:, at]) for at in range(chances.shape[1])]
        return float(sum(values) / len(values))
