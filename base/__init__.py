"""The training loop, shared by both trainers."""
