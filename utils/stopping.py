"""Stop a program on a signal; a training finishes its step and writes a checkpoint first."""

import signal
import threading

# Ctrl-C; what schedulers send before they kill; a closed terminal.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handled_signals():
    """Return the signals that stop a training; not SIGHUP where it is ignored, as under nohup."""
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return SIGNALS[:-1] if ignored else SIGNALS


class Interrupted(KeyboardInterrupt):
    """What a signal raises where it ends a program as Ctrl-C does."""

    def __init__(self, number):
        super().__init__()
        self.exit_code = 128 + number  # as shells report it


def stop_on_signals():
    """Let SIGTERM and SIGHUP end this process, and its children, as Ctrl-C does."""

    def interrupt(number, frame):
        raise Interrupted(number)

    for number in handled_signals():
        signal.signal(number, interrupt)


class Stopped(Exception):
    """Raised when a signal has stopped a training, after its checkpoint is written."""

    def __init__(self, number, message):
        super().__init__(message)
        self.exit_code = 128 + number  # as shells report it


class StopRequest:
    """Records the first signal while entered; a second Ctrl-C raises ``KeyboardInterrupt``.

    ``number`` is the signal's, or 0. Python handles signals in the main thread: in any other thread
    this does nothing.
    """

    def __init__(self):
        self.number = 0
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = {n: signal.signal(n, self._note) for n in handled_signals()}
        return self

    def __exit__(self, *error):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if self.number and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number
