"""The parts of ``misc/report.py``: what it asks of a run, and the page it makes of it."""
