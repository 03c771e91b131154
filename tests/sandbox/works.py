"""What children do in tests."""

import pickle
from pathlib import Path
from typing import Any


def unpickle(argument: dict[str, Any]) -> str:
    """Name the type of what a file holds."""
    return type(pickle.loads(Path(argument["path"]).read_bytes())).__name__
