"""What a version answers to rows: collected part by part, sent as JSON, read without belief."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from holdfast.errors import UnsupportedError

__all__ = ["MOST_CLASSES", "Answers", "Collector", "most_bytes", "received"]

Sort = Literal["text", "boolean", "integer", "number"]

MOST_CLASSES: Final = 20
"""Classes whose probabilities are kept for each row."""

_BINARY: Final = 2
_AXES: Final = 2
_SPARE_BYTES: Final = 8 << 20
_MOST_BYTES: Final = 1 << 30
_NEAR: Final = 1e-3
_SORTS: Final[dict[str, Sort]] = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a version answered, one for each row.

    Attributes:
        sort: What the answers are.
        values: Numbers as float64; of texts the index in *texts*.
        texts: The distinct answers, where they are texts.
        chances: Probabilities, shape (n, classes), float64; None where the version gives none.
        classes: What the columns of *chances* are of; None where the version does not say.
        no_chances: Why there are none.
        estimator: What the library says that the model is, None where it says nothing.
    """

    sort: Sort
    values: Any
    texts: tuple[str, ...] = ()
    chances: Any = None
    classes: tuple[Any, ...] | None = None
    no_chances: str = "it gives no probabilities"
    estimator: Literal["classifier", "regressor"] | None = None

    @property
    def listed(self) -> tuple[Any, ...]:
        """The distinct answers."""
        import numpy as np

        return self.texts if self.sort == "text" else tuple(np.unique(self.values).tolist())


def most_bytes(rows: int) -> int:
    """Return how long the JSON of so many answers may be."""
    return min(_MOST_BYTES, _SPARE_BYTES + rows * 11 * (1 + MOST_CLASSES))


class Collector:
    """Collects the answers of one version; in the child."""

    def __init__(self, label: Callable[[Any], Any], chances: Callable[[Any], Any] | None) -> None:
        self._label = label
        self._chances = chances
        self._codes: dict[str, int] = {}
        self._sorts: set[Sort] = set()
        self._values: list[Any] = []
        self._shares: list[Any] = []
        self._why = "" if chances is not None else "it gives no probabilities"

    def add(self, prepared: Any, rows: int) -> None:
        """Ask for the answers to one part.

        Raises:
            ValueError: If there is not one answer for each row.
        """
        import numpy as np

        answer = _plain(self._label(prepared))
        if answer.ndim == _AXES and answer.shape[1] > 1 and answer.dtype.kind == "f":
            if self._chances is None:  # a network's last layer: the greatest is the answer
                self._keep_shares(answer, rows)
            answer = answer.argmax(axis=1)
        elif answer.ndim == _AXES and answer.shape[1] == 1:
            answer = answer[:, 0]
        if answer.shape != (rows,):
            shape = list(answer.shape)
            raise ValueError(f"answers have the shape {shape}, not one for each of {rows} rows")
        sort = _SORTS.get(answer.dtype.kind, "text")
        if sort == "text":
            texts = answer.tolist()
            sort = _sort_of(texts)
        self._sorts.add(sort)
        if sort == "text":
            codes = [
                self._codes.setdefault(str(text), len(self._codes)) for text in answer.tolist()
            ]
            self._values.append(np.asarray(codes, dtype="float64"))
        else:
            self._values.append(answer.astype("float64"))
        if self._chances is not None:
            self._ask_chances(prepared, rows)

    def _ask_chances(self, prepared: Any, rows: int) -> None:
        try:
            shares = _plain(self._chances(prepared))  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - some have the method and no probabilities
            self._why = f"its probabilities fail: {type(error).__name__}: {error}"[:200]
            self._chances = None
            return
        self._keep_shares(shares, rows)

    def _keep_shares(self, shares: Any, rows: int) -> None:
        if shares.ndim == 1:
            shares = shares.reshape(-1, 1)
        if shares.ndim != _AXES or len(shares) != rows or shares.dtype.kind not in "fiu":
            self._why = f"its probabilities have the shape {list(shares.shape)}"
        elif shares.shape[1] > MOST_CLASSES:
            self._why = f"{shares.shape[1]} classes are more than the {MOST_CLASSES} that are kept"
        else:
            self._shares.append(shares.astype("float64"))

    def sent(self, classes: Sequence[Any] | None) -> dict[str, Any]:
        """Return all of it as plain JSON.

        Args:
            classes: What the probabilities are of, where the version says.

        Raises:
            ValueError: If the parts were answered with different kinds of values.
        """
        import numpy as np

        sort = _joined(self._sorts)
        values = np.concatenate(self._values)
        sent: dict[str, Any] = {"sort": sort, "values": _packed(values), "texts": list(self._codes)}
        widths = {part.shape[1] for part in self._shares}
        why = self._why
        if not why and len(self._shares) == len(self._values) and len(widths) == 1:
            width = widths.pop()
            sent["chances"], sent["width"] = _packed(np.concatenate(self._shares)), width
            sent["classes"] = None if classes is None else [_value(item) for item in classes]
        sent["why"] = why
        return sent


def _joined(sorts: set[Sort]) -> Sort:
    if len(sorts) == 1:
        return next(iter(sorts))
    if "text" in sorts:
        raise ValueError(f"answers are of different kinds: {', '.join(sorted(sorts))}")
    return "number"


def _sort_of(values: Sequence[Any]) -> Sort:
    """Tell what objects are: all numbers are numbers, all else is text."""
    if all(isinstance(value, bool) for value in values):
        return "boolean"
    if all(isinstance(value, int) for value in values):
        return "integer"
    numeric = all(value is None or isinstance(value, int | float) for value in values)
    return "number" if numeric else "text"


def _value(item: Any) -> Any:
    value = item.item() if hasattr(item, "item") else item
    return value if isinstance(value, bool | int | float | str) else str(value)


def _plain(answer: Any) -> Any:
    """Bring what libraries return to one array.

    Raises:
        TypeError: If it is several by name.
    """
    import numpy as np

    if isinstance(answer, Mapping):
        raise TypeError(f"answers are several, by name: {', '.join(map(str, answer))}"[:200])
    if isinstance(answer, tuple) and answer and np.ndim(answer[0]) > 0:  # of a graph: the first
        answer = answer[0]
    if hasattr(answer, "detach"):  # a tensor
        answer = answer.detach().cpu().float().numpy()
    if hasattr(answer, "toarray"):  # sparse
        answer = answer.toarray()
    if hasattr(answer, "to_numpy"):
        answer = answer.to_numpy()
    return np.asarray(answer)


def _packed(array: Any) -> str:
    return base64.b64encode(array.astype("<f8").tobytes()).decode("ascii")


def received(ref: str, sent: Any, rows: int) -> Answers:
    """Read what a child told, strictly.

    Raises:
        UnsupportedError: If it is not one answer for each row, or a number among them is not one.
    """
    import numpy as np

    if not isinstance(sent, dict) or sent.get("sort") not in (*_SORTS.values(), "text"):
        raise _strange(ref)
    values, texts, sort = _unpacked(ref, sent.get("values"), rows), sent.get("texts"), sent["sort"]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _strange(ref)
    bad = int((~np.isfinite(values)).sum())
    if bad:
        problem = f"answered {bad} of {rows} rows with NaN or infinity"
        raise UnsupportedError(ref, problem, "fix the version, or give rows that it can answer")
    if sort == "text" and not (
        (values >= 0).all() and (values < len(texts)).all() and len(texts) <= rows
    ):
        raise _strange(ref)
    why, classes, chances = str(sent.get("why") or "")[:200], sent.get("classes"), None
    if "chances" in sent:
        width = sent.get("width")
        if type(width) is not int or not 0 < width <= MOST_CLASSES:
            raise _strange(ref)
        chances = _unpacked(ref, sent["chances"], rows * width).reshape(rows, width)
        chances, why = _sound(chances)
        if classes is not None and not _is_list_of(classes, width):
            raise _strange(ref)
    known = None if classes is None or chances is None else tuple(classes)
    listed = tuple(texts) if sort == "text" else ()
    estimator: Any = sent.get("estimator")
    if estimator not in ("classifier", "regressor"):
        estimator = None
    why = why or "it gives no probabilities"
    return Answers(sort, values, listed, chances, known, why, estimator)


def _is_list_of(classes: Any, width: int) -> bool:
    return (
        isinstance(classes, list)
        and len(classes) == width
        and all(isinstance(item, bool | int | float | str) for item in classes)
        and len({*map(str, classes)}) == width
    )


def _sound(chances: Any) -> tuple[Any, str]:
    """Return probabilities that can be ones, and why not if they cannot."""
    import numpy as np

    bad = int((~np.isfinite(chances)).any(axis=1).sum())
    if bad:
        return None, f"its probabilities are NaN or infinite in {bad} rows"
    if (chances < -_NEAR).any() or (chances > 1 + _NEAR).any():
        return None, "its probabilities are outside 0 and 1"
    if chances.shape[1] > 1 and (abs(chances.sum(axis=1) - 1) > _NEAR).any():
        return None, "its probabilities do not add up to 1"
    return np.clip(chances, 0.0, 1.0), ""


def _unpacked(ref: str, text: Any, count: int) -> Any:
    import numpy as np

    try:
        raw = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise _strange(ref) from error
    if len(raw) != 8 * count:
        raise _strange(ref)
    return np.frombuffer(raw, dtype="<f8")


def _strange(ref: str) -> UnsupportedError:
    return UnsupportedError(ref, "did not report one answer for each row", "check the file")
