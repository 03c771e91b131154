"""The present time as MLflow counts it."""

import time


def now_ms() -> str:
    """Return milliseconds since 1970, as text."""
    return str(time.time_ns() // 1_000_000)
