"""The verbs of recorded trainings behind a server: a failure is told there, and read back."""

from holdfast.core import names, training_commands
from holdfast.core.events import TrainingFailed
from holdfast.core.views import Moved
from holdfast.registry.server_verbs import ServerVerb, ServerVerbs
from holdfast.registry.session import CommitOptions, Session
from holdfast.registry.training_verbs import Trainings


class RemoteTrainings(Trainings):
    """What is recorded of trainings in the store of a server."""

    def __init__(self, session: Session, verbs: ServerVerbs) -> None:
        super().__init__(session)
        self._verbs = verbs

    def fail(
        self,
        model: str,
        failure: TrainingFailed,
        *,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Have the server write that a training of a model failed."""
        checked = training_commands.training_failed(failure)
        told = {"error": checked.error, "why": checked.why, "took_s": checked.took_s}
        verb = ServerVerb("training-failed", (TrainingFailed,), told, told)
        options = CommitOptions(reason, idempotency_key)
        return self._verbs.moved(model, self._verbs.post(names.check_model(model), verb, options))
