"""OpenTelemetry set-up and the three calls the rest of the system makes.

Unconfigured, every call is a no-op of the OpenTelemetry API. Exporting runs in the SDK's batch thread with a
bounded queue: a full queue drops spans, a slow exporter delays nobody.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind

from mia_actors.telemetry.trace_store import SqliteSpanExporter

AttributeValue = str | int | float | bool
TRACER_NAME = "mia_actors"
EXPORT_EVERY_MS = 1000
QUEUE_SPANS_MAX = 8192
BATCH_SPANS_MAX = 512

CONSUMER = SpanKind.CONSUMER
PRODUCER = SpanKind.PRODUCER
INTERNAL = SpanKind.INTERNAL

_PROVIDERS: list[TracerProvider] = []
_UNTRACED = nullcontext(trace.INVALID_SPAN)


@cache
def common_resource() -> Resource:
    """What every process says of itself; found once, which takes a millisecond, so ask for it ahead of need."""
    return Resource.create()


def configure_tracing(*, service: str, store: Path | None, resource: Mapping[str, str] | None = None) -> None:
    """Starts exporting this process's spans: to the embedded store, and to OTLP where variables ask for it.

    `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` adds the stock OTLP/HTTP exporter;
    `OTEL_SDK_DISABLED=true` turns all of it off. A process is configured once; later calls are ignored.
    """
    if _PROVIDERS or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    own = Resource({"service.name": service, **(resource or {})})
    provider = TracerProvider(resource=common_resource().merge(own))
    if store is not None:
        provider.add_span_processor(_batched(SqliteSpanExporter(store)))
    if _otlp_wanted():
        provider.add_span_processor(_batched(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _PROVIDERS.append(provider)


def _batched(exporter: SqliteSpanExporter | OTLPSpanExporter) -> BatchSpanProcessor:
    return BatchSpanProcessor(
        exporter,
        max_queue_size=QUEUE_SPANS_MAX,
        schedule_delay_millis=EXPORT_EVERY_MS,
        max_export_batch_size=BATCH_SPANS_MAX,
    )


def _otlp_wanted() -> bool:
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(os.environ.get(name) for name in names)


def flush_tracing(timeout_s: float = 2.0) -> None:
    """Exports what is queued, for an orderly end of the process."""
    for provider in _PROVIDERS:
        provider.force_flush(int(timeout_s * 1000))


def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, AttributeValue] | None = None,
    parent: Mapping[str, str] | None = None,
    start_ns: int | None = None,
) -> AbstractContextManager[Span]:
    """Runs its block as a span, current within it; an exception marks it as an error and passes on.

    `parent` is a carrier from `current_carrier` of another process; without it the caller's span is the
    parent. `start_ns` (wall clock) backdates a span whose work began before this call.
    """
    if not _PROVIDERS and parent is None:
        return _UNTRACED
    return _started(name, kind, attributes, parent, start_ns)


@contextmanager
def _started(
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, AttributeValue] | None,
    parent: Mapping[str, str] | None,
    start_ns: int | None,
) -> Iterator[Span]:
    context = propagate.extract(parent) if parent else otel_context.get_current()
    tracer = trace.get_tracer(TRACER_NAME)
    with tracer.start_as_current_span(
        name, context=context, kind=kind, attributes=attributes, start_time=start_ns
    ) as current:
        yield current


def current_carrier() -> dict[str, str]:
    """W3C trace context of the current span, to travel inside a message; empty when there is none."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def current_span() -> Span:
    """The span in progress, or one that ignores everything."""
    return trace.get_current_span()
