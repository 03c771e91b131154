"""Callbacks that tell a run each round of a booster while it is trained."""

from collections.abc import Callable
from typing import Any

from holdfast.recording.training_run import TrainingRun

__all__ = ["lightgbm_callback", "xgboost_callback"]


def xgboost_callback(run: TrainingRun) -> Any:
    """Return a callback for `xgboost.train(…, evals=…, callbacks=[…])` and for its estimators.

    Raises:
        ImportError: If XGBoost is not installed.
    """
    import xgboost

    class RecordRounds(xgboost.callback.TrainingCallback):
        """Tells each metric of each set of rows."""

        def after_iteration(self, _model: Any, epoch: int, evals_log: Any) -> bool:
            for data, metrics in evals_log.items():
                for metric, values in metrics.items():
                    last = values[-1]
                    value = last[0] if isinstance(last, tuple) else last  # of cross-validation
                    run.curve(f"{data}/{metric}", epoch + 1, value)
            return False  # the training goes on

    return RecordRounds()


def lightgbm_callback(run: TrainingRun) -> Callable[[Any], None]:
    """Return a callback for `lightgbm.train(…, valid_sets=…, callbacks=[…])` and estimators."""

    def record(environment: Any) -> None:
        for data, metric, value, *_ in environment.evaluation_result_list or ():
            run.curve(f"{data}/{metric}", environment.iteration + 1, value)

    return record
