"""The routes about people."""

from typing import Any, Final

from holdfast.web import people, providers
from holdfast.web.access_desk import AskedToken
from holdfast.web.routes import Parameter, Route

__all__ = ["people_routes"]

_JSON: Final = "application/json"
_DAY: Final = Parameter("day", "Which: 2026-03-03, today if left out.", {"type": "string"})


def _route(method: str, template: str, handler: Any, name: str, **more: Any) -> Route:
    writes = method != "GET"
    status = more.pop("status", 200)
    answers = {204: ("", None)} if method == "DELETE" else {status: (_JSON, Any)}
    problems = (409, 413, 415, 501, 507) if writes else (501,)
    access = more.pop("access", "access")
    return Route(
        method,
        template,
        handler,
        name,
        people_about(handler),
        access=access,
        writes=writes,
        answers=answers,
        problems=problems,
        **more,
    )


def people_about(handler: Any) -> str:
    """Return what a handler says of itself, in its first line."""
    return str(handler.__doc__).partition("\n")[0]


def people_routes() -> tuple[Route, ...]:
    """Return the routes; who may change access may do all of it, everybody sees their tokens."""
    p = people
    return (
        _route("GET", "/users", p.users, "users"),
        _route("POST", "/users", p.add_user, "add-user", body=p.Person, status=201),
        _route("POST", "/users/{user}", p.change_user, "change-user", body=p.Changed),
        _route("POST", "/services", p.add_service, "add-service", body=p.Service, status=201),
        _route("GET", "/groups", p.groups, "groups"),
        _route("PUT", "/groups/{group}", p.changed_group, "set-group", body=p.Members),
        _route("DELETE", "/groups/{group}", p.removed_group, "remove-group"),
        _route("GET", "/grants", p.grants, "grants"),
        _route("POST", "/grants", p.changed_grant, "give-grant", body=p.Granted, status=201),
        _route("DELETE", "/grants/{grant}", p.removed_grant, "take-grant"),
        _route("GET", "/rules", p.rules, "rules"),
        _route("POST", "/rules", p.changed_rule, "set-rule", body=p.NewRule, status=201),
        _route("DELETE", "/rules/{rule}", p.removed_rule, "remove-rule"),
        _route("GET", "/providers", p.providers, "providers"),
        _route(
            "PUT", "/providers/{provider}", p.changed_provider, "set-provider", body=p.NewProvider
        ),
        _route("DELETE", "/providers/{provider}", p.removed_provider, "remove-provider"),
        _route("GET", "/tokens", p.listed_tokens, "tokens", access=None),
        _route(
            "POST", "/tokens", p.new_token, "new-token", body=AskedToken, access=None, status=201
        ),
        _route("DELETE", "/tokens/{token}", p.revoked, "revoke-token", access=None),
        Route(
            "POST",
            "/token-exchange",
            providers.exchange,
            "token-exchange",
            people_about(providers.exchange),
            is_open=True,
            body=providers.Exchange,
            answers={201: (_JSON, Any)},
            problems=(413, 415, 501),
        ),
        _route("GET", "/access/log", p.log, "access-log", parameters=(_DAY,)),
    )
