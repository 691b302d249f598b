"""The parts of ``misc/check_gpu.py``: numbers, trainings, times."""
