"""Faults injected on purpose, again and again; ``tests/soak.py`` runs all of it at length,
``tests/programs/test_soaking.py`` a little of each.
"""
