"""Others' words and ours: what lets clients of other registries use this one."""
