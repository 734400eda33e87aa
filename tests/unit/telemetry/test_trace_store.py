from pathlib import Path

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from mia_actors.telemetry import conventions
from mia_actors.telemetry.trace_store import SqliteSpanExporter, TraceReader


def _provider(path: Path) -> TracerProvider:
    provider = TracerProvider(resource=Resource.create({"service.name": "cycle"}))
    provider.add_span_processor(SimpleSpanProcessor(SqliteSpanExporter(path)))
    return provider


def test_a_cycle_and_its_stages_come_back_as_one_trace(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    tracer = _provider(path).get_tracer("test")
    attributes = {conventions.CYCLE_ID: "ESZ3@1", conventions.CYCLE_OUTCOME: "entered"}
    with (
        tracer.start_as_current_span(conventions.SPAN_CYCLE, attributes=attributes),
        tracer.start_as_current_span(conventions.SPAN_VOTE),
    ):
        pass
    reader = TraceReader(path)
    (cycle,) = reader.cycles(limit=5)
    assert (cycle.cycle_id, cycle.outcome) == ("ESZ3@1", "entered")
    spans = reader.spans("ESZ3@1")
    assert [span.name for span in spans] == [conventions.SPAN_CYCLE, conventions.SPAN_VOTE]
    assert spans[1].parent_id == spans[0].span_id
    assert spans[0].service == "cycle"


def test_an_unknown_cycle_has_no_spans_and_a_missing_store_no_cycles(tmp_path: Path) -> None:
    reader = TraceReader(tmp_path / "none.db")
    assert reader.cycles(limit=5) == ()
    assert reader.spans("x") == ()


def test_a_store_that_cannot_be_written_drops_and_counts(tmp_path: Path) -> None:
    exporter = SqliteSpanExporter(tmp_path / "missing" / "traces.db")
    provider = TracerProvider()
    with provider.get_tracer("test").start_as_current_span("x") as span:
        pass
    assert exporter.export([span]) is SpanExportResult.FAILURE  # type: ignore[list-item]
    assert exporter.spans_dropped == 1
