"""One training run: `loop.fit` yields a report an epoch. Knows nothing of Ray, Optuna or MLflow, prints nothing."""
