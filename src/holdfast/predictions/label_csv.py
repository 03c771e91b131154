"""Labels as people bring them: one, or a CSV file of many."""

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from holdfast.core import strict_json
from holdfast.core.entry import parse_time
from holdfast.errors import InvalidInputError
from holdfast.predictions import ids
from holdfast.predictions.log import Label

_DATE: Final = re.compile(r"\d{4}-?(\d\d-?\d\d|W\d\d(-?\d)?)")
_NEEDED: Final = ("prediction_id", "label")


def value_of(text: str) -> Any:
    """Read a label: JSON where it is (`1`, `2.5`, `[0, 1]`), else text (`cat`)."""
    try:
        return strict_json.decode(text)
    except strict_json.RepeatedKeyError as error:
        raise InvalidInputError(
            f"label {text!r}", f"cannot be read: {error}", "leave one of them out"
        ) from error
    except ValueError:
        return text


def moment_us(text: str, *, of_a_day: Literal["start", "end"] = "end") -> int:
    """Read a time as microseconds since 1970.

    Args:
        of_a_day: Which moment a bare date means.

    Raises:
        InvalidInputError: If it is not a time.
    """
    moment = datetime.fromisoformat(parse_time(text))
    if of_a_day == "start" and _DATE.fullmatch(text.strip()):
        moment = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def from_csv(path: Path, at_us: int, by: str) -> list[Label]:
    """Read labels from columns `prediction_id` and `label`, and `at` and `by` if they are there.

    Args:
        at_us: For rows without `at`.
        by: For rows without `by`.

    Raises:
        InvalidInputError: If the file cannot be read, or a line is not a label; names the line.
    """
    subject = f"file {str(path)!r}"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_labels(csv.DictReader(file), subject, at_us, by))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(subject, problem, "check its path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(subject, f"is not CSV: {error}", "save it as UTF-8") from error


def _labels(reader: "csv.DictReader[str]", subject: str, at_us: int, by: str) -> Iterator[Label]:
    if not set(_NEEDED) <= set(reader.fieldnames or ()):
        advice = "give it the columns prediction_id and label, and optionally at and by"
        raise InvalidInputError(subject, "lacks columns", advice)
    for line in reader:
        try:
            ids.parse(line["prediction_id"] or "")
            yield Label(
                prediction_id=(line["prediction_id"] or "").strip(),  # as written, BATCH:ROW too
                label=value_of(line["label"] or ""),
                at_us=moment_us(line["at"]) if line.get("at") else at_us,
                by=line.get("by") or by,
            )
        except InvalidInputError as error:
            raise InvalidInputError(
                f"{subject}, line {reader.line_num}",
                f"cannot be used: {error}",
                "fix it; nothing was kept",
            ) from error
