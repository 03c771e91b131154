"""The default author of entries."""

import contextlib
import os


def author() -> str:
    """Return the name of the user this process runs as, `unknown` if the system has none."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except ImportError:  # on Windows
        with contextlib.suppress(OSError):
            return os.getlogin()
    except KeyError:
        pass
    return "unknown"
