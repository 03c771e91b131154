"""A registered model as a repository of the Hugging Face Hub, and back: paths, trees, formats.

Nothing here answers requests: `holdfast.web.hub` does, with what this package reads and writes.
"""
