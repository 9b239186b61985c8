"""The metrics of a load: printed once at its end, in CloudWatch's embedded metric format."""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import Metrics

from ingestion.telemetry import UNITS


def send_metrics(stack: str, outcome: str, measured: Mapping[str, float]) -> None:
    """Send what was measured of a load, by the stack's name and the load's outcome."""
    metrics = Metrics(namespace="TicketLoader", service=stack)
    metrics.add_dimension("Outcome", outcome)
    for name, value in measured.items():
        metrics.add_metric(name, UNITS.get(name, "Count"), value)
    metrics.flush_metrics()
