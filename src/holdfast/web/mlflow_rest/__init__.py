"""MLflow's REST interface: what its clients ask of a registry, at the address of this server."""
