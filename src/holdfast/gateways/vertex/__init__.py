"""Vertex AI's model registry: a version as a request to upload a model."""
