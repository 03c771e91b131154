"""One's own theme and tokens; for administrators, how the server and its store are set up."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from holdfast.access import sessions
from holdfast.access.changes import DEFAULT_DAYS, MOST_DAYS
from holdfast.access.refusals import KEPT_DAYS
from holdfast.access.unusual import good_tokens
from holdfast.core import wording
from holdfast.core.redaction import shown_address
from holdfast.errors import ForbiddenError, HoldfastError, InvalidInputError, NotFoundError
from holdfast.web.access_desk import AccessDesk
from holdfast.web.below import session_of
from holdfast.web.pages.access_deeds import asked_token
from holdfast.web.pages.access_page import token_rows
from holdfast.web.pages.page import Answer, Asked, Drawn, Redirect, common, said
from holdfast.web.pages.visitor import Visitor, is_fresh, unchangeable
from holdfast.web.web_settings import WebSettings

Facts = list[tuple[str, str]]


def page(visitor: Visitor, asked: Asked) -> Answer:
    """Draw the settings, or make or revoke a token of one's own."""
    if asked.form is None or visitor.access is None:
        return _drawn(visitor, asked)
    ends = asked.form.get("do") == "end"  # gives nobody more than they had
    notice = unchangeable(visitor, asked.now)
    if notice and (visitor.read_only or not ends):
        return _drawn(visitor, asked, status=403, notice=notice)
    try:
        return _done(visitor, asked, visitor.access, dict(asked.form))
    except HoldfastError as error:
        status = 403 if isinstance(error, ForbiddenError) else 409
        text = f"Nothing was changed: {said(visitor, error)}."
        return _drawn(visitor, asked, status=status, notice=text)


def _done(visitor: Visitor, asked: Asked, access: AccessDesk, form: dict[str, str]) -> Answer:
    match form.get("do"):
        case "issue":
            token, secret = access.issue(asked_token({**form, "user": ""}))
            issued = {"token": token, "secret": secret, "owner": visitor.name}
            return _drawn(visitor, asked, issued=issued)
        case "revoke":
            name = form.get("name", "")
            token_known = access.state.token(name)
            if token_known is None or token_known.user != access.request.identity.user.id:
                raise NotFoundError(f"token {name[:12]!r}")
            access.revoke(name)
            return Redirect(f"/settings?{urlencode({'revoked': name})}")
        case "end":
            access.end_session(form.get("name", ""))
            return Redirect("/settings")
        case _:
            raise InvalidInputError("the button", "is unknown", "open the page again")


def _drawn(visitor: Visitor, asked: Asked, *, status: int = 200, **more: Any) -> Drawn:
    access = visitor.access
    is_admin = visitor.may("access", None)
    values: dict[str, Any] = {
        "changeable": not unchangeable(visitor, asked.now),
        "fresh": is_fresh(visitor, asked.now),
        "sent": dict(asked.form or {}),
        "issued": None,
        "tokens": None,
        "sessions": (),
        "providers": (),
        "grants": (),
        "notice": "",
        "question": "",
        "sections": list(_sections(visitor)) if is_admin else (),
        "who_may": "" if is_admin else visitor.who_may("access", None),
    }
    if access is not None and visitor.csrf:
        state, me = access.state, access.request.identity.user.id
        good = good_tokens(state, datetime.fromisoformat(asked.now))
        mine = [token for token in good if token.user == me]
        if more.get("issued"):
            mine.append(more["issued"]["token"])  # after the state that this request began with
        token_id = asked.query.get("revoke", "")
        values |= {
            "tokens": token_rows(state, mine, access.last_uses(mine)),
            "sessions": access.sessions(),
            "providers": sorted(state.providers),
            "grants": state.grants_of(access.request.identity.user),
            "question": token_id if any(token.issued.id == token_id for token in mine) else "",
            "notice": _revoked(access, me, asked.query.get("revoked", "")),
        }
    return Drawn("settings", common(visitor, asked, "settings") | values | more, status)


def _revoked(access: AccessDesk, me: str, name: str) -> str:
    """Say what came of the form before; only what the journal has is shown."""
    token = access.state.token(name)
    if token is None or token.user != me or token.revoked_at is None:
        return ""
    return f"Done: token {name} opens nothing any more."


def _sections(visitor: Visitor) -> Iterator[tuple[str, Facts]]:
    yield "Store", list(_store(visitor))
    yield "Server", list(_server(visitor.settings, is_team=visitor.access is not None))
    yield (
        "Kept for",
        [
            (
                "sign-ins",
                f"{_hours(sessions.LONGEST)} at most, {_hours(sessions.IDLE)} without a use",
            ),
            ("tokens", f"{DEFAULT_DAYS} days if nothing else is asked for, {MOST_DAYS} at most"),
            ("tokens of jobs", wording.count(int(sessions.JOB.total_seconds() // 60), "minute")),
            ("refusals, look-ups", f"{KEPT_DAYS} days"),
            ("versions", "as the policy of each model says"),
        ],
    )


def _hours(span: timedelta) -> str:
    return wording.count(int(span.total_seconds() // 3600), "hour")


def _store(visitor: Visitor) -> Iterator[tuple[str, str]]:
    session = session_of(visitor.registry)
    try:
        session.require_same()
        health = "reachable, and the one that was opened"
    except HoldfastError as error:
        health = f"not usable now: {error.code}"
    config = session.open_store.config
    yield "place", str(visitor.registry.location)
    yield "health", health
    yield "id", config.id
    yield "since", wording.moment(config.created_at)
    yield "format", str(config.format)
    yield "hard links", _said(config.probe.links)
    yield "a and A differ", _said(config.probe.case_sensitive)
    yield "file locks", "reach every writer" if config.probe.locks else "do not reach every writer"


def _said(value: bool) -> str:  # noqa: FBT001 - a fact to be shown
    return "yes" if value else "no"


def _server(settings: WebSettings, *, is_team: bool) -> Iterator[tuple[str, str]]:
    yield "name", settings.name
    yield "serves", "a team" if is_team else "you alone"
    yield "only reads", _said(settings.read_only)
    yield "read by everybody", _said(settings.anonymous_read)
    yield "host names", ", ".join(settings.host_names) or "addresses and localhost"
    yield "behind proxies", ", ".join(settings.proxies) or "none"
    yield "encrypted", "by itself" if settings.tls else "by a proxy" if settings.secure else "no"
    yield "downloads", "by the bucket, signed" if settings.redirect else "by this server"
    yield "predictions", shown_address(settings.log) if settings.log else "no log was named"
