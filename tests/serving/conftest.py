"""Nothing is served on Windows, where processes cannot share an address (`http/addresses.py`)."""

import socket

collect_ignore_glob = [] if hasattr(socket, "SO_REUSEPORT") else ["*"]
