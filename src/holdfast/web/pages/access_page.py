"""People, accounts, tokens, grants, rules, refusals: for whoever may change access."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from holdfast.access.access_state import AccessState, Grant, User, UserToken
from holdfast.access.permissions import GRANTABLE, Identity, rights
from holdfast.access.unusual import good_tokens, unusual
from holdfast.core.wording import count
from holdfast.errors import ForbiddenError, HoldfastError, InvalidInputError
from holdfast.web.access_desk import AccessDesk, AskedToken
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
        return _view(visitor, asked, access, notice=notice, status=status)


def _done(visitor: Visitor, asked: Asked, access: AccessDesk) -> Answer:
    form = dict(asked.form or {})
    deed = form.get("do", "")
    if deed == "issue":
        token, secret = access.issue(asked_token(form))
        issued = {"token": token, "secret": secret, "owner": access.state.users[token.user].name}
        return _view(visitor, asked, access, view="tokens", issued=issued)
    if deed not in _DEEDS:
        raise InvalidInputError(f"button {deed!r}", "is unknown", "open the page again")
    view, change = _DEEDS[deed]
    state = change(access, form)
    query = {"show": view, "entry": str(state.seq)} if view else {"entry": str(state.seq)}
    return Redirect(f"/access?{urlencode(query)}")


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


Deed = Callable[[AccessDesk, dict[str, str]], AccessState]
_DEEDS: Final[Mapping[str, tuple[str, Deed]]] = {
    "add-user": ("", lambda access, form: access.add_user(form.get("name", ""))),
    "add-service": (
        "",
        lambda access, form: access.add_service(form.get("name", ""), form.get("owner") or None),
    ),
    "disable": ("", lambda access, form: access.set_disabled(form.get("name", ""), disabled=True)),
    "enable": ("", lambda access, form: access.set_disabled(form.get("name", ""), disabled=False)),
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
    return Drawn("access", common(visitor, asked, "access") | values | more, status)


def _people(access: AccessDesk, state: AccessState, now: datetime) -> dict[str, Any]:
    good = good_tokens(state, now)
    uses = access.last_uses(good)
    rows = sorted(state.users.values(), key=lambda user: (user.disabled, user.name))
    shown = [_user(state, user, good, uses) for user in rows]
    return {
        "persons": [row for row in shown if row["user"].kind == "person"],
        "services": [row for row in shown if row["user"].kind == "service"],
        "groups": [
            (name, [state.users[member].name for member in members])
            for name, members in sorted(state.groups.items())
        ],
        "unusual": list(unusual(state, uses, now)),
    }


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
    }


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
    deed, name = query.get("ask", ""), query.get("name", "")
    text = next(_asked(state, now, deed, name), "")
    return {"do": deed, "name": name, "text": text} if text else None


def _asked(state: AccessState, now: datetime, deed: str, name: str) -> Iterator[str]:
    user, token, grant = state.users.get(name), state.token(name), state.grants.get(name)
    if deed == "disable" and user is not None and not user.disabled:
        good = sum(token.user == user.id for token in good_tokens(state, now))
        tokens = f"{count(good, 'token')} of theirs {'ends' if good == 1 else 'end'} for good"
        yield f"Disable {user.name}? Nothing of theirs opens anything from then on; {tokens}."
    if deed == "revoke" and token is not None and token.revoked_at is None:
        owner = state.users[token.user].name
        label = f" ({token.issued.label})" if token.issued.label else ""
        yield f"Revoke token {name}{label} of {owner}? It ends at once and for good."
    if deed == "take" and grant is not None:
        subject = subject_name(state, grant.subject)
        yield f"Take the role {grant.role} for {grant.pattern} from {subject}?"
