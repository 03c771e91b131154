"""People, accounts, tokens, grants, rules, refusals: for whoever may change access."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from holdfast.access.access_events import ProviderSet
from holdfast.access.access_state import ADMIN, AccessState, Grant, User, UserToken
from holdfast.access.permissions import GRANTABLE, ROLES, Identity, rights
from holdfast.access.unusual import good_tokens, unusual
from holdfast.core.wording import count
from holdfast.errors import ForbiddenError, HoldfastError, InvalidInputError
from holdfast.web.access_desk import AccessDesk
from holdfast.web.pages.access_deeds import DEEDS, asked_token
from holdfast.web.pages.page import Answer, Asked, Download, Drawn, Redirect, common, said
from holdfast.web.pages.spreadsheet import csv_text
from holdfast.web.pages.visitor import Visitor, is_fresh, unchangeable

_VIEWS: Final = {
    "": "People",
    "tokens": "Tokens",
    "grants": "Grants",
    "rules": "Jobs and providers",
    "log": "Refusals and sign-ins",
    "changes": "Changes",
}
_LINES: Final = 200
_REPORT: Final = ("at", "what", "by", "address", "verb", "model", "why", "request")


def page(visitor: Visitor, asked: Asked) -> Answer:
    """Draw a view of people and rights, or change them."""
    access = visitor.access
    if access is None:
        values = {"views": (), "view": "", "changeable": False}
        return Drawn("access", common(visitor, asked, "access") | values)
    if asked.form is None:
        return _view(visitor, asked, access)
    if notice := unchangeable(visitor, asked.now):
        return _view(visitor, asked, access, notice=notice, status=403)
    try:
        return _done(visitor, asked, access)
    except HoldfastError as error:
        status = 403 if isinstance(error, ForbiddenError) else 409
        notice = f"Nothing was changed: {said(visitor, error)}."
        return _view(visitor, asked, access, view=_view_of(asked), notice=notice, status=status)


def _view_of(asked: Asked) -> str:
    """Return the view that has the form which was sent."""
    deed = dict(asked.form or {}).get("do", "")
    if deed == "issue":
        return "tokens"
    return DEEDS[deed][0] if deed in DEEDS else asked.query.get("show", "")


def _done(visitor: Visitor, asked: Asked, access: AccessDesk) -> Answer:
    form = dict(asked.form or {})
    deed = form.get("do", "")
    if deed == "issue":
        token, secret = access.issue(asked_token(form))
        issued = {"token": token, "secret": secret, "owner": access.state.users[token.user].name}
        return _view(visitor, asked, access, view="tokens", issued=issued)
    if deed not in DEEDS:
        raise InvalidInputError(f"button {deed!r}", "is unknown", "open the page again")
    view, change = DEEDS[deed]
    state = change(access, form)
    if state.seq == access.state.seq:
        return _view(visitor, asked, access, view=view, notice="Nothing to change: it is so.")
    query = {"show": view, "entry": str(state.seq)} if view else {"entry": str(state.seq)}
    return Redirect(f"/access?{urlencode(query)}")


def _view(
    visitor: Visitor, asked: Asked, access: AccessDesk, *, status: int = 200, **more: Any
) -> Answer:
    query = asked.query
    shown = more.pop("view", query.get("show", ""))
    shown = shown if shown in _VIEWS else ""
    state, now = access.state, datetime.fromisoformat(asked.now)
    values: dict[str, Any] = {
        "views": [
            (name, f"/access?show={key}" if key else "/access", key == shown)
            for key, name in _VIEWS.items()
        ],
        "view": shown,
        "changeable": not unchangeable(visitor, asked.now),
        "fresh": is_fresh(visitor, asked.now),
        "state": state,
        "roles": tuple(GRANTABLE),
        "people": sorted(user.name for user in state.active() if user.kind == "person"),
        "sent": dict(asked.form or {}),
        "question": _question(state, now, query),
        "edited": _edited(state, query),
        "notice": _notice(access, query.get("entry", "")),
        "issued": None,
    }
    if shown == "log":
        day = query.get("day") or asked.now[:10]
        try:
            reports = list(access.reports(day))[::-1]
        except ValueError as error:
            raise InvalidInputError("day", "must be a date such as 2026-03-03") from error
        if query.get("form") == "csv":
            rows = ([getattr(report, name) for name in _REPORT] for report in reports)
            return Download(f"access-{day}.csv", "text/csv; charset=utf-8", csv_text(_REPORT, rows))
        values |= {"day": day, "reports": reports}
    else:
        values |= _FACTS[shown](access, state, now)
    if more.get("issued"):  # after the state that this request began with
        values["tokens"] += token_rows(state, [more["issued"]["token"]], {})
    return Drawn("access", common(visitor, asked, "access") | values | more, status)


def _people(access: AccessDesk, state: AccessState, now: datetime) -> dict[str, Any]:
    good = good_tokens(state, now)
    uses = access.last_uses(good)
    rows = sorted(state.users.values(), key=lambda user: (user.disabled, user.name))
    shown = [_user(state, user, good, uses) for user in rows]
    return {
        "persons": [row for row in shown if row["user"].kind == "person"],
        "services": [row for row in shown if row["user"].kind == "service"],
        "groups": [_group(state, name) for name in sorted(state.groups)],
        "unusual": list(unusual(state, uses, now)),
    }


def _group(state: AccessState, name: str) -> dict[str, Any]:
    members = [state.users[member] for member in state.groups[name]]
    return {
        "name": name,
        "members": sorted(members, key=lambda user: user.name),
        "grants": [grant for grant in state.grants.values() if grant.subject == f"group:{name}"],
        "providers": [known.provider for known in _leading_to(state, name)],
    }


def _leading_to(state: AccessState, group: str) -> Iterator[ProviderSet]:
    """Go through the providers whose groups stand for one of ours."""
    return (known for known in state.providers.values() if group in known.groups.values())


def _user(
    state: AccessState, user: User, good: Sequence[UserToken], uses: Mapping[str, str]
) -> dict[str, Any]:
    tokens = [token for token in state.tokens.values() if token.user == user.id]
    owner = state.users.get(user.owner or "")
    return {
        "user": user,
        "owner": "" if owner is None else owner.name,
        "grants": rights(state, Identity(user, "session")),
        "tokens": sum(token.user == user.id for token in good),
        "used": max((uses.get(token.issued.id, "") for token in tokens), default=""),
    }


def _tokens(access: AccessDesk, state: AccessState, now: datetime) -> dict[str, Any]:
    good = good_tokens(state, now)
    return {
        "tokens": token_rows(state, good, access.last_uses(good)),
        "over": len(state.tokens) - len(good),
    }


def token_rows(
    state: AccessState, tokens: Sequence[UserToken], uses: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return what a table shows of tokens, those that end first at the top."""
    return [
        {
            "token": token,
            "issued": token.issued,
            "owner": state.users[token.user].name,
            "used": uses.get(token.issued.id, ""),
            "narrowed": [*(token.issued.roles or ()), *(token.issued.models or ())],
        }
        for token in sorted(tokens, key=lambda token: token.issued.expires_at)
    ]


def _grants(_access: AccessDesk, state: AccessState, _now: datetime) -> dict[str, Any]:
    subjects: dict[str, dict[str, list[Grant]]] = {}
    for grant in state.grants.values():
        cells = subjects.setdefault(subject_name(state, grant.subject), {})
        cells.setdefault(grant.role, []).append(grant)
    return {"matrix": sorted(subjects.items())}


def subject_name(state: AccessState, subject: str) -> str:
    """Return the name of whom a grant is given to, as it is typed."""
    kind, _, name = subject.partition(":")
    user = state.users.get(name)
    if kind != "user" or user is None:
        return subject
    return f"{user.name} (disabled)" if user.disabled else user.name


def _rules(_access: AccessDesk, state: AccessState, _now: datetime) -> dict[str, Any]:
    return {
        "rules": sorted(state.rules.values(), key=lambda rule: rule.name),
        "providers": sorted(state.providers.values(), key=lambda known: known.provider),
        "job_roles": [role for role in ROLES if role != ADMIN],
    }


def _edited(state: AccessState, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what the form of a rule or a provider begins with, to change one that is there."""
    kind, _, name = query.get("edit", "").partition(":")
    if kind == "provider" and name in state.providers:
        known = state.providers[name]
        return {
            "do": "put-provider",
            "name": name,
            "replaces": name,
            "issuer": known.issuer,
            "client": known.client_id,
            "claim": known.groups_claim or "",
            "groups": _lines_of(known.groups),
        }
    rule = next((rule for rule in state.rules.values() if rule.name == name), None)
    if kind != "rule" or rule is None:
        return {}
    return {
        "do": "put-rule",
        "name": name,
        "replaces": name,
        "issuer": rule.issuer,
        "audience": rule.audience,
        "claims": _lines_of(rule.claims),
        "role": rule.role,
        "models": " ".join(rule.models),
    }


def _lines_of(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in pairs.items())


def _changes(access: AccessDesk, _state: AccessState, _now: datetime) -> dict[str, Any]:
    return {"lines": access.lines()[::-1][:_LINES]}


_FACTS: Final = {
    "": _people,
    "tokens": _tokens,
    "grants": _grants,
    "rules": _rules,
    "changes": _changes,
}


def _notice(access: AccessDesk, entry: str) -> str:
    """Say what came of the form before; only what the journal has is shown."""
    if not entry.isdecimal():
        return ""
    return next((f"Done: {line.what}." for line in access.lines() if str(line.seq) == entry), "")


def _question(state: AccessState, now: datetime, query: Mapping[str, str]) -> dict[str, str] | None:
    """Return what is asked before something is taken from somebody."""
    deed, name, user = query.get("ask", ""), query.get("name", ""), query.get("user", "")
    asked = _ASKED.get(deed)
    text = "" if asked is None else asked(state, now, name, user)
    return {"do": deed, "name": name, "user": user, "text": text} if text else None


def _disables(state: AccessState, now: datetime, name: str, _user: str) -> str:
    user = state.users.get(name)
    if user is None or user.disabled:
        return ""
    good = sum(token.user == user.id for token in good_tokens(state, now))
    tokens = f"{count(good, 'token')} of theirs {'ends' if good == 1 else 'end'} for good"
    return f"Disable {user.name}? Nothing of theirs opens anything from then on; {tokens}."


def _revokes(state: AccessState, _now: datetime, name: str, _user: str) -> str:
    token = state.token(name)
    if token is None or token.revoked_at is not None:
        return ""
    owner = state.users[token.user].name
    label = f" ({token.issued.label})" if token.issued.label else ""
    return f"Revoke token {name}{label} of {owner}? It ends at once and for good."


def _takes(state: AccessState, _now: datetime, name: str, _user: str) -> str:
    grant = state.grants.get(name)
    if grant is None:
        return ""
    subject = subject_name(state, grant.subject)
    return f"Take the role {grant.role} for {grant.pattern} from {subject}?"


def _leaves(state: AccessState, _now: datetime, name: str, user: str) -> str:
    if user not in state.groups.get(name, ()):
        return ""
    lost = _roles_of(state, name)
    return f"Take {state.users[user].name} out of group {name}? {lost or 'It gives no role.'}"


def _removes_group(state: AccessState, _now: datetime, name: str, _user: str) -> str:
    if name not in state.groups:
        return ""
    members = count(len(state.groups[name]), "member")
    roles = _roles_of(state, name)
    stays = f" {roles} A later group of that name would have that again: take it back too."
    text = f"Remove group {name} of {members}?{stays if roles else ''}"
    led = ", ".join(known.provider for known in _leading_to(state, name))
    return f"{text} Groups of {led} lead to it, and lead nowhere then.".strip() if led else text


def _roles_of(state: AccessState, group: str) -> str:
    grants = [grant for grant in state.grants.values() if grant.subject == f"group:{group}"]
    roles = ", ".join(f"{grant.role} for {grant.pattern}" for grant in grants)
    return f"It gives {roles}." if roles else ""


def _ends_rule(state: AccessState, _now: datetime, name: str, _user: str) -> str:
    if all(rule.name != name for rule in state.rules.values()):
        return ""
    return f"End rule {name}? Its jobs are let in no more, and the tokens that it gave end at once."


def _removes_provider(state: AccessState, _now: datetime, name: str, _user: str) -> str:
    known = state.providers.get(name)
    if known is None:
        return ""
    able = sum(
        any(identity.issuer == known.issuer for identity in user.identities)
        for user in state.active()
    )
    signs = "signs" if able == 1 else "sign"
    people = f"{able} {'person' if able == 1 else 'people'} who {signs} in by it"
    return f"Remove provider {name}? {people} then need a token; their sessions end at once."


_ASKED: Final[Mapping[str, Callable[[AccessState, datetime, str, str], str]]] = {
    "disable": _disables,
    "revoke": _revokes,
    "take": _takes,
    "leave": _leaves,
    "remove-group": _removes_group,
    "end-rule": _ends_rule,
    "remove-provider": _removes_provider,
}
"""What is asked before a deed; nothing where it would do nothing."""
