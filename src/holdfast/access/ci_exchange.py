"""Jobs without secrets: the identity token of a CI system against a rule's exact claims."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from holdfast.access import id_tokens
from holdfast.access.access_events import RuleSet
from holdfast.access.access_state import AccessState
from holdfast.access.authentication import session_identity
from holdfast.access.jwks import KeySets
from holdfast.access.permissions import Identity
from holdfast.access.sessions import JOB, SessionRecord, Sessions
from holdfast.access.tokens import digest_of_secret
from holdfast.core.entry import format_time, format_timestamp
from holdfast.errors import UnauthenticatedError

_RUNS: Final = ("run_id", "job_id", "pipeline_id", "jti", "sub")
"""Claims that say which run a job belongs to, the plainest first."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A job's token: shown once, good for 15 minutes."""

    secret: str = field(repr=False)
    expires_at: str
    identity: Identity


def exchange(
    token: str, state: AccessState, key_sets: KeySets, sessions: Sessions, now: datetime
) -> Exchanged:
    """Give a job a token for 15 minutes, for the identity token of its CI system.

    Args:
        token: The identity token.
        state: Has the rules.
        key_sets: Knows the issuers' keys; only issuers of rules are ever asked.
        sessions: Keeps what is given, and what was shown before.
        now: Present time, aware.

    Raises:
        UnauthenticatedError: If no rule fits; of the one that comes closest the refusal names the
            claim, what was wanted and what came. Or if the token was shown before.
        BusyError: If the issuer does not answer.
    """
    rule, claims = match(token, state, key_sets, now)
    issuer = rule.issuer
    run = next((str(claims[name]) for name in _RUNS if claims.get(name)), "")
    how = f"ci:{issuer}/{''.join(filter(str.isprintable, run))[:100]}"
    name = claims.get("jti")
    name = name if isinstance(name, str) and name else digest_of_secret(_signed(token))
    dead_at = format_timestamp(int((claims["exp"] + 2 * id_tokens.SKEW_S) * 1_000_000))
    if not sessions.use_once(f"{issuer} {name}", dead_at):
        raise UnauthenticatedError("identity token", "was exchanged before", "ask for a new one")
    until = format_time(now + JOB)
    record = SessionRecord(rule.rule, how, format_time(now), until, "ci")
    identity = session_identity(state, record, now)
    return Exchanged(sessions.create(record), until, identity)


def _signed(token: str) -> str:
    """Return what of a token was signed: one signature has several spellings, all of them valid."""
    return token.rpartition(".")[0]


def match(
    token: str, state: AccessState, key_sets: KeySets, now: datetime
) -> tuple[RuleSet, dict[str, Any]]:
    """Return the rule that fits a job's token, and the token's claims; nothing is used up.

    Raises:
        UnauthenticatedError: If none does.
        BusyError: If the issuer does not answer.
    """
    issuer = id_tokens.issuer_of(token)
    rules = [rule for rule in state.rules.values() if rule.issuer == issuer]
    if not rules:
        raise id_tokens.refused("iss", "an issuer that a rule names", issuer)
    claims = id_tokens.read(token, issuer, key_sets, now)
    misfits = {rule.rule: _misfits(rule, claims) for rule in rules}
    rules.sort(key=lambda rule: (len(misfits[rule.rule]), rule.name))
    for claim, demanded, came in misfits[rules[0].rule][:1]:
        raise id_tokens.refused(claim, f"{demanded!r} (rule {rules[0].name})", came)
    return rules[0], claims


def _misfits(rule: RuleSet, claims: Mapping[str, Any]) -> list[tuple[str, str, object]]:
    """Return what does not fit: each claim, what was wanted and what came."""
    misfits: list[tuple[str, str, object]] = []
    if rule.audience not in id_tokens.audiences(claims):
        misfits.append(("aud", rule.audience, claims.get("aud")))
    for name, demanded in rule.claims.items():
        came = claims.get(name)
        is_number = isinstance(came, int) and not isinstance(came, bool)
        if (str(came) if is_number else came) != demanded:
            misfits.append((name, demanded, came))
    return misfits
