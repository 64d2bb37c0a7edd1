"""A child run where it runs, in a Spark task: a script's process, or an estimator's cross-validation."""
