"""TensorBoard events, which never stop a training when they cannot be written."""

from utils.disk import refusal
from utils.errors import one_line

MARGIN = 1 << 20  # bytes that must be free: SummaryWriter writes later, in a thread of its own


class Events:
    """Writes the events of a run. If tensorboard is missing or broken, or the disk is full, one
    warning says so, and the training continues without events.
    """

    def __init__(self, folder, logger):
        self.folder, self.logger = folder, logger
        self._make_writer = self._writer = None
        self._refused = False
        try:  # slow to import, and not every run wants it
            from torch.utils.tensorboard import SummaryWriter

            self._make_writer = SummaryWriter
        except Exception as error:  # a broken installation can raise anything
            self._give_up(error)

    def add_scalar(self, name, value, epoch):
        """Write a scalar."""
        self._write(lambda writer: writer.add_scalar(name, value, epoch))

    def add_figure(self, name, figure, epoch):
        """Write a matplotlib figure."""
        self._write(lambda writer: writer.add_figure(name, figure, epoch))

    def close(self):
        """Close the file."""
        if self._writer is not None:
            self._write(lambda writer: writer.close())

    def _write(self, write):
        if self._make_writer is None:
            return
        error = refusal(self.folder, MARGIN)
        if error is None:
            try:
                self._writer = self._writer or self._make_writer(self.folder)
                write(self._writer)
            except OSError as late:  # the disk was filled in between
                self._writer, error = None, late  # its end may be cut: continue in another file
            except Exception as broken:
                self._give_up(broken)
        if error is not None and not self._refused:
            self.logger.warning(
                f"{self.folder}: no TensorBoard events for the time being ({error.strerror})"
            )
        self._refused = error is not None

    def _give_up(self, error):
        self._make_writer = self._writer = None
        self.logger.warning(
            f"no TensorBoard events: tensorboard cannot be used ({type(error).__name__}: "
            f"{one_line(error)}); install it anew, or set trainer.tensorboardX to false"
        )
