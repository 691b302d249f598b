"""Training an embedding, fitting landmarks on it, and evaluating both."""
