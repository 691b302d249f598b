"""TensorBoard events, as far as the disk takes them."""

from utils.disk import refusal

MARGIN = 1 << 20  # bytes that must be free: SummaryWriter writes later, in a thread of its own


class Events:
    """Writes the events of a run; while the disk takes none, that is told once, and the training
    goes on without them.
    """

    def __init__(self, folder, logger):
        self.folder, self.logger = folder, logger
        self._writer = None
        self._refused = False

    def add_scalar(self, name, value, epoch):
        """Write a number."""
        self._write(lambda writer: writer.add_scalar(name, value, epoch))

    def add_figure(self, name, figure, epoch):
        """Write a matplotlib figure."""
        self._write(lambda writer: writer.add_figure(name, figure, epoch))

    def close(self):
        """End the file."""
        if self._writer is not None:
            self._write(lambda writer: writer.close())

    def _write(self, write):
        error = refusal(self.folder, MARGIN)
        if error is None:
            try:
                self._writer = self._writer or _summary_writer(self.folder)
                write(self._writer)
            except OSError as late:  # the disk was filled in between
                self._writer, error = None, late  # its end may be torn: another file goes on
        if error is not None and not self._refused:
            self.logger.warning(
                f"{self.folder}: no TensorBoard events for the time being ({error.strerror})"
            )
        self._refused = error is not None


def _summary_writer(folder):
    from torch.utils.tensorboard import SummaryWriter  # slow to import, and not every run wants it

    return SummaryWriter(folder)
