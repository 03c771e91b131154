"""Records without ceremony: one training, one version.

```
training_block   the `with` block: what it checks first, registers at its end, says of a failure
training_run     what is told inside it: parameters, metrics, curves, figures, files, data, model
curve_points     a curve while it grows, thinned so that it stays small
file_copies      files as they were when the run was told of them
figure_drawing   a figure of matplotlib, bytes or a file as what is kept
fit_reports      what fitted objects of libraries tell of their training
boosting_callbacks   rounds of XGBoost and LightGBM, told as they come
fit_hooks        `autolog`, which reads that by itself
torch_loops      its part for torch: losses and steps of optimizers
run_facts        commit, duration, memory of the process
data_facts       what a run was trained on
```

Everything is kept in memory and a temporary folder until the block ends; then one registration
writes it, with every rule that registrations have.
"""

from holdfast.recording.boosting_callbacks import lightgbm_callback, xgboost_callback
from holdfast.recording.fit_hooks import autolog
from holdfast.recording.training_block import TrainingBlock, training
from holdfast.recording.training_run import TrainingRun

__all__ = [
    "TrainingBlock", "TrainingRun", "autolog", "lightgbm_callback", "training", "xgboost_callback",
]  # fmt: skip
