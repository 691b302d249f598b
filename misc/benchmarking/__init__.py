"""The parts of ``misc/benchmark.py``; a module offers a subject, or several."""
