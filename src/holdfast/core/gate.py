"""The gate before production: judges a version by the policy and against the champion."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from holdfast.core import ability, evaluation, wording
from holdfast.core import metrics as measures
from holdfast.core import paired as pairing
from holdfast.core.evaluation import PastEvaluation
from holdfast.core.manifest import Manifest
from holdfast.core.metrics import MetricChange, exceeds
from holdfast.core.paired import Paired
from holdfast.core.policy import MetricRule, Policy
from holdfast.core.schema import rules
from holdfast.core.schema_change import SchemaChange
from holdfast.core.version import level_between, parse


class Verdict(Struct, frozen=True):
    """The gate's answer.

    Attributes:
        reasons: Every reason to refuse; empty lets the version pass.
        changes: All metrics, candidate against champion.
        remarks: What it notes and lets pass: regressions within bounds, metrics it cannot judge.
        paired: Losses on the same rows, each with its interval.
    """

    reasons: tuple[str, ...]
    changes: tuple[MetricChange, ...]
    remarks: tuple[str, ...]
    paired: tuple[Paired, ...] = ()

    @property
    def passed(self) -> bool:
        """True if there is no reason against the version."""
        return not self.reasons


class Candidate(Struct, frozen=True):
    """What the gate knows of one version.

    Attributes:
        manifest: Of the version.
        metrics: The manifest's, with later evaluations merged over them.
        approvals: Those whose approvals count, without the one who promotes.
        uncounted: Others who approved it, with why they do not count.
        signed_by: Listed signers whose signature of it was checked.
        evaluations: Those that Holdfast measured, the last of each name.
    """

    manifest: Manifest
    metrics: Mapping[str, float]
    approvals: frozenset[str]
    signed_by: frozenset[str] = frozenset()
    uncounted: Mapping[str, str] = field(default_factory=dict)
    evaluations: tuple[PastEvaluation, ...] = ()


def judge(
    policy: Policy,
    candidate: Candidate,
    champion: Candidate | None,
    paired: Sequence[Paired] = (),
) -> Verdict:
    """Judge *candidate* by the policy and against the *champion*, if there is one.

    A metric that is the mean of *paired* losses is judged by their interval, not by its two values.
    """
    before = champion.metrics if champion else {}
    changes = measures.changes(before, candidate.metrics, policy.directions)
    reasons: list[str] = []
    remarks: list[str] = []
    for change in changes:
        _judge_bounds(policy, change, reasons)
        if champion is not None and not any(_is_mean(change, pair) for pair in paired):
            _judge_regression(policy, change, reasons, remarks)
    for pair in paired:
        _judge_paired(policy, pair, reasons, remarks)
    for name in policy.required_evaluations:
        _judge_evaluation(policy, name, (candidate, champion, paired), reasons, remarks)
    reasons += [
        f"{name}: missing, but the policy requires it"
        for name in policy.required_metrics
        if name not in candidate.metrics
    ]
    reasons += [
        f"{name}: missing, but the policy sets a bound for it"
        for name, rule in policy.metrics.items()
        if (rule.minimum, rule.maximum) != (None, None) and name not in candidate.metrics
    ]
    reasons += [
        f"{field}: empty, but the policy requires it"
        for field in policy.required_fields
        if not _filled(candidate.manifest, field)
    ]
    if champion is not None:
        reasons += _judge_schema(policy, candidate.manifest, champion.manifest)
        if policy.schema != "any":
            reasons += ability.judge(candidate.manifest, champion.manifest)
            remarks += ability.unsaid(candidate.manifest, champion.manifest)
    reasons += _judge_people(policy, candidate)
    reasons += _judge_code(policy, candidate)
    return Verdict(tuple(reasons), changes, tuple(remarks), tuple(paired))


def _judge_bounds(policy: Policy, change: MetricChange, reasons: list[str]) -> None:
    rule = policy.metrics.get(change.name, MetricRule())
    if change.after is None:
        return
    if rule.minimum is not None and exceeds(rule.minimum, change.after):
        after, minimum = wording.apart(change.after, rule.minimum)
        reasons.append(f"{change.name}: {after} is below the minimum {minimum}")
    if rule.maximum is not None and exceeds(change.after, rule.maximum):
        after, maximum = wording.apart(change.after, rule.maximum)
        reasons.append(f"{change.name}: {after} is above the maximum {maximum}")


def _judge_regression(
    policy: Policy, change: MetricChange, reasons: list[str], remarks: list[str]
) -> None:
    limit = _limit(policy, change.name)
    if limit is None:
        return
    if change.verdict == "missing":
        reasons.append(f"{change.name}: missing, but the champion has {change.before:g}")
    if change.before is None or change.after is None:
        return
    before, after = wording.apart(change.before, change.after)
    match change.verdict:
        case "changed":
            remarks.append(
                f"{change.name}: {before} → {after}, not judged, as "
                "the policy does not say which way is better"
            )
        case "worse":
            loss, most = wording.apart(change.loss, limit, "%")
            sentence = f"{change.name}: {after} is {loss} worse than the champion's {before}"
            if exceeds(change.loss, limit):
                reasons.append(f"{sentence}, more than the {most} allowed")
            else:
                remarks.append(f"{sentence}, within {most}")


def _limit(policy: Policy, metric: str) -> float | None:
    rule = policy.metrics.get(metric, MetricRule())
    return policy.max_regression if rule.max_regression is None else rule.max_regression


def demanded(policy: Policy, metric: str, champion: float | None) -> float | None:
    """Return the value of a metric that a version may not be worse than, `None` without one.

    Args:
        champion: What the live version has.
    """
    rule = policy.metrics.get(metric, MetricRule())
    direction = rule.direction or measures.direction_of(metric)
    if direction is None:
        return None
    absolute = rule.minimum if direction == "higher" else rule.maximum
    limit = _limit(policy, metric)
    if champion is None or limit is None:
        return absolute
    relative = champion - abs(champion) * limit * (1 if direction == "higher" else -1)
    if absolute is None:
        return relative
    return max(relative, absolute) if direction == "higher" else min(relative, absolute)


def _is_mean(change: MetricChange, pair: Paired) -> bool:
    return (change.name, change.before, change.after) == (pair.name, pair.before, pair.after)


Sides = tuple[Candidate, Candidate | None, Sequence[Paired]]


def _judge_evaluation(
    policy: Policy, name: str, sides: Sides, reasons: list[str], remarks: list[str]
) -> None:
    """Demand an evaluation that was measured, and judge what no other rule has judged of it."""
    candidate, champion, paired = sides
    mine = evaluation.named(candidate.evaluations, name)
    theirs = evaluation.named(champion.evaluations, name) if champion else None
    if mine is None:
        reasons.append(
            f"{name}: not measured, but the policy requires this evaluation (figures that were "
            f"told do not count); run `holdfast evaluate REF --data … --name {name}`"
        )
        return
    if theirs is not None and (problem := _apart(mine, theirs)):
        reasons.append(f"{name}: {problem}; measure both on the same rows")
        return
    if theirs is None and champion is not None:
        remarks.append(f"{name}: the champion was not measured on it, so nothing is compared")
    before = theirs.metrics if theirs else {}
    judged = {pair.name for pair in paired if pair.on == mine.data}
    for change in measures.changes(before, mine.metrics, policy.directions):
        known = champion.metrics.get(change.name) if champion else None
        if (known, candidate.metrics.get(change.name)) == (change.before, change.after):
            continue  # the same two values, which were judged as the version's metrics
        found: list[str] = []
        _judge_bounds(policy, change, found)
        noted: list[str] = []
        if theirs is not None and change.name not in judged:
            _judge_regression(policy, change, found, noted)
        reasons += [f"{name}: {sentence}" for sentence in found]
        remarks += [f"{name}: {sentence}" for sentence in noted]


def _apart(mine: PastEvaluation, theirs: PastEvaluation) -> str | None:
    """Say in what two evaluations differ that must be alike; None if they can be compared."""
    if mine.data != theirs.data:
        return (
            f"measured on data {mine.data[:12]} ({mine.rows} rows), but the champion on "
            f"{theirs.data[:12]} ({theirs.rows} rows)"
        )
    if (mine.label, mine.task) != (theirs.label, theirs.task):
        return (
            f"measured as {mine.task} of {mine.label!r}, but the champion as {theirs.task} "
            f"of {theirs.label!r}"
        )
    return None


def _judge_paired(policy: Policy, pair: Paired, reasons: list[str], remarks: list[str]) -> None:
    limit = _limit(policy, pair.name)
    if limit is None:
        return
    reason, remark = pairing.judge(pair, limit, policy.inconclusive)
    reasons += [reason] if reason else []
    remarks += [remark] if remark else []


def _filled(manifest: Manifest, field: str) -> bool:
    value: Any = manifest
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else getattr(value, part, None)
    return value not in (None, "", (), {}, [])


def schema_changes(before: Manifest, after: Manifest) -> tuple[SchemaChange, ...]:
    """Compare the input and output schemas of two versions."""
    return rules.compare(
        (before.input_schema, before.output_schema), (after.input_schema, after.output_schema)
    )


def _judge_schema(policy: Policy, candidate: Manifest, champion: Manifest) -> list[str]:
    if policy.schema == "any":
        return []
    below, version = parse(champion.version), parse(candidate.version)
    declared = below < version and level_between(below, version) == "major"
    if policy.schema == "declared" and declared:
        return []
    return [
        f"schema: {change.sentence}"
        for change in schema_changes(champion, candidate)
        if change.level == "major" or ability.takes_back(change, champion)
    ]


def _judge_people(policy: Policy, candidate: Candidate) -> list[str]:
    manifest = candidate.manifest
    reasons = []
    if policy.clean_scan and not candidate.approvals:
        reasons += [
            f"scan: {role} names {', '.join(scan.unknown)} outside the allow-list "
            f"(trusted: {scan.trusted}); a second person must approve it"
            for role, scan in manifest.scan.items()
            if scan.unknown
        ]
    if len(candidate.approvals) < policy.approvals:
        have = ", ".join(sorted(candidate.approvals)) or "nobody"
        others = "".join(f"; {name} {why}" for name, why in sorted(candidate.uncounted.items()))
        reasons.append(
            f"approvals: {len(candidate.approvals)} of {policy.approvals} "
            f"(so far {have}{others}; the promoter does not count)"
        )
    return reasons


def _judge_code(policy: Policy, candidate: Candidate) -> list[str]:
    listed = ", ".join(policy.signers)
    reasons = []
    if policy.require_signature and not candidate.signed_by:
        reasons.append(f"signature: no listed signer ({listed}) signed this version")
    if candidate.manifest.executes_code:
        if policy.code == "approved" and not candidate.approvals:
            reasons.append("code: its files run code on loading; a second person must approve it")
        if policy.code == "signed" and not candidate.signed_by:
            reasons.append(
                f"code: its files run code on loading; a listed signer ({listed}) must sign it"
            )
    return reasons
