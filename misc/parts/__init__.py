"""The parts of single programs that need torch, each named after its program in ``misc/``."""
