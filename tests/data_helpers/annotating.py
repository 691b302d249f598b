"""A server of the annotator in this process."""

import threading
from contextlib import contextmanager

from misc.annotating.server import AnnotationServer
from misc.annotating.session import Session
from misc.annotating.store import AnnotationStore


@contextmanager
def served(folder, names, proposer=None, wanted=None):
    """Serve the images of a folder in a thread; yields the ``AnnotationServer``."""
    store = AnnotationStore(folder, names)
    with AnnotationServer(Session(store, store.images, proposer, wanted)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
