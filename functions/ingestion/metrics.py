"""Metrics of loads. Apart from ``telemetry``, so that only Reconcile imports Powertools."""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import Metrics

from ingestion.telemetry import UNITS


def publish_metrics(measured: Mapping[str, float], outcome: str, service: str) -> None:
    """Write the metrics of a load to the log, from which CloudWatch extracts them (embedded metric
    format). ``service`` becomes a dimension."""
    metrics = Metrics(namespace="TicketLoader", service=service)
    metrics.add_dimension("Outcome", outcome)
    for name, value in measured.items():
        metrics.add_metric(name, UNITS.get(name, "Count"), value)
    metrics.flush_metrics()
