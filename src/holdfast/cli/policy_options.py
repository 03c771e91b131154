"""The options of `policy set` as the policy they stand for."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.cli import retrain_options, rollout_options
from holdfast.cli.context import json_file, pairs
from holdfast.core.names import nearest
from holdfast.core.policy import MetricRule, Policy
from holdfast.core.signers import Signer
from holdfast.errors import InvalidInputError, NotFoundError

_RULES = {"min": "minimum", "max": "maximum", "max_regression": "max_regression"}


def changed(policy: Policy, options: dict[str, Any]) -> Policy:
    """Return *policy* with what the options say changed, the rest as it is."""
    if options["file"] is not None:
        policy = _from_file(options["file"])
    fields: dict[str, Any] = {}
    if options["max_regression"] is not None:
        fields["max_regression"] = share("--max-regression", options["max_regression"])
    for option, field in (
        ("schema", "schema"),
        ("clean_scan", "clean_scan"),
        ("approvals", "approvals"),
        ("approval", "approval"),
        ("code", "code"),
        ("require_signature", "require_signature"),
        ("inconclusive", "inconclusive"),
    ):
        if options[option] is not None:
            fields[field] = options[option]
    fields |= _lists(policy, options)
    if options["metric"]:
        fields["metrics"] = _metrics(policy.metrics, options["metric"])
    if options["signer"] or options["drop_signer"]:
        fields["signers"] = _signers(policy, options)
    retention = {
        name: options[name] for name in ("keep", "max_age_days") if options[name] is not None
    }
    if retention:
        fields["retention"] = replace(policy.retention, **retention)
    fields["rollout"] = rollout_options.changed(policy.rollout, options)
    fields["retraining"] = retrain_options.changed(policy.retraining, options)
    return replace(policy, **fields)


_REQUIRED = {
    "require_metric": "required_metrics",
    "require_field": "required_fields",
    "require_evaluation": "required_evaluations",
}
_LISTS = _REQUIRED | {"allow": "allowed_globals", "protect": "protected_aliases"}


def _lists(policy: Policy, options: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Add names to those that there are, and take out what is required no more."""
    required = {name for field in _REQUIRED.values() for name in getattr(policy, field)}
    dropped = set(options["drop_required"])
    for name in sorted(dropped - required):
        raise NotFoundError(f"required {name}", nearest(name, required))
    changed = {}
    for option, field in _LISTS.items():
        before: tuple[str, ...] = getattr(policy, field)
        names_left = (
            before if option not in _REQUIRED else tuple(n for n in before if n not in dropped)
        )
        after = tuple(dict.fromkeys((*names_left, *options[option])))
        if after != before:
            changed[field] = after
    return changed


def _signers(policy: Policy, options: dict[str, Any]) -> dict[str, Signer]:
    from holdfast import signing

    for name in options["drop_signer"]:
        if name not in policy.signers:
            raise NotFoundError(f"signer {name}", nearest(name, policy.signers))
    files = pairs("--signer", options["signer"])
    signers = {
        signer_name: policy.signers[signer_name]
        for signer_name in policy.signers.keys() - options["drop_signer"]
    }
    read = {name: signing.public(Path(file)) for name, file in files.items()}
    return dict(sorted((signers | read).items()))


def _from_file(path: str) -> Policy:
    document = json_file("--file", path)
    if isinstance(document, dict) and "data" in document:
        document = document["data"]
    try:
        return msgspec.convert(document, Policy)
    except msgspec.ValidationError as error:
        raise InvalidInputError(
            f"--file {path!r}", f"is not a policy: {error}", "fix it"
        ) from error


def share(option: str, text: str) -> float | None:
    """Read a share of at most 1: `5%`, `0.05` or `off`.

    Raises:
        InvalidInputError: If it is not a number, or beyond 1: `5` would mean 500 %.
    """
    value = _number(option, text)
    if value is not None and value > 1:
        meant = f"{value:g}%" if not text.endswith("%") else "at most 100%"
        raise InvalidInputError(
            f"{option} {text!r}", f"would allow a loss of {value:.0%}", f"write {meant}, or off"
        )
    return value


def _number(option: str, text: str) -> float | None:
    if text == "off":
        return None
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise InvalidInputError(
            f"{option} {text!r}", "is not a number", "write 5%, 0.05 or off"
        ) from None


def _metrics(rules: dict[str, MetricRule], texts: tuple[str, ...]) -> dict[str, MetricRule]:
    metrics = dict(rules)
    for text in texts:
        name, colon, clauses = text.partition(":")
        if not name or not colon:
            raise InvalidInputError(
                f"--metric {text!r}", "is not NAME:RULE", "write roc_auc:min=0.9"
            )
        metrics[name] = _with(metrics.get(name, MetricRule()), text, clauses)
    return metrics


def _with(rule: MetricRule, text: str, clauses: str) -> MetricRule:
    for part in clauses.split(","):
        word, equals, value = part.strip().partition("=")
        if word in ("higher", "lower") and not equals:
            rule = replace(rule, direction=word)
        elif word in _RULES and equals:
            read = share if word == "max_regression" else _number
            rule = replace(rule, **{_RULES[word]: read(f"--metric {text!r}:", value)})
        else:
            raise InvalidInputError(
                f"--metric {text!r}",
                f"contains {part!r}, which is not a rule",
                "write higher, lower, min=…, max=… or max_regression=…",
            )
    return rule
