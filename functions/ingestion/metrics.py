"""Publishes the metrics of loads.

This is not a part of `telemetry`, so that only Reconcile has to import Powertools.
"""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import Metrics

from ingestion.telemetry import UNITS, UNSETTLED


def publish_metrics(measured: Mapping[str, float], outcome: str, service: str) -> None:
    """Writes the metrics of a load to the log in the embedded metric format.

    CloudWatch extracts them from there. `outcome` and `service` become dimensions. If the
    outcome is `Unsettled`, Reconcile will be called again, and nothing is written.
    """
    if outcome == UNSETTLED:
        return
    metrics = Metrics(namespace="TicketLoader", service=service)
    metrics.add_dimension("Outcome", outcome)
    for name, value in measured.items():
        metrics.add_metric(name, UNITS.get(name, "Count"), value)
    metrics.flush_metrics()
