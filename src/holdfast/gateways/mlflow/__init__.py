"""MLflow's words for Holdfast's: a plugin for its clients, and a bridge to its servers.

The only package that imports mlflow, and only when something of it is used.
"""
