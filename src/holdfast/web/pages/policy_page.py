"""A model's policy in sentences, and how it came to be."""

from collections.abc import Iterator

from holdfast.core.policy import Policy
from holdfast.core.retraining.retraining_terms import RetrainingTerms
from holdfast.core.wording import share, span
from holdfast.web.pages.page import Asked, Drawn, common
from holdfast.web.pages.visitor import Visitor


def page(visitor: Visitor, asked: Asked) -> Drawn:
    """Draw the policy of a model."""
    model, registry = asked.place.model, visitor.registry
    past = [line for line in registry.history(model) if line.op == "policy_set"]
    values = {
        "model": model,
        "rules": list(_rules(registry.policy(model))),
        "changes": past[::-1],
    }
    return Drawn("policy", common(visitor, asked, "models") | values)


def _rules(policy: Policy) -> Iterator[tuple[str, str]]:
    limit = policy.max_regression
    yield "metrics", "not compared" if limit is None else f"at most {share(limit)} worse than live"
    for name, rule in sorted(policy.metrics.items()):
        bounds = [
            f"{word} {value:g}"
            for word, value in (("at least", rule.minimum), ("at most", rule.maximum))
            if value is not None
        ]
        own = (
            [f"at most {share(rule.max_regression)} worse"]
            if rule.max_regression is not None
            else []
        )
        better = [f"{rule.direction} is better"] if rule.direction else []
        yield name, ", ".join([*bounds, *own, *better]) or "as all metrics"
    if policy.required_metrics:
        yield "required metrics", ", ".join(policy.required_metrics)
    if policy.required_fields:
        yield "required fields", ", ".join(policy.required_fields)
    if policy.required_evaluations:
        yield "evaluations", f"measured beside live: {', '.join(policy.required_evaluations)}"
    yield from _trust(policy)
    yield "inconclusive losses", _UNCLEAR[policy.inconclusive]
    if policy.protected_aliases:
        yield "protected aliases", ", ".join(policy.protected_aliases)
    terms = policy.rollout
    steps = " → ".join(share(weight) for weight in terms.plan.steps)
    sticky = f", by {terms.sticky}" if terms.sticky else ""
    yield "rollouts", f"{terms.plan.strategy} {steps}{sticky}"
    yield from _retraining(policy.retraining)
    yield (
        "retention",
        f"the newest {policy.retention.keep}, others for {policy.retention.max_age_days:g} days",
    )


def _retraining(terms: RetrainingTerms) -> Iterator[tuple[str, str]]:
    when = f"at {terms.cron} ({terms.zone})" if terms.cron else ""
    if terms.every_s is not None:
        when = f"every {span(terms.every_s)}"
    if terms.entry or when:
        then = "a rollout of what passes" if terms.then == "rollout" else "what passes is staged"
        yield "retraining", ", ".join(filter(None, [when, terms.entry or "", then]))


def _trust(policy: Policy) -> Iterator[tuple[str, str]]:
    """Go through what decides whose files and whose word count."""
    yield "schema", _SCHEMA[policy.schema]
    yield "files", "only what runs allowed code" if policy.clean_scan else "not asked"
    yield (
        "approvals",
        f"{policy.approvals}, {_COUNTS[policy.approval]}" if policy.approvals else "none asked",
    )
    yield "code that loading runs", _CODE[policy.code]
    if policy.allowed_globals:
        yield "code that is allowed too", ", ".join(policy.allowed_globals)
    yield "signatures", "demanded" if policy.require_signature else "not demanded"
    if policy.signers:
        yield "signers", ", ".join(sorted(policy.signers))


_SCHEMA = {
    "declared": "a breaking change needs a higher MAJOR version",
    "compatible": "no breaking change passes",
    "any": "not looked at",
}
_COUNTS = {
    "claimed": "under any name that is given",
    "authenticated": "by people whom a server knew",
    "signed": "each with the approver's own signature",
}
_CODE = {
    "scanned": "what the scan lets pass",
    "approved": "a second person must have approved the version",
    "signed": "a listed signer must have signed the version",
}
_UNCLEAR = {"refuse": "refuse the version", "remark": "let it pass, with a remark"}
