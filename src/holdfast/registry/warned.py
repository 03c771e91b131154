"""What a look remarks in the log, whose library is imported only then."""


def warn(name: str, message: str, *values: object) -> None:
    """Log a warning.

    Args:
        name: The logger's.
        message: With a `%s` for each value.
    """
    import logging

    logging.getLogger(name).warning(message, *values)
