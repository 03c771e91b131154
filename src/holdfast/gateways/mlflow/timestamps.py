"""The present time as MLflow writes it, by the clock that it reads."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the present time; programs that stop MLflow's clock in a test stop this one, too."""
    return datetime.fromtimestamp(time.time(), UTC)


def now_ms() -> str:
    """Return milliseconds since 1970."""
    return str(int(time.time() * 1000))
