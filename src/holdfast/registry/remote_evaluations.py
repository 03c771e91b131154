"""The client's half of an evaluation behind a server: it is measured here, and recorded there."""

import msgspec
from msgspec.structs import replace

from holdfast.core import events
from holdfast.core.views import Moved
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.registry import losses
from holdfast.registry.evaluating import Unrecorded
from holdfast.registry.losses import Measured
from holdfast.registry.server_verbs import ServerVerb, ServerVerbs
from holdfast.registry.session import CommitOptions, Session


def record(session: Session, verbs: ServerVerbs, made: Unrecorded, options: CommitOptions) -> Moved:
    """Send the losses, have the server record the evaluation, and read it back.

    Raises:
        UnsupportedError: If the server is too old to tell measured figures from told ones.
    """
    digests = _sent(session, made.own)
    beside = {} if made.beside is None else _sent(session, made.beside)
    evaluation = made.evaluation
    arguments = {
        "measured": msgspec.to_builtins(evaluation), "kept": digests, "champion_kept": beside,
    }  # fmt: skip
    if evaluation.champion is not None and made.beside is not None:
        champion = replace(evaluation.champion, losses=losses.named(made.beside, beside))
        evaluation = replace(evaluation, champion=champion)
    expected = {"metrics": evaluation.metrics, "measured": evaluation}
    verb = ServerVerb("evaluate", (events.Evaluated,), arguments, expected)
    try:
        return verbs.on_version(made.ref, verb, options)
    except InvalidInputError as error:
        if "unknown field" in str(error):
            problem = "cannot record what was measured here: it is of an older Holdfast"
            advice = "update the server, or record the figures as told: holdfast evaluate REF …"
            raise UnsupportedError("the server", problem, advice) from error
        raise


def _sent(session: Session, measured: Measured) -> dict[str, str]:
    blobs = session.open_store.blobs
    return {name: blobs.add_bytes(raw) for name, raw in measured.rows.items()}
