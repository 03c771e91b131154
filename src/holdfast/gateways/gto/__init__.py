"""GTO registries: annotated tags of a Git repository that name versions and stages."""
