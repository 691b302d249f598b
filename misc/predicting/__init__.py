"""The parts of ``misc/predict.py``."""
