"""LightGBM, whose wheel needs a library of the system's own."""

from typing import Any

import pytest


def lightgbm() -> Any:
    """Import LightGBM, or skip where the system lacks OpenMP (Debian: `libgomp1`)."""
    try:
        import lightgbm as imported
    except OSError as error:
        pytest.skip(f"LightGBM cannot be loaded on this system: {error}")
    return imported
