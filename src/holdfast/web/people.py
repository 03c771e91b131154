"""People, groups, grants, tokens and rules: what of the access journal is shown and changed."""

from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from holdfast.access import access_events, changes
from holdfast.access.access_events import AccessEvent
from holdfast.access.access_state import AccessState, User, UserToken
from holdfast.core.entry import Stamp
from holdfast.errors import NotFoundError
from holdfast.http.problems import Problem
from holdfast.web.access_desk import AccessDesk, AskedToken, Name, team
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, answered


class Person(Struct, frozen=True, forbid_unknown_fields=True):
    """A person to be added."""

    name: Name


class Service(Struct, frozen=True, forbid_unknown_fields=True):
    """A service account to be added; whoever asks owns it if nobody else is named."""

    name: Name
    owner: Name | None = None


class Changed(Struct, frozen=True, forbid_unknown_fields=True):
    """What of a user is to be changed."""

    name: Name | None = None
    disabled: bool | None = None


class Members(Struct, frozen=True, forbid_unknown_fields=True):
    """The members of a group, all of them."""

    members: tuple[Name, ...]


class Granted(Struct, frozen=True, forbid_unknown_fields=True):
    """A role for a subject."""

    subject: Name
    role: Name
    pattern: Annotated[str, Meta(min_length=1, max_length=250)] = "*"


class NewProvider(Struct, frozen=True, forbid_unknown_fields=True):
    """A provider by which people may sign in; its client secret is an option of the server."""

    issuer: str
    client_id: str
    groups_claim: str | None = None
    groups: dict[str, str] = {}


class NewRule(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule for jobs."""

    name: Name
    issuer: str
    audience: str
    claims: dict[str, str]
    role: Name
    models: tuple[str, ...]


def users(desk: Desk, request: Request) -> Answer:
    """List people and service accounts, disabled ones too."""
    state = AccessDesk(desk, request).state
    return answered({"items": sorted(state.users.values(), key=lambda user: user.name)})


async def add_user(desk: Desk, request: Request) -> Answer:
    """Add a person."""
    body = await request.read(Person)
    state = await desk.work.do(lambda: AccessDesk(desk, request).add_user(body.name))
    return answered(state.named(body.name), 201)


async def add_service(desk: Desk, request: Request) -> Answer:
    """Add a service account."""
    body = await request.read(Service)
    state = await desk.work.do(lambda: AccessDesk(desk, request).add_service(body.name, body.owner))
    return answered(state.named(body.name), 201)


async def change_user(desk: Desk, request: Request) -> Answer:
    """Rename, disable or enable a user."""
    body = await request.read(Changed)
    name = request.values["user"]

    def changed() -> Answer:
        access = AccessDesk(desk, request)
        if body.disabled is not None:
            access.set_disabled(name, disabled=body.disabled)
        if body.name is not None:
            new = body.name
            access.commit(lambda state, _stamp: changes.rename_user(state, name, new))
        state = team(desk).journal.state(max_age_s=0)
        return answered(_named(state, name, body.name or name))

    return await desk.work.do(changed)


def _named(state: AccessState, *names: str) -> User:
    """Return a user by id or name, disabled or not.

    Raises:
        NotFoundError: If there is none.
    """
    for user in reversed(state.users.values()):
        if user.id in names or user.name in names:
            return user
    raise NotFoundError(f"user {names[0]}")


def groups(desk: Desk, request: Request) -> Answer:
    """List groups with the ids of their members."""
    state = AccessDesk(desk, request).state
    return answered({"items": [{"name": n, "members": m} for n, m in sorted(state.groups.items())]})


async def changed_group(desk: Desk, request: Request) -> Answer:
    """Give a group just these members."""
    body = await request.read(Members)
    name = request.values["group"]

    def decide(state: AccessState, _stamp: Stamp) -> AccessEvent | None:
        return changes.set_group(state, name, body.members)

    state = await desk.work.do(lambda: AccessDesk(desk, request).commit(decide))
    return answered({"name": name, "members": state.groups[name]})


def removed_group(desk: Desk, request: Request) -> Answer:
    """Remove a group."""
    AccessDesk(desk, request).remove_group(request.values["group"])
    return Answer(204)


def grants(desk: Desk, request: Request) -> Answer:
    """List who has which role for which models."""
    return answered({"items": list(AccessDesk(desk, request).state.grants.values())})


async def changed_grant(desk: Desk, request: Request) -> Answer:
    """Give somebody a role."""
    body = await request.read(Granted)

    def given() -> Answer:
        new = AccessDesk(desk, request).give(body.subject, body.role, body.pattern)[1]
        return answered({"items": new}, 201 if new else 200)

    return await desk.work.do(given)


def removed_grant(desk: Desk, request: Request) -> Answer:
    """Take a role back."""
    AccessDesk(desk, request).take(request.values["grant"])
    return Answer(204)


def rules(desk: Desk, request: Request) -> Answer:
    """List the rules for jobs."""
    return answered({"items": list(AccessDesk(desk, request).state.rules.values())})


async def changed_rule(desk: Desk, request: Request) -> Answer:
    """Set a rule for jobs."""
    body = await request.read(NewRule)
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    rule = access_events.RuleSet(rule="", **fields)

    def decide(state: AccessState, stamp: Stamp) -> AccessEvent | None:
        return changes.set_rule(state, stamp, rule)

    state = await desk.work.do(lambda: AccessDesk(desk, request).commit(decide))
    return answered(next(one for one in state.rules.values() if one.name == body.name), 201)


def removed_rule(desk: Desk, request: Request) -> Answer:
    """Remove a rule for jobs, and the tokens that it gave."""
    AccessDesk(desk, request).remove_rule(request.values["rule"])
    return Answer(204)


def providers(desk: Desk, request: Request) -> Answer:
    """List the providers by which people may sign in."""
    return answered({"items": list(AccessDesk(desk, request).state.providers.values())})


async def changed_provider(desk: Desk, request: Request) -> Answer:
    """Let people sign in by a provider."""
    body = await request.read(NewProvider)
    name = request.values["provider"]
    fields = {field: getattr(body, field) for field in body.__struct_fields__}
    provider = access_events.ProviderSet(provider=name, **fields)

    def decide(state: AccessState, _stamp: Stamp) -> AccessEvent | None:
        return changes.set_provider(state, provider)

    state = await desk.work.do(lambda: AccessDesk(desk, request).commit(decide))
    return answered(state.providers[name])


def removed_provider(desk: Desk, request: Request) -> Answer:
    """Let nobody sign in by a provider any more; their sessions end."""
    AccessDesk(desk, request).remove_provider(request.values["provider"])
    return Answer(204)


def listed_tokens(desk: Desk, request: Request) -> Answer:
    """List one's own tokens; who may change access sees all. None has a secret."""
    state = AccessDesk(desk, request).state
    sees_all = request.rights.allows("access", None)
    shown = [
        _shown(state, token)
        for token in state.tokens.values()
        if sees_all or token.user == request.identity.user.id
    ]
    return answered({"items": shown})


def _shown(state: AccessState, token: UserToken) -> dict[str, Any]:
    issued = token.issued
    return {
        "id": issued.id,
        "user": token.user,
        "name": state.users[token.user].name,
        "kind": issued.kind,
        "label": issued.label,
        "issued_at": token.issued_at,
        "expires_at": issued.expires_at,
        "revoked_at": token.revoked_at,
        "roles": issued.roles,
        "models": issued.models,
    }


async def new_token(desk: Desk, request: Request) -> Answer:
    """Make a token; this answer alone has its secret."""
    body = await request.read(AskedToken)

    def issued() -> Answer:
        access = AccessDesk(desk, request)
        token, secret = access.issue(body)
        return answered(_shown(access.state, token) | {"secret": secret}, 201)

    return await desk.work.do(issued)


def revoked(desk: Desk, request: Request) -> Answer:
    """Revoke a token: one's own, or with the right to change access any; a narrowed one itself."""
    AccessDesk(desk, request).revoke(request.values["token"])
    return Answer(204)


def log(desk: Desk, request: Request) -> Answer:
    """List what was refused and who signed in on a day."""
    day = request.parameters.get("day") or datetime.now(UTC).date().isoformat()
    try:
        reports = AccessDesk(desk, request).reports(day)
    except ValueError as error:
        raise Problem(422, "invalid_input", "day must be a date such as 2026-03-03") from error
    return answered({"items": list(reports)})
