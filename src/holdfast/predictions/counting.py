"""What a log tells of a rollout: the counts that its verdict rests on."""

import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from holdfast.core.fleet import Keys, Sides, StepCounts
from holdfast.core.rollout.key_sample import ACTIVE, CANARY, KeySample, met, told
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.predictions.filters import FAILED, Filter
from holdfast.predictions.log import Log

_MOST: Final = 16_384
_HOUR_US: Final = 3_600_000_000
_CALL_US: Final = "coalesce(model_us, latency_us)"
"""What is held against the baseline: the model's call alone, for a request's wait may be for the
other version's."""
_NO_ANSWER: Final = "(503, 504)"
_ROUTED: Final = "role IN ('active', 'canary', 'shadow')"
_FAILED_KEYS: Final = f"""
SELECT weight, role, at_us - at_us % {_HOUR_US}, key FROM rows
WHERE {FAILED} AND key IS NOT NULL AND role IN ('active', 'canary') GROUP BY 1, 2, 3, 4
"""  # noqa: S608
_SEEN_KEYS: Final = """
SELECT key, role, min(weight), min(at_us) FROM rows
WHERE key IS NOT NULL AND role IN ('active', 'canary') GROUP BY key, role
"""

_OUTPUTS: Final = f"SELECT weight, role, output FROM rows WHERE {_ROUTED} AND output IS NOT NULL"  # noqa: S608

Slower = tuple[tuple[float, int], ...]
_Seen = KeySample[tuple[int, float, str]]
"""When a key was first seen, on which weight, as which role."""
_SIDES: Final = {"canary": CANARY, "active": ACTIVE}


@dataclass(slots=True)
class _Step:
    weight: float
    requests: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    slower: dict[float, dict[str, int]] = field(default_factory=dict)
    failed: dict[int, KeySample[int]] = field(default_factory=dict)
    pairs: tuple[int, int, int] = (0, 0, 0)
    slower_pairs: dict[float, tuple[int, int, int]] = field(default_factory=dict)
    scores: dict[str, list[int]] = field(default_factory=dict)

    def score(self, role: str, bin_index: int, bins: int) -> None:
        """Count one score."""
        side = "active" if role == "active" else "canary"
        self.scores.setdefault(side, [0] * bins)[bin_index] += 1


def counts(log: Log, model: str, rollout: Rollout) -> list[StepCounts]:
    """Count the requests of a rollout on each of its steps.

    A request counts if it was routed by the rollout; what a caller pinned or forced carries no
    rollout's number. A failure is an answer of 5xx; of a pair also a 4xx of the candidate alone.
    A score is the first number of an answer, of several the last one; it falls into the bin whose
    lower edge it has reached.
    """
    by_weight = {weight: number for number, weight in enumerate(rollout.plan.steps)}
    steps = {number: _Step(weight) for weight, number in by_weight.items()}
    slower = rollout.slow_from_us(of_canary=False)
    source = _Source(log, Filter(model=model, rollout=rollout.number), rollout)
    for weight, role, *sums in source.sides():
        if weight in by_weight:
            _add_sides(
                steps[by_weight[weight]], "active" if role == "active" else "canary", sums, slower
            )
    if rollout.plan.strategy == "shadow":
        for weight, *sums in source.pairs():
            if weight in by_weight:
                _add_pairs(steps[by_weight[weight]], sums, slower)
    edges = rollout.baseline.score_edges if rollout.baseline else ()
    for weight, role, output in source.rows(_OUTPUTS) if edges else ():
        score = score_of(output)
        if weight in by_weight and score is not None:
            steps[by_weight[weight]].score(role, bisect.bisect_right(edges, score), len(edges) + 1)
    seen: _Seen | None = None
    if rollout.sticky is not None:
        for weight, role, hour_us, key in source.rows(_FAILED_KEYS):
            if weight in by_weight and (number := _key(key)) is not None:
                hours = steps[by_weight[weight]].failed
                met(hours.setdefault(hour_us // _HOUR_US, KeySample(_MOST)), number, _SIDES[role])
        seen = _first_seen(source)
    return [
        _told(number, step, _seen_on(seen, step.weight)) for number, step in sorted(steps.items())
    ]


class _Source:
    """The rows of one rollout, asked in SQL that every kind of log reads."""

    def __init__(self, log: Log, criteria: Filter, rollout: Rollout) -> None:
        self._log = log
        self._wanted = criteria
        sides = {"active": False, "canary": True}
        self._quantiles = range(len(rollout.slow_from_us(of_canary=False)))
        self._taus = {
            f"{side}{index}": tau
            for side, of_canary in sides.items()
            for index, (_, tau) in enumerate(rollout.slow_from_us(of_canary=of_canary))
        }

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Any]:
        return self._log.select(sql, self._wanted, parameters or {})

    def sides(self) -> Iterator[Any]:
        """Return weight, role, requests, failures, then the slower ones by quantile."""
        sums = [FAILED]
        sums += [
            f"{_CALL_US} > CASE WHEN role = 'active' THEN $active{index} "
            f"ELSE $canary{index} END OR status IN {_NO_ANSWER}"
            for index in self._quantiles
        ]
        sql = (
            f"SELECT weight, role, count(*), {_sums(sums)} FROM rows "  # noqa: S608
            f"WHERE {_ROUTED} GROUP BY weight, role"
        )
        return self.rows(sql, self._taus)

    def pairs(self) -> Iterator[Any]:
        """Return weight, then, for failures and for each quantile: canary, active alone, both."""
        of = "max(CASE WHEN role = '{}' THEN {} END) AS {}".format
        columns = [
            of(role, value, f"{role}_{name}")
            for role in ("active", "shadow")
            for name, value in (("status", "status"), ("latency_us", _CALL_US))
        ]
        inner = (
            f"SELECT request_id, max(weight) AS weight, {', '.join(columns)} FROM rows "  # noqa: S608
            "WHERE request_id IS NOT NULL AND role IN ('active', 'shadow') "
            "GROUP BY request_id HAVING count(DISTINCT role) = 2"
        )
        facts = [
            ("(shadow_status >= 500 OR shadow_status >= 400 AND active_status < 400)",
             "active_status >= 500"),
            *(
                (f"(shadow_latency_us > $canary{index} OR shadow_status IN {_NO_ANSWER})",
                 f"(active_latency_us > $active{index} OR active_status IN {_NO_ANSWER})")
                for index in self._quantiles
            ),
        ]  # fmt: skip
        sums = [
            condition
            for canary, active in facts
            for condition in (
                f"{canary} AND NOT {active}", f"NOT {canary} AND {active}", f"{canary} AND {active}"
            )
        ]  # fmt: skip
        sql = f"SELECT weight, {_sums(sums)} FROM ({inner}) AS pairs GROUP BY weight"  # noqa: S608
        return self.rows(sql, self._taus)


def _sums(conditions: list[str]) -> str:
    return ", ".join(f"sum(CASE WHEN {condition} THEN 1 ELSE 0 END)" for condition in conditions)


def _add_sides(step: _Step, side: str, sums: list[Any], slower: Slower) -> None:
    requests, failures, *late = sums
    step.requests[side] = step.requests.get(side, 0) + int(requests)
    step.failures[side] = step.failures.get(side, 0) + int(failures)
    for (quantile, _), more in zip(slower, late, strict=True):
        sides = step.slower.setdefault(quantile, {})
        sides[side] = sides.get(side, 0) + int(more)


def _add_pairs(step: _Step, sums: list[Any], slower: Slower) -> None:
    triples = [(int(a), int(b), int(c)) for a, b, c in zip(*[iter(sums)] * 3, strict=True)]
    step.pairs = _plus(step.pairs, triples[0])
    for (quantile, _), triple in zip(slower, triples[1:], strict=True):
        step.slower_pairs[quantile] = _plus(step.slower_pairs.get(quantile, (0, 0, 0)), triple)


def _plus(first: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return first[0] + other[0], first[1] + other[1], first[2] + other[2]


def _first_seen(source: _Source) -> _Seen:
    """Return, for each key, when it was first seen, on which weight and side."""
    seen: _Seen = KeySample(_MOST)
    for key, role, weight, at_us in source.rows(_SEEN_KEYS):
        number = _key(key)
        if number is not None:
            first = (at_us, weight, role)
            seen.put(number, min(first, seen.known.get(number, first)))
    return seen


def score_of(output: str) -> float | None:
    """Return the score in an answer, which is JSON with one value for each row."""
    try:
        answers = msgspec.json.decode(output)
    except msgspec.DecodeError:
        return None
    return _first_number(answers[0]) if isinstance(answers, list) and answers else None


def _first_number(value: Any) -> float | None:
    if isinstance(value, dict):
        numbers = map(_first_number, value.values())
        return next((number for number in numbers if number is not None), None)
    if isinstance(value, list):
        return _first_number(value[-1]) if value else None
    return float(value) if isinstance(value, int | float) else None


def _key(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None


def _seen_on(seen: _Seen | None, weight: float) -> Keys:
    if seen is None:
        return Keys()
    here = {key: _SIDES[role] for key, (_, first, role) in seen.known.items() if first == weight}
    return told(seen.level, here)


def _sides(counted: Mapping[str, int]) -> Sides:
    return Sides(counted.get("canary", 0), counted.get("active", 0))


def _told(number: int, step: _Step, first_seen: Keys) -> StepCounts:
    return StepCounts(
        step=number,
        weight=step.weight,
        requests=_sides(step.requests),
        failures=_sides(step.failures),
        failed_keys=tuple(
            (hour, told(keys.level, keys.known)) for hour, keys in sorted(step.failed.items())
        ),
        first_seen=first_seen,
        slower=tuple((quantile, _sides(sides)) for quantile, sides in sorted(step.slower.items())),
        pairs=step.pairs,
        slower_pairs=tuple(sorted(step.slower_pairs.items())),
        scores=(tuple(step.scores.get("canary", ())), tuple(step.scores.get("active", ()))),
    )
