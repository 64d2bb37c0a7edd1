"""Silence for what MLflow, alembic and urllib3 log while this package calls them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

_LOUD = ("mlflow", "alembic", "sqlalchemy", "urllib3")


class _NotFromHere(logging.Filter):
    """Drops what the libraries log in one thread, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread or record.name.partition(".")[0] not in _LOUD


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' log lines of this thread back. Every failure arrives as an exception besides."""
    silence = _NotFromHere()
    loggers = [
        logging.getLogger(name) for name in (None, "mlflow", "alembic", "sqlalchemy.engine", "urllib3")
    ]
    handlers = [handler for logger in loggers for handler in logger.handlers]
    if logging.lastResort is not None:
        handlers.append(logging.lastResort)
    for handler in handlers:
        handler.addFilter(silence)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(silence)
