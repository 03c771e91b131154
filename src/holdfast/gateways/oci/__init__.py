"""The words of OCI registries and ours: paths, errors, artifacts that clients push, referrers."""
