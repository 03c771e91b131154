"""The distribution API of OCI registries, at `/v2/`."""
