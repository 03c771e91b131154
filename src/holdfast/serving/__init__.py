"""Serving: verified pairs over HTTP, swapped in place as the journal moves."""
