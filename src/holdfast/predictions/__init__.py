"""The prediction log: which version served this prediction, years later.

```
row, ids    one prediction, its id            writer, keeping   how a worker keeps them
log, opening   what any log can do, and where it is   filters, columns  rows asked for, as columns
folder      SQLite and Parquet by day: parts, sqlite, parquet, compaction, retention
postgres    one table for many servers        feedback, telling the truth, told later
stats, counting, export                       what it tells: figures, a rollout's counts, rows
```
"""

from holdfast.predictions.filters import ALL, Filter
from holdfast.predictions.keeping import Recording
from holdfast.predictions.log import Day, Feedback, Label, Log
from holdfast.predictions.opening import open_log, open_recorder, without_credentials
from holdfast.predictions.row import Prediction, Role
from holdfast.predictions.writer import Recorder

__all__ = [
    "ALL",
    "Day",
    "Feedback",
    "Filter",
    "Label",
    "Log",
    "Prediction",
    "Recorder",
    "Recording",
    "Role",
    "open_log",
    "open_recorder",
    "without_credentials",
]
