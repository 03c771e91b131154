"""Names that key-value stores take for themselves, whatever is kept in them."""

from typing import Final

TEMPORARY: Final = ".tmp-"
"""First letters of a file that is being written; what a crash leaves is swept by its age."""
DAMAGED: Final = "trash/damaged"
"""What `repair` replaced is kept here until somebody removes it; collectors leave it alone."""


def aside(key: str, mark: str) -> str:
    """Return the key under which a damaged file is kept, *mark* telling it from others."""
    return f"{DAMAGED}/{key.replace('/', '+')}~{mark}"
