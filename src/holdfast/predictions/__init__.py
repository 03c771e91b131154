"""The prediction log: which version served this prediction, years later."""

from holdfast.predictions.filters import ALL, Filter
from holdfast.predictions.keeping import Recording
from holdfast.predictions.log import Day, Feedback, Label, Log, open_log, open_recorder
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
]
