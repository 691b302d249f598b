"""The parts of ``misc/annotate.py``: a page in the browser on which points are placed."""
