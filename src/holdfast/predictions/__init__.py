"""The prediction log: which version served this prediction, years later.

```
row, ids    one prediction, its id            writer, keeping   how a worker keeps them
log, opening   what any log can do, and where it is   filters, columns  rows asked for, as columns
folder      SQLite and Parquet by day: parts, sqlite, parquet, compaction, retention
postgres    one table for many servers        feedback, telling the truth, told later
batch_record, batch_records                   rows of files that were scored, one record for all
stats, counting, export                       what it tells: figures, a rollout's counts, rows
```
"""

from holdfast.predictions.batch_record import Batches, BatchRecord
from holdfast.predictions.capture import CaptureOptions
from holdfast.predictions.filters import ALL, Filter
from holdfast.predictions.log import Day, Feedback, Label, Log
from holdfast.predictions.open_log import open_log, open_recorder
from holdfast.predictions.row import Prediction, Role
from holdfast.predictions.writer import Recorder

__all__ = [
    "ALL",
    "BatchRecord",
    "Batches",
    "CaptureOptions",
    "Day",
    "Feedback",
    "Filter",
    "Label",
    "Log",
    "Prediction",
    "Recorder",
    "Role",
    "open_log",
    "open_recorder",
]
