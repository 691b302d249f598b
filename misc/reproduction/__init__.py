"""The published tables beside our runs, and the trainings that a table needs; free of torch."""
