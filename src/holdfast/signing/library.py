"""The library behind all this, missed with advice."""

import contextlib
from collections.abc import Iterator

from holdfast.errors import MissingLibraryError


@contextlib.contextmanager
def cryptography() -> Iterator[None]:
    """Turn the want of the library into advice; import it within.

    Raises:
        MissingLibraryError: If it is not installed; names the extra that brings it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingLibraryError("cryptography", "sign", "keys and signatures need it") from error
