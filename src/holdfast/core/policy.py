"""A model's policy: the gate before production, protected aliases and retention."""

import math
from typing import Literal

import msgspec
from msgspec import Struct

from holdfast.core import names, signers
from holdfast.core.lineage_record import Lineage
from holdfast.core.manifest import Environment, Manifest
from holdfast.core.metrics import Direction
from holdfast.core.paired import InconclusiveRule
from holdfast.core.retraining import retraining_terms
from holdfast.core.retraining.retraining_terms import RetrainingTerms
from holdfast.core.rollout import rollout_state
from holdfast.core.rollout.rollout_state import Terms
from holdfast.core.signers import Signer
from holdfast.errors import InvalidInputError

SchemaRule = Literal["declared", "compatible", "any"]
CodeRule = Literal["scanned", "approved", "signed"]
ApprovalRule = Literal["claimed", "authenticated", "signed"]


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
        approval: Which approvals count, for every rule that asks for one: `claimed` those in any
            name, `authenticated` those of people whom a server authenticated, `signed` those that
            a listed signer signed in their own name; the latter two of those alone who neither
            registered nor promote the version.
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
        retraining: Schedule, entry point and limits of its retraining, and what follows.
        required_evaluations: Names of evaluations that Holdfast must have measured of a version,
            on the same data as the champion's of that name.
    """

    max_regression: float | None = 0.05
    metrics: dict[str, MetricRule] = {}
    required_metrics: tuple[str, ...] = ()
    required_fields: tuple[str, ...] = ()
    schema: SchemaRule = "declared"
    clean_scan: bool = True
    approvals: int = 0
    approval: ApprovalRule = "claimed"
    allowed_globals: tuple[str, ...] = ()
    protected_aliases: tuple[str, ...] = ()
    retention: Retention = Retention()
    code: CodeRule = "scanned"
    signers: dict[str, Signer] = {}
    require_signature: bool = False
    rollout: Terms = Terms()
    inconclusive: InconclusiveRule = "refuse"
    retraining: RetrainingTerms = RetrainingTerms()
    required_evaluations: tuple[str, ...] = ()

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
    _check_evaluations(policy)
    _check_signers(policy)
    rollout_state.check(policy.rollout)
    retraining_terms.check(policy.retraining)
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
            raise InvalidInputError(f"policy {field}", f"must be finite, not {figure}")
        if figure is not None and figure < 0:
            raise InvalidInputError(f"policy {field}", f"must be 0 or more, not {figure}")
    for field, figure in shares.items():
        if figure is not None and figure > 1:
            raise InvalidInputError(
                f"policy {field}",
                f"must be a fraction, but {figure:g} allows a loss of {figure:.0%}",
                "give a fraction from 0 to 1, such as 0.05 for 5%",
            )


def _check_bounds(policy: Policy) -> None:
    for name, rule in policy.metrics.items():
        for bound in (rule.minimum, rule.maximum):
            if bound is not None and not math.isfinite(bound):
                raise InvalidInputError(
                    f"policy metrics.{name}", f"must have finite bounds, not {bound}"
                )
        if None not in (rule.minimum, rule.maximum) and rule.minimum > rule.maximum:  # type: ignore[operator]
            raise InvalidInputError(
                f"policy metrics.{name}",
                f"has a minimum of {rule.minimum} above its maximum of {rule.maximum}",
                "swap them",
            )


def _check_fields(policy: Policy) -> None:
    for field in policy.required_fields:
        head, _, rest = field.partition(".")
        inner = {"lineage": Lineage, "environment": Environment}.get(head)
        if head not in Manifest.__struct_fields__ or (
            inner and rest and rest.split(".")[0] not in inner.__struct_fields__
        ):
            known = f"name one of {', '.join(Manifest.__struct_fields__)}"
            raise InvalidInputError(f"policy required_fields {field!r}", "is unknown", known)


def _check_evaluations(policy: Policy) -> None:
    for name in policy.required_evaluations:
        if not names.is_key(name):
            raise InvalidInputError(
                f"policy required_evaluations {name!r}", "is not a valid name", "use --name's words"
            )


def _check_signers(policy: Policy) -> None:
    """Refuse rules that nobody could ever fulfil."""
    signers.check(policy.signers)
    for asked, rule, kind in (
        (policy.require_signature, "require_signature", "ed25519"),
        (policy.require_signature, "require_signature", "ec"),
        (policy.code == "signed", "code signed", "ec"),
        (policy.approval == "signed", "approval signed", "ed25519"),
    ):
        if asked and not any(getattr(signer, kind) for signer in policy.signers.values()):
            raise InvalidInputError(
                f"policy {rule}",
                f"demands signatures, but nobody is listed whose {kind} key could sign",
                "list one: --signer NAME=FILE.pub",
            )


def _typed(policy: Policy) -> Policy:
    try:
        return msgspec.convert(msgspec.to_builtins(policy), Policy)
    except (TypeError, ValueError) as error:
        raise InvalidInputError("policy", f"has a field of the wrong type: {error}") from error
