"""A server of the annotator in this process."""

import threading
from contextlib import contextmanager

from misc.annotating.box_session import BoxSession
from misc.annotating.box_store import BoxStore
from misc.annotating.server import AnnotationServer
from misc.annotating.session import Session
from misc.annotating.store import AnnotationStore


@contextmanager
def served(folder, names, proposer=None, wanted=None, boxes=False):
    """Serve the images of a folder in a thread; yields the ``AnnotationServer``."""
    store = (BoxStore if boxes else AnnotationStore)(folder, names)
    session = (BoxSession if boxes else Session)(store, store.images, proposer, wanted)
    with AnnotationServer(session) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
