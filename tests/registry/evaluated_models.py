"""Models of plain Python and numpy that are evaluated: good ones, and ones that misbehave."""

import os
from pathlib import Path
from typing import Any

import numpy as np

SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "number"}, "visits": {"type": "integer"}},
    "required": ["age", "visits"],
    "order": ["age", "visits"],
}


class Threshold:
    """Answers 1 from an age on, with probabilities that rise with it."""

    classes_ = (0, 1)

    def __init__(self, age: float) -> None:
        self.age = age

    def predict(self, rows: Any) -> Any:
        return (np.asarray(rows)[:, 0] >= self.age).astype(int)

    def predict_proba(self, rows: Any) -> Any:
        share = 1 / (1 + np.exp(-(np.asarray(rows)[:, 0] - self.age) / 10))
        return np.column_stack([1 - share, share])


class Wordy:
    """Answers 1 to texts that have a word."""

    def predict(self, texts: Any) -> Any:
        return np.asarray([int("late" in text) for text in texts])


class Bright:
    """Answers 1 to pictures whose mean is high; of another shape or type it takes none."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def predict(self, rows: Any) -> Any:
        assert rows.shape[1:] == self.shape, rows.shape
        assert rows.dtype == np.float32, rows.dtype
        return (rows.reshape(len(rows), -1).mean(axis=1) > 0.5).astype(int)


class Line:
    """Answers a number."""

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def predict(self, rows: Any) -> Any:
        return np.asarray(rows)[:, 0] * self.slope + 0.5


class Misbehaving:
    """Does what it is told to do when it is asked."""

    def __init__(self, how: str) -> None:
        self.how = how

    def predict(self, rows: Any) -> Any:
        return getattr(self, f"_{self.how}")(np.asarray(rows))

    def _crash(self, _rows: Any) -> Any:
        os.abort()

    def _exit(self, _rows: Any) -> Any:
        raise SystemExit(0)

    def _hang(self, _rows: Any) -> Any:
        while True:
            pass

    def _eat(self, _rows: Any) -> Any:
        return np.ones(1 << 50)

    def _raise(self, _rows: Any) -> Any:
        raise ValueError("no such feature")

    def _nan(self, rows: Any) -> Any:
        answers = rows[:, 0] * 1.5
        answers[1] = np.nan
        return answers

    def _wide(self, rows: Any) -> Any:
        return np.ones((len(rows), 3), dtype=int)

    def _short(self, rows: Any) -> Any:
        return rows[:-1, 0]

    def _records(self, rows: Any) -> Any:
        return {"label": rows[:, 0], "score": rows[:, 1]}

    def _mixed(self, rows: Any) -> Any:
        return [1] * len(rows) if self.__dict__.setdefault("asked", []) else ["a"] * len(rows)

    def _texts(self, rows: Any) -> Any:
        return np.where(rows[:, 0] >= 40, "yes", "no")


class Spy:
    """Tries to read the right answers, and answers them if it can; else it answers 0."""

    def __init__(self, path: str) -> None:
        self.path = path

    def predict(self, rows: Any) -> Any:
        try:
            lines = Path(self.path).read_text().splitlines()[1:]
            return np.asarray([int(line.split(",")[2]) for line in lines])
        except OSError:
            return np.zeros(len(rows), dtype=int)


class Unsure(Threshold):
    """Gives probabilities that are none."""

    def __init__(self, how: str) -> None:
        super().__init__(40)
        self.how = how

    def predict_proba(self, rows: Any) -> Any:
        shares = super().predict_proba(rows)
        match self.how:
            case "nan":
                shares[0] = np.nan
            case "sum":
                shares *= 0.5
            case "range":
                shares += [-1.0, 1.0]
            case "many":
                return np.ones((len(rows), 50)) / 50
            case "raise":
                raise NotImplementedError("trained without them")
        return shares
