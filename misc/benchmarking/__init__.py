"""What ``misc/benchmark.py`` measures, one module for each subject.

A module offers ``SUBJECT``, or several.
"""
