"""Who could approve: so that a policy that too few people can fulfil is refused when it is set."""

from holdfast.access.access_state import AccessState, User
from holdfast.access.permissions import who_could
from holdfast.core.policy import Policy
from holdfast.errors import RefusedError


def possible_approvers(state: AccessState, model: str) -> list[User]:
    """Return the people who may approve versions of a model."""
    return [user for user, _ in who_could(state, "approve", model) if user.kind == "person"]


def most_approvals(state: AccessState, model: str) -> int:
    """Return how many approvals a version can get that count.

    Whoever registers and whoever promotes do not count. Where one can be neither, because a
    service account or somebody who may not approve does both, all approvers are left.
    """
    approvers = {user.id for user in possible_approvers(state, model)}
    registering, promoting = (
        {user.id for user, _ in who_could(state, verb, model)} for verb in ("register", "promote")
    )
    if not registering or not promoting:
        return len(approvers)
    barred = min(
        len({one, other} & approvers)
        for one in _apart(registering, approvers)
        for other in _apart(promoting, approvers)
    )
    return len(approvers) - barred


def _apart(able: set[str], approvers: set[str]) -> list[str]:
    """Return somebody who is able and no approver, else all who are able."""
    others = sorted(able - approvers)
    return others[:1] or sorted(able)


def check_approvals(policy: Policy, state: AccessState, model: str) -> None:
    """Refuse a policy that asks for more authenticated approvals than people can give.

    Raises:
        RefusedError: With how many can.
    """
    asked = max(policy.approvals, 1 if policy.code == "approved" else 0)
    if policy.approval != "authenticated" or not asked:
        return
    most = most_approvals(state, model)
    if most < asked:
        names = ", ".join(user.name for user in possible_approvers(state, model)) or "nobody"
        reason = (
            f"approvals: {asked} are asked for, but at most {most} can count "
            f"({names} may approve; who registers or promotes does not count)"
        )
        raise RefusedError(f"the policy of {model}", "access", [reason], "give others the role")
