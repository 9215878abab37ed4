"""The signals that ask a process to stop."""

import signal

# SIGHUP: the terminal or the connection is gone; Windows has none
STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
