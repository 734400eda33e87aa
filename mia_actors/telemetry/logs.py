"""structlog set-up: readable on a terminal, JSON in files, trace ids in every line."""

import logging
import sys
from pathlib import Path
from typing import TextIO, cast

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger


def _add_trace_ids(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event


def configure_logging(*, directory: Path | None, process: str, verbose: bool = False) -> None:
    """Sends this process's log to `directory/process.log` as JSON lines, or to stderr when None.

    Facts go as keys with units; the event is a constant `noun.past_verb`. Called once per process; a second
    call replaces the first.
    """
    stream: TextIO
    if directory is None:
        stream = sys.stderr
        renderer: structlog.typing.Processor = (
            structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer()
        )
    else:
        directory.mkdir(parents=True, exist_ok=True)
        stream = (directory / f"{process}.log").open("a", encoding="utf-8", buffering=1)
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_trace_ids,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )


def get_logger(**facts: str | int) -> FilteringBoundLogger:
    """A logger with `facts` bound to every line, such as the child and its incarnation."""
    return cast("FilteringBoundLogger", structlog.get_logger(**facts))
