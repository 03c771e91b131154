"""What each button of the page about people and rights does, and what its form says."""

from collections.abc import Callable, Mapping
from typing import Final

from holdfast.access.access_events import ProviderSet, RuleSet
from holdfast.access.access_state import AccessState
from holdfast.errors import InvalidInputError
from holdfast.web.access_desk import AccessDesk, AskedToken


def asked_token(form: Mapping[str, str]) -> AskedToken:
    """Read what a form says of a token that is asked for.

    Raises:
        InvalidInputError: If its days are not a number.
    """
    days = form.get("days", "").strip()
    try:
        span = float(days) if days else None
    except ValueError as error:
        raise InvalidInputError("days", f"must be a number, not {days[:40]!r}") from error
    return AskedToken(
        label=form.get("label", ""),
        user=form.get("user") or None,
        days=span,
        roles=tuple(form.get("roles", "").split()) or None,
        models=tuple(form.get("models", "").split()) or None,
    )


def asked_rule(form: Mapping[str, str]) -> RuleSet:
    """Read what a form says of a rule for jobs.

    Raises:
        InvalidInputError: If a line of its claims is not one.
    """
    return RuleSet(
        rule="",
        name=form.get("name", ""),
        issuer=form.get("issuer", "").strip(),
        audience=form.get("audience", "").strip(),
        claims=_pairs("claim", form.get("claims", "")),
        role=form.get("role", ""),
        models=tuple(form.get("models", "").split()),
    )


def asked_provider(form: Mapping[str, str]) -> ProviderSet:
    """Read what a form says of a provider.

    Raises:
        InvalidInputError: If a line of its groups is not one.
    """
    return ProviderSet(
        provider=form.get("name", ""),
        issuer=form.get("issuer", "").strip(),
        client_id=form.get("client", "").strip(),
        groups_claim=form.get("claim", "").strip() or None,
        groups=_pairs("group", form.get("groups", "")),
    )


def _pairs(what: str, text: str) -> dict[str, str]:
    """Read lines such as `ref=refs/heads/main`; a name that stands twice is a mistake."""
    pairs: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, sign, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if not (sign and name and value):
            raise InvalidInputError(f"{what} {line[:100]!r}", "must be NAME=VALUE on its own line")
        if name in pairs:
            raise InvalidInputError(f"{what} {name[:100]!r}", "must not be named twice")
        pairs[name] = value
    return pairs


def _user(form: Mapping[str, str]) -> str:
    return form.get("user", "")


Deed = Callable[[AccessDesk, dict[str, str]], AccessState]
DEEDS: Final[Mapping[str, tuple[str, Deed]]] = {
    "add-user": ("", lambda access, form: access.add_user(form.get("name", ""))),
    "add-service": (
        "",
        lambda access, form: access.add_service(form.get("name", ""), form.get("owner") or None),
    ),
    "disable": ("", lambda access, form: access.set_disabled(form.get("name", ""), disabled=True)),
    "enable": ("", lambda access, form: access.set_disabled(form.get("name", ""), disabled=False)),
    "add-group": ("", lambda access, form: access.add_group(form.get("name", ""))),
    "join": ("", lambda access, form: access.join_group(form.get("name", ""), _user(form))),
    "leave": ("", lambda access, form: access.leave_group(form.get("name", ""), _user(form))),
    "remove-group": ("", lambda access, form: access.remove_group(form.get("name", ""))),
    "put-rule": (
        "rules",
        lambda access, form: access.put_rule(asked_rule(form), form.get("replaces", "")),
    ),
    "end-rule": ("rules", lambda access, form: access.remove_rule(form.get("name", ""))),
    "put-provider": (
        "rules",
        lambda access, form: access.put_provider(asked_provider(form), form.get("replaces", "")),
    ),
    "remove-provider": (
        "rules",
        lambda access, form: access.remove_provider(form.get("name", "")),
    ),
    "give": (
        "grants",
        lambda access, form: access.give(
            form.get("subject", ""), form.get("role", ""), form.get("pattern", "")
        )[0],
    ),
    "take": ("grants", lambda access, form: access.take(form.get("name", ""))),
    "revoke": ("tokens", lambda access, form: access.revoke(form.get("name", ""))),
}
"""What each button does, and the view that shows it."""
