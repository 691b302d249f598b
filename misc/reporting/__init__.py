"""The parts of ``misc/report.py``: the evaluation of runs, and the page about them."""
