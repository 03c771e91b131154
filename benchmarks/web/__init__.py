"""`holdfast web` beside MLflow's server."""
