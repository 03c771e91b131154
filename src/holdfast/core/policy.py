"""A model's policy: the gate before production, protected aliases and retention."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import Struct

from holdfast.core import ability, signers
from holdfast.core import metrics as measures
from holdfast.core import paired as pairing
from holdfast.core.manifest import Environment, Lineage, Manifest
from holdfast.core.metrics import Change, Direction, exceeds
from holdfast.core.paired import InconclusiveRule, Paired
from holdfast.core.rollout import course
from holdfast.core.rollout.course import Terms
from holdfast.core.schema import rules
from holdfast.core.schema.rules import SchemaChange
from holdfast.core.signers import Signer
from holdfast.core.version import level_between, parse
from holdfast.errors import InvalidInputError

SchemaRule = Literal["declared", "compatible", "any"]
CodeRule = Literal["scanned", "approved", "signed"]


class MetricRule(Struct, frozen=True, forbid_unknown_fields=True):
    """What one metric must fulfil.

    Attributes:
        direction: Which way is better; `None` leaves it to the name.
        max_regression: Greatest relative loss against the champion; `None` takes the policy's.
        minimum: Least value, whatever the champion has.
        maximum: Greatest value, whatever the champion has.
    """

    direction: Direction | None = None
    max_regression: float | None = None
    minimum: float | None = None
    maximum: float | None = None


class Retention(Struct, frozen=True, forbid_unknown_fields=True):
    """What `purge --policy` removes: archived or registered versions that never served.

    Attributes:
        keep: The newest versions by number that stay whatever their age.
        max_age_days: Age since registration, in days, beyond which the others go.
    """

    keep: int = 10
    max_age_days: float = 365.0


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold before a version goes live, and what is kept.

    Attributes:
        max_regression: Greatest relative loss of any metric against the champion, a fraction
            from 0 to 1 such as 0.05; `None` compares no metrics.
        metrics: Rules for single metrics, by name.
        required_metrics: Metrics a version must have.
        required_fields: Manifest fields that must be filled, such as `description`; a dot reaches
            inside, as in `lineage.data_window`.
        schema: `declared` lets a breaking change pass with a higher MAJOR version, `compatible`
            lets none pass, `any` does not look.
        clean_scan: Refuse files that run code outside the allow-list, trusted or not, unless a
            second person approved the version.
        approvals: People who must have approved it, the one who promotes not counted.
        allowed_globals: Constructors allowed beyond the built-in list, `module.name` or
            `package.*`.
        protected_aliases: Aliases that move only with an approval or by force.
        retention: What `purge --policy` removes.
        code: What a version needs whose files run code on loading: `scanned` asks for nothing more
            than *clean_scan*, `approved` for a second person, `signed` for a listed signer.
        signers: Public keys by author; an author signs with their own.
        require_signature: Every entry that changes what serves, what lets it serve or what is lost
            must be signed by its author, and a version by a signer before it goes live.
        rollout: The plan, tests and sticky key of its rollouts, where nothing else is said.
        inconclusive: What becomes of a version whose losses, paired with the champion's on the same
            rows, do not tell whether it regressed beyond the limit: `refuse` it, or `remark` it.
    """

    max_regression: float | None = 0.05
    metrics: dict[str, MetricRule] = {}
    required_metrics: tuple[str, ...] = ()
    required_fields: tuple[str, ...] = ()
    schema: SchemaRule = "declared"
    clean_scan: bool = True
    approvals: int = 0
    allowed_globals: tuple[str, ...] = ()
    protected_aliases: tuple[str, ...] = ()
    retention: Retention = Retention()
    code: CodeRule = "scanned"
    signers: dict[str, Signer] = {}
    require_signature: bool = False
    rollout: Terms = Terms()
    inconclusive: InconclusiveRule = "refuse"

    @property
    def directions(self) -> dict[str, Direction]:
        """Directions this policy fixes, by metric."""
        return {name: rule.direction for name, rule in self.metrics.items() if rule.direction}


OPEN = Policy(max_regression=None, schema="any", clean_scan=False)
"""A gate that lets everything pass."""


def check(policy: Policy) -> Policy:
    """Return *policy* if its figures make sense.

    Raises:
        InvalidInputError: If a field is of another type than `Policy` says, a share, count or age
            is negative, a range is empty, a required field does not exist, or a signature is
            demanded that nobody listed could give.
    """
    policy = _typed(policy)
    _check_figures(policy)
    _check_bounds(policy)
    _check_fields(policy)
    _check_signers(policy)
    course.check(policy.rollout)
    return policy


def _check_figures(policy: Policy) -> None:
    shares = {"max_regression": policy.max_regression} | {
        f"metrics.{name}.max_regression": rule.max_regression
        for name, rule in policy.metrics.items()
    }
    figures: dict[str, float | None] = {
        **shares,
        "approvals": policy.approvals,
        "retention.keep": policy.retention.keep,
        "retention.max_age_days": policy.retention.max_age_days,
    }
    for field, figure in figures.items():
        if figure is not None and not math.isfinite(figure):
            raise InvalidInputError(f"policy {field}", f"{figure} is not finite", "give 0 or more")
        if figure is not None and figure < 0:
            raise InvalidInputError(f"policy {field}", f"{figure} is negative", "give 0 or more")
    for field, figure in shares.items():
        if figure is not None and figure > 1:
            raise InvalidInputError(
                f"policy {field}",
                f"{figure:g} allows a loss of {figure:.0%}",
                "give a fraction from 0 to 1, such as 0.05 for 5%",
            )


def _check_bounds(policy: Policy) -> None:
    for name, rule in policy.metrics.items():
        for bound in (rule.minimum, rule.maximum):
            if bound is not None and not math.isfinite(bound):
                raise InvalidInputError(
                    f"policy metrics.{name}", f"{bound} is no bound", "give a number"
                )
        if None not in (rule.minimum, rule.maximum) and rule.minimum > rule.maximum:  # type: ignore[operator]
            raise InvalidInputError(
                f"policy metrics.{name}",
                f"minimum {rule.minimum} is above maximum {rule.maximum}",
                "swap them",
            )


def _check_fields(policy: Policy) -> None:
    for field in policy.required_fields:
        head, _, rest = field.partition(".")
        inner = {"lineage": Lineage, "environment": Environment}.get(head)
        if head not in Manifest.__struct_fields__ or (
            inner and rest and rest.split(".")[0] not in inner.__struct_fields__
        ):
            known = ", ".join(Manifest.__struct_fields__)
            raise InvalidInputError(f"policy required_fields {field!r}", "no such field", known)


def _check_signers(policy: Policy) -> None:
    """Refuse rules that nobody could ever fulfil."""
    signers.check(policy.signers)
    for asked, rule, kind in (
        (policy.require_signature, "require_signature", "ed25519"),
        (policy.require_signature, "require_signature", "ec"),
        (policy.code == "signed", "code signed", "ec"),
    ):
        if asked and not any(getattr(signer, kind) for signer in policy.signers.values()):
            raise InvalidInputError(
                f"policy {rule}",
                f"nobody is listed whose {kind} key could sign",
                "list one: --signer NAME=FILE.pub",
            )


def _typed(policy: Policy) -> Policy:
    try:
        return msgspec.convert(msgspec.to_builtins(policy), Policy)
    except (TypeError, ValueError) as error:
        raise InvalidInputError("policy", str(error), "give each field its own type") from error


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer.

    Attributes:
        reasons: Why it refuses, every one; empty lets the version pass.
        changes: All metrics, candidate against champion.
        remarks: What it saw and lets pass: regressions within bounds, metrics it cannot judge.
        paired: Losses on the same rows, each with its interval.
    """

    reasons: tuple[str, ...]
    changes: tuple[Change, ...]
    remarks: tuple[str, ...]
    paired: tuple[Paired, ...] = ()

    @property
    def passed(self) -> bool:
        """True if nothing speaks against the version."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the gate looks at on one side.

    Attributes:
        manifest: Of the version.
        metrics: The manifest's, with later evaluations merged over them.
        approvals: Who approved it, the one who promotes left out.
        signed_by: Listed signers whose signature of it was checked.
    """

    manifest: Manifest
    metrics: Mapping[str, float]
    approvals: frozenset[str]
    signed_by: frozenset[str] = frozenset()


def judge(
    policy: Policy,
    candidate: Candidate,
    champion: Candidate | None,
    paired: Sequence[Paired] = (),
) -> Verdict:
    """Hold *candidate* against the policy and against the *champion*, if there is one.

    A metric that is the mean of *paired* losses is judged by their interval, not by its two values.
    """
    before = champion.metrics if champion else {}
    changes = measures.changes(before, candidate.metrics, policy.directions)
    reasons: list[str] = []
    remarks: list[str] = []
    for change in changes:
        _judge_bounds(policy, change, reasons)
        if champion is not None and not any(_is_mean(change, one) for one in paired):
            _judge_regression(policy, change, reasons, remarks)
    for one in paired:
        _judge_paired(policy, one, reasons, remarks)
    reasons += [
        f"{name}: missing, the policy requires it"
        for name in policy.required_metrics
        if name not in candidate.metrics
    ]
    reasons += [
        f"{name}: missing, the policy sets a bound for it"
        for name, rule in policy.metrics.items()
        if (rule.minimum, rule.maximum) != (None, None) and name not in candidate.metrics
    ]
    reasons += [
        f"{field}: empty, the policy requires it"
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


def _judge_bounds(policy: Policy, change: Change, reasons: list[str]) -> None:
    rule = policy.metrics.get(change.name, MetricRule())
    if change.after is None:
        return
    if rule.minimum is not None and change.after < rule.minimum:
        reasons.append(f"{change.name}: {change.after:g} is below the minimum {rule.minimum:g}")
    if rule.maximum is not None and change.after > rule.maximum:
        reasons.append(f"{change.name}: {change.after:g} is above the maximum {rule.maximum:g}")


def _judge_regression(
    policy: Policy, change: Change, reasons: list[str], remarks: list[str]
) -> None:
    limit = _limit(policy, change.name)
    if limit is None:
        return
    match change.verdict:
        case "missing":
            reasons.append(f"{change.name}: missing, the champion has {change.before:g}")
        case "changed":
            remarks.append(
                f"{change.name}: {change.before:g} → {change.after:g}, not judged: "
                "nobody said which way is better"
            )
        case "worse":
            said = (
                f"{change.name}: {change.after:g} is {change.loss:.2%} worse than the champion's "
                f"{change.before:g}"
            )
            if exceeds(change.loss, limit):
                reasons.append(f"{said}, at most {limit:.2%} is allowed")
            else:
                remarks.append(f"{said}, within {limit:.2%}")


def _limit(policy: Policy, metric: str) -> float | None:
    rule = policy.metrics.get(metric, MetricRule())
    return policy.max_regression if rule.max_regression is None else rule.max_regression


def _is_mean(change: Change, one: Paired) -> bool:
    return (change.name, change.before, change.after) == (one.name, one.before, one.after)


def _judge_paired(policy: Policy, one: Paired, reasons: list[str], remarks: list[str]) -> None:
    limit = _limit(policy, one.name)
    if limit is None:
        return
    reason, remark = pairing.judge(one, limit, policy.inconclusive)
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
        reasons.append(
            f"approvals: {len(candidate.approvals)} of {policy.approvals} "
            f"(so far {have}; whoever promotes does not count)"
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
