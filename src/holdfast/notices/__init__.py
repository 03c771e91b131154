"""Notices of what happened to a model, sent to people and systems that wait for them."""
