"""Write the kept store that a server guards: every operation of access, and entries of its people.

`python -m tests.golden.write_access FILE`; a tar that was released is never written again.
"""

import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace
from tests.golden.write import _Pen, pack
from tests.keys import Person

from holdfast import Policy
from holdfast.access import changes, tokens
from holdfast.access.access_events import AccessEvent, ProviderSet, RuleSet, SettingChanged
from holdfast.access.access_journal import AccessJournal, AccessKeys
from holdfast.access.access_state import AccessState
from holdfast.core.auth import Auth
from holdfast.core.entry import Stamp

SERVER = Person("the server of the kept store")
KEYS = AccessKeys(frozenset((SERVER.key,)), SERVER)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ISSUER = "https://id.example"
RULE = RuleSet(
    rule="",
    name="retrain",
    issuer="https://ci.example",
    audience="https://models.example",
    claims={"repository_id": "77", "ref": "refs/heads/main"},
    role="registrar",
    models=("risk/*",),
)
PROVIDER = ProviderSet(
    provider="corp",
    issuer=ISSUER,
    client_id="holdfast",
    groups_claim="groups",
    groups={"corp-risk": "risk"},
)


def secret(number: int) -> tokens.NewToken:
    """Return a token that is the same in every run."""
    return tokens.mint("p", bytes([number]) * 32)


Change = Callable[[AccessState, Stamp], AccessEvent | None]


def wishes() -> list[Change]:
    """Return what happens to people and rights, every operation among it."""
    until = changes.expiry(NOON, 90)
    issued = {"label": "laptop", "expires_at": until, "roles": ("viewer",), "models": ("risk/*",)}
    return [
        lambda s, t: changes.make_admin(s, t, "ana", secret(1), until),
        lambda s, t: changes.add_user(s, t, "bo", "person"),
        lambda s, t: changes.add_user(s, t, "cy", "person"),
        lambda s, t: changes.add_user(s, t, "nightly", "service", "ana"),
        lambda s, _t: changes.rename_user(s, "bo", "bob"),
        lambda s, _t: changes.set_group(s, "risk", ["bob", "cy"]),
        lambda s, _t: changes.set_group(s, "old", ["cy"]),
        lambda s, _t: changes.remove_group(s, "old"),
        lambda s, t: changes.give_grant(s, t, "group:risk", "promoter", "risk/*"),
        lambda s, t: changes.give_grant(s, t, "everyone", "viewer", "*"),
        lambda s, t: changes.give_grant(s, t, "nightly", "registrar", "*"),
        lambda s, _t: changes.take_grant(s, list(s.grants)[-1]),
        lambda s, t: changes.issue_token(s, t, "bob", secret(2), issued),
        lambda s, t: changes.issue_token(s, t, "cy", secret(3), issued),
        lambda s, _t: changes.revoke_token(s, secret(3).id),
        lambda s, _t: changes.link_identity(s, "bob", ISSUER, "7"),
        lambda s, _t: changes.link_identity(s, "cy", ISSUER, "8"),
        lambda s, _t: changes.unlink_identity(s, "cy", ISSUER, "8"),
        lambda s, _t: changes.set_provider(s, PROVIDER),
        lambda s, _t: changes.set_provider(s, replace(PROVIDER, provider="old")),
        lambda s, _t: changes.remove_provider(s, "old"),
        lambda s, t: changes.set_rule(s, t, RULE),
        lambda s, t: changes.set_rule(s, t, replace(RULE, name="old")),
        lambda s, _t: changes.remove_rule(s, "old"),
        lambda _s, _t: SettingChanged(setting="banner", value="hello"),
        lambda s, _t: changes.disable_user(s, "cy"),
        lambda s, _t: changes.enable_user(s, "cy"),
    ]


def furnish_access(folder: Path) -> Path:
    """Make the store in *folder*; return where it is."""
    pen = _Pen(folder)
    registry = pen.open("store", "ana")
    registry.init()
    journal = AccessJournal(registry._session.open_store.store, KEYS)
    for number, wish in enumerate(wishes(), start=1):
        at = NOON + timedelta(minutes=number)
        auth = Auth("u_" + "0" * 12, "session", "person") if number > 1 else None
        stamp = Stamp(at, "ana", f"{number:012d}" + "0" * 20, "as asked", auth=auth)
        journal.commit(wish, lambda stamp=stamp: stamp)  # type: ignore[misc]
    _models(pen, journal.state(max_age_s=0))
    return folder / "store"


def _models(pen: _Pen, state: AccessState) -> None:
    """Have two people and a job live through an approval that counts."""
    registry = pen.open("store", "server")
    ids = {user.name: user.id for user in state.active()}
    ana = registry.acting_as("ana", Auth(ids["ana"], "session", "person", via="models.example"))
    bob = registry.acting_as("bob", Auth(ids["bob"], "token:1a2b3c4d5e6f", "person", claimed="bo"))
    job = registry.acting_as("retrain", Auth("r_1", "ci:https://ci.example/9001", "service"))
    ana.set_policy("risk/iris", Policy(approvals=1, approval="authenticated"))
    job.register("risk/iris", pen.text("iris 1\n"))
    ana.approve("risk/iris@1.0.0", reason="read")
    bob.promote("risk/iris@1.0.0", reason="first")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        pack(furnish_access(Path(made)), Path(sys.argv[1]))
