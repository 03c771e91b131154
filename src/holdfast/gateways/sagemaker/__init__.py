"""SageMaker's model registry: a version as a model package of a group."""
