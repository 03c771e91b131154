"""A signal's handler and the thread that it interrupts never wait for each other."""

import subprocess
import sys

from holdfast.stop_signal import StopSignal

_PATIENCE_S = 60
_INTERRUPTED = """
import os, signal, sys, threading
from holdfast.stop_signal import StopSignal

stop = StopSignal()
seen = 0

def handle(*_):
    global seen
    seen += 1
    stop.set()
    if seen < 300:
        stop._is_set = False  # wait on, to be interrupted again

signal.signal(signal.SIGUSR1, handle)
main = threading.main_thread().ident

def disturb():
    while seen < 300:
        signal.pthread_kill(main, signal.SIGUSR1)

threading.Thread(target=disturb, daemon=True).start()
while not stop.wait(0.001):
    pass
print("stopped")
"""


def test_a_handler_may_interrupt_the_wait_at_any_point() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    assert ended.stdout == "stopped\n", ended.stderr


def test_it_stays_set_and_a_wait_for_nothing_ends() -> None:
    stop = StopSignal()
    assert not stop.wait(0.001)
    assert not stop.wait(0)
    stop.set()
    assert stop.is_set()
    assert stop.wait(0)
    assert stop.wait(60)
