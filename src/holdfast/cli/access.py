"""Commands that say who may do what, for whoever has access to the store."""

from collections.abc import Callable
from typing import Any

import click

from holdfast.cli import context
from holdfast.cli.access_session import AccessSession, believe_key, opened, server_key
from holdfast.cli.clicked import command
from holdfast.cli.context import Context, pairs
from holdfast.cli.tables import columns
from holdfast.core import names
from holdfast.core.wording import moment
from holdfast.errors import InvalidInputError, NotFoundError

_role = click.option("--role", multiple=True, metavar="ROLE", help="Narrow the token to this role.")


@click.group("access")
def access() -> None:
    """Say who may do what through a server, and see who could.

    Whoever can write to the store can do everything: these commands need that right, and the
    server's key. A server offers the same to administrators.
    """


def _command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function of an `AccessSession` a command of this group."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        def call(
            ctx: Context, server_key: str | None, believe_key: tuple[str, ...], **options: Any
        ) -> Any:
            return function(opened(ctx, server_key, believe_key), **options)

        call.__doc__, call.__name__ = function.__doc__, function.__name__
        call.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        made = command(name)(server_key(believe_key(call)))
        access.add_command(made)
        return made

    return decorate


@_command("init")
@click.option("--admin", required=True, metavar="NAME", help="Make this person administrator.")
@click.option("--expires", metavar="SPAN", help="Let the token expire after this time [90d].")
@context.reason
def init(session: AccessSession, admin: str, expires: str | None, reason: str | None) -> None:
    """Make an administrator, and print a token once.

    The first one begins the access journal. The key is made if it is not there; keep it where only
    the server can read it, never in the store. Where an administrator was lost, the same command
    makes one again, and is recorded.
    """
    from holdfast.access import changes

    session.make_key()
    new, until = session.mint("p"), session.expiry(expires)
    session.commit(
        lambda state, stamp: changes.make_admin(state, stamp, admin, new, until), reason, begin=True
    )
    session.emit_token(f"{admin} is an administrator", new, until)


@_command("user")
@click.argument("user", required=False)
@click.option("--add", is_flag=True, help="Add this person.")
@click.option("--rename", metavar="NAME", help="Give the user another name.")
@click.option("--disable", is_flag=True, help="Disable the user and revoke all their tokens.")
@click.option("--enable", is_flag=True, help="Enable the user again; tokens stay revoked.")
@click.option("--link", nargs=2, metavar="ISSUER SUBJECT", help="Let this subject sign in as them.")
@click.option("--unlink", nargs=2, metavar="ISSUER SUBJECT", help="Let it sign in no more.")
@context.reason
def user(session: AccessSession, user: str | None, reason: str | None, **options: Any) -> None:
    """List people, or show, add or change USER."""
    from holdfast.access import changes

    chosen = _one("user", options)
    if chosen is None:
        _list_users(session, "person", user)
        return
    if user is None:
        raise InvalidInputError(f"--{chosen}", "needs a user", "name them before it")
    value = options[chosen]
    verbs: dict[str, Any] = {
        "add": lambda state, stamp: changes.add_user(state, stamp, user, "person"),
        "rename": lambda state, _stamp: changes.rename_user(state, user, value),
        "disable": lambda state, _stamp: changes.disable_user(state, user),
        "enable": lambda state, _stamp: changes.enable_user(state, user),
        "link": lambda state, _stamp: changes.link_identity(state, user, *value),
        "unlink": lambda state, _stamp: changes.unlink_identity(state, user, *value),
    }
    session.commit(verbs[chosen], reason)


def _list_users(session: AccessSession, kind: str, name: str | None = None) -> None:
    """List all users of a kind, or the one of a name."""
    from holdfast.access import changes

    state = session.state()
    users = [user for user in state.users.values() if user.kind == kind]
    if name is not None:
        users = [changes.find_user(state, name)]
    rows = [
        (
            user.id,
            user.name,
            "disabled" if user.disabled else "",
            state.users[user.owner].name if user.owner else ", ".join(user.groups) or "–",
        )
        for user in users
    ]
    last = "GROUPS" if kind == "person" else "OWNER"
    session.ctx.emit(users, columns(("ID", "NAME", "", last), rows))


@_command("service")
@click.argument("account", required=False)
@click.option("--owner", metavar="USER", help="Add it; this person answers for it.")
@context.reason
def service(
    session: AccessSession, account: str | None, owner: str | None, reason: str | None
) -> None:
    """List service accounts, or add ACCOUNT.

    It never counts as a person.
    """
    from holdfast.access import changes

    if account is None:
        if owner is not None:
            raise InvalidInputError("--owner", "needs a service account", "name it before it")
        _list_users(session, "service")
        return
    if owner is None:
        raise InvalidInputError(f"service account {account}", "needs an owner", "give --owner")
    session.commit(
        lambda state, stamp: changes.add_user(state, stamp, account, "service", owner), reason
    )


@_command("group")
@click.argument("group", required=False)
@click.option("--member", multiple=True, metavar="USER", help="Let it have just these members.")
@click.option("--remove", is_flag=True, help="Remove it; grants to it give nothing.")
@context.reason
def group(
    session: AccessSession,
    group: str | None,
    member: tuple[str, ...],
    reason: str | None,
    *,
    remove: bool,
) -> None:
    """List groups, or show GROUP, or set its members."""
    from holdfast.access import changes

    if group is None and (member or remove):
        raise InvalidInputError("the group", "is not named", "name it before its members")
    if group is None or not (member or remove):
        _list_groups(session, group)
    elif remove:
        session.commit(lambda state, _stamp: changes.remove_group(state, group), reason)
    else:
        session.commit(lambda state, _stamp: changes.set_group(state, group, member), reason)


def _list_groups(session: AccessSession, named: str | None) -> None:
    """List all groups, or the one of a name: who only looks takes no members out."""
    state = session.state()
    if named is not None and named not in state.groups:
        raise NotFoundError(f"group {named}", names.nearest(named, state.groups))
    groups = {name: ids for name, ids in state.groups.items() if named in (None, name)}
    rows = [
        (name, ", ".join(state.users[member].name for member in ids) or "–")
        for name, ids in groups.items()
    ]
    session.ctx.emit(groups, columns(("GROUP", "MEMBERS"), rows))


@_command("grant")
@click.argument("subject", required=False)
@click.argument("role", required=False)
@click.argument("pattern", default="*")
@click.option("--take", metavar="ID", help="Take this grant back.")
@context.reason
def grant(
    session: AccessSession,
    subject: str | None,
    role: str | None,
    pattern: str,
    take: str | None,
    reason: str | None,
) -> None:
    """List grants, or give SUBJECT a role for models like PATTERN.

    SUBJECT is a user, group:NAME or everyone. Roles: viewer, registrar, approver, oncall, promoter,
    admin; `force` and `predictions` are given by themselves. PATTERN is a model's name, in which *
    stands for anything.
    """
    from holdfast.access import changes

    if take is not None:
        session.commit(lambda state, _stamp: changes.take_grant(state, take), reason)
    elif subject is None:
        _list_grants(session)
    elif role is None:
        raise InvalidInputError(f"grant to {subject}", "needs a role", "name it behind the subject")
    else:
        session.commit(
            lambda state, stamp: changes.give_grant(state, stamp, subject, role, pattern), reason
        )


def _list_grants(session: AccessSession) -> None:
    state = session.state()
    grants = list(state.grants.values())
    rows = [
        (grant.id, session.subject(state, grant.subject), grant.role, grant.pattern, grant.by)
        for grant in grants
    ]
    session.ctx.emit(grants, columns(("ID", "WHO", "ROLE", "MODELS", "BY"), rows))


@_command("token")
@click.argument("user", required=False)
@click.option("--label", default="", metavar="TEXT", help="Say what it is for.")
@click.option("--expires", metavar="SPAN", help="Let it expire after this time [90d].")
@_role
@click.option("--models", multiple=True, metavar="PATTERN", help="Narrow it to these models.")
@click.option("--revoke", metavar="ID", help="Revoke this token.")
@context.reason
def token(session: AccessSession, user: str | None, reason: str | None, **options: Any) -> None:
    """List tokens, or make one for USER and print it once."""
    from holdfast.access import changes

    revoke = options["revoke"]
    if revoke is not None:
        session.commit(lambda state, _stamp: changes.revoke_token(state, revoke), reason)
        return
    if user is None:
        _list_tokens(session)
        return
    owner = changes.find_user(session.state(), user)
    new = session.mint("p" if owner.kind == "person" else "s")
    until = session.expiry(options["expires"])
    issued = {
        "label": options["label"],
        "expires_at": until,
        "roles": options["role"] or None,
        "models": options["models"] or None,
    }
    session.commit(
        lambda state, stamp: changes.issue_token(state, stamp, owner.id, new, issued),
        reason,
        quiet=True,
    )
    session.emit_token(f"token {new.id} is {owner.name}'s", new, until)


def _list_tokens(session: AccessSession) -> None:
    state = session.state()
    tokens, uses = list(state.tokens.values()), session.registry.token_uses()
    rows = [
        (
            token.issued.id,
            state.users[token.user].name,
            token.issued.label or "–",
            f"revoked {moment(token.revoked_at)}"
            if token.revoked_at
            else f"until {moment(token.issued.expires_at)}",
            uses.get(token.issued.id, "–"),
            ", ".join([*(token.issued.roles or ()), *(token.issued.models or ())]) or "–",
        )
        for token in tokens
    ]
    listed = [{"token": token, "last_used": uses.get(token.issued.id)} for token in tokens]
    headings = ("ID", "OWNER", "LABEL", "LIFE (UTC)", "LAST USED", "NARROWED TO")
    session.ctx.emit(listed, columns(headings, rows, ("LABEL", "NARROWED TO", "LAST USED")))


@_command("rule")
@click.argument("rule", required=False)
@click.option("--issuer", metavar="URL", help="Accept identity tokens of this issuer.")
@click.option("--audience", metavar="URL", help="Accept those made for this server.")
@click.option("--claim", multiple=True, metavar="NAME=VALUE", help="Require this exact claim.")
@click.option("--role", metavar="ROLE", help="Let the jobs act in this role.")
@click.option("--models", multiple=True, metavar="PATTERN", help="Let them reach these models.")
@click.option("--remove", is_flag=True, help="Remove it, and the tokens that it gave.")
@context.reason
def rule(session: AccessSession, rule: str | None, reason: str | None, **options: Any) -> None:
    """List rules for CI jobs, or set RULE.

    Jobs whose identity token has exactly these claims need no secret.
    """
    from holdfast.access import changes
    from holdfast.access.access_events import RuleSet

    if rule is None:
        rules = list(session.state().rules.values())
        rows = [
            (ci_rule.name, ci_rule.issuer, ci_rule.role, ", ".join(ci_rule.models))
            for ci_rule in rules
        ]
        session.ctx.emit(rules, columns(("RULE", "ISSUER", "ROLE", "MODELS"), rows))
        return
    if options["remove"]:
        session.commit(lambda state, _stamp: changes.remove_rule(state, rule), reason)
        return
    facts = RuleSet(
        rule="",
        name=rule,
        issuer=options["issuer"] or "",
        audience=options["audience"] or "",
        claims=pairs("--claim", options["claim"]),
        role=options["role"] or "",
        models=options["models"],
    )
    session.commit(lambda state, stamp: changes.set_rule(state, stamp, facts), reason)


@_command("provider")
@click.argument("provider", required=False)
@click.option("--issuer", metavar="URL", help="Accept sign-ins of this issuer.")
@click.option("--client-id", metavar="ID", help="Identify this server there by this id.")
@click.option("--groups-claim", metavar="NAME", help="Read a person's groups from this claim.")
@click.option("--map", "maps", multiple=True, metavar="THEIRS=OURS", help="Map a group to ours.")
@click.option("--remove", is_flag=True, help="Let nobody sign in by it any more.")
@context.reason
def provider(
    session: AccessSession, provider: str | None, reason: str | None, **options: Any
) -> None:
    """List OpenID Connect providers; let people sign in by PROVIDER."""
    from holdfast.access import changes
    from holdfast.access.access_events import ProviderSet

    if provider is None:
        providers = list(session.state().providers.values())
        rows = [
            (sign_in_provider.provider, sign_in_provider.issuer, sign_in_provider.client_id)
            for sign_in_provider in providers
        ]
        session.ctx.emit(providers, columns(("PROVIDER", "ISSUER", "CLIENT ID"), rows))
        return
    if options["remove"]:
        session.commit(lambda state, _stamp: changes.remove_provider(state, provider), reason)
        return
    facts = ProviderSet(
        provider=provider,
        issuer=options["issuer"] or "",
        client_id=options["client_id"] or "",
        groups_claim=options["groups_claim"],
        groups=pairs("--map", options["maps"]),
    )
    session.commit(lambda state, _stamp: changes.set_provider(state, facts), reason)


@_command("log")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Show the last N lines.")
@click.option("--refusals", metavar="DAY", help="Show who was refused what on this day instead.")
def log(session: AccessSession, limit: int | None, refusals: str | None) -> None:
    """Show every change of people and rights, the newest first."""
    from holdfast.core.auth import shown

    if refusals is not None:
        reports = session.refusals(refusals)
        rows = [
            (
                moment(report.at),
                report.what,
                report.by or "–",
                report.verb or "–",
                report.model or "–",
                report.why,
            )
            for report in reports
        ]
        headings = ("WHEN (UTC)", "WHAT", "WHO", "VERB", "MODEL", "WHY")
        session.ctx.emit(reports, columns(headings, rows))
        return
    lines = session.log()[::-1][:limit]
    changes = [
        (
            f"{report.seq}",
            moment(report.at),
            shown(report.by, report.auth),
            report.what,
            report.reason or "–",
        )
        for report in lines
    ]
    session.ctx.emit(lines, columns(("ENTRY", "WHEN (UTC)", "WHO", "WHAT", "WHY"), changes))


@_command("who-could")
@click.argument("verb")
@click.argument("model", required=False)
@context.at
def who_could(session: AccessSession, verb: str, model: str | None, at: str | None) -> None:
    """Name everybody who could do VERB to MODEL, now or at a time.

    VERB is promote, rollback, approve, …; on whole stores also access, gc, import.
    """
    from holdfast.access import permissions

    state = session.state(at)
    able = permissions.who_could(state, verb, model)
    rows = [
        (user.name, user.kind, grant.role, grant.pattern, session.subject(state, grant.subject))
        for user, grant in able
    ]
    found = [{"user": user, "grant": grant} for user, grant in able]
    session.ctx.emit(found, columns(("WHO", "KIND", "ROLE", "MODELS", "GRANTED TO"), rows))


def _one(what: str, options: dict[str, Any]) -> str | None:
    """Return the one option that was given, `None` if none was.

    Raises:
        InvalidInputError: If several were.
    """
    names = [name for name, value in options.items() if value]
    if len(names) > 1:
        raise InvalidInputError(
            what,
            f"takes one change at a time, not --{' and --'.join(names)}",
            "give one of them",
        )
    return names[0] if names else None


COMMANDS = (access,)
