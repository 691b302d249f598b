"""Modules of programs in ``misc/`` that need no folder of their own; most are imported late."""
