"""Train an embedding, fit a landmark regressor on it, and evaluate both."""
