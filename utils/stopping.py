"""Ending a training politely: a signal asks it to finish the step, write a checkpoint, and stop."""

import signal
import threading

# Ctrl-C; what schedulers send before they kill; the terminal is closed.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heeded_signals():
    """Return the signals that ask a program to end; under nohup, a closed terminal does not."""
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return SIGNALS[:-1] if ignored else SIGNALS


class Stopped(Exception):
    """A training ended because a signal asked for it; its checkpoint says where."""

    def __init__(self, number, message):
        super().__init__(message)
        self.exit_code = 128 + number  # as shells report it


class StopRequest:
    """While entered, notes the first signal instead of dying of it; a second Ctrl-C insists.

    ``number`` is the signal's, 0 for none. Signals reach the main thread only: in others, nothing
    is noted.
    """

    def __init__(self):
        self.number = 0
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = {n: signal.signal(n, self._note) for n in heeded_signals()}
        return self

    def __exit__(self, *error):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if self.number and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number
