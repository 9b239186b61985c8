"""docs/operations.md agrees with the template and the definition, and its arithmetic is right."""

from ingestion.telemetry import MEASURES, UNITS
from tests.support.deployed import ROOT, Stack, source

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())  # with no line ends in sentences


def test_alarms_are_counted_as_they_are_paid(stack: Stack) -> None:
    count = len(stack.of_type("AWS::CloudWatch::Alarm"))
    assert f"{count} alarms (${count * 0.10:.2f})" in TEXT


def test_custom_metrics_are_counted_as_they_are_paid() -> None:
    """A metric for each outcome is one more."""
    count = len({*MEASURES, *UNITS}) * len(["Succeeded", "Failed", "Overtaken"])
    assert f"up to {count} custom metrics (${count * 0.30:.2f})" in TEXT


def test_times_of_keeping_are_those_of_the_template() -> None:
    parameters = source()["Parameters"]
    for name in ("ReportDays", "OldVersionDays", "PlanDays", "LogRetentionDays"):
        assert f"`{name}` ({parameters[name]['Default']})" in PAGE


def test_what_outlives_the_stack_is_what_the_page_says(stack: Stack) -> None:
    kept = {
        name
        for name, one in stack.resources.items()
        if one.get("DeletionPolicy", "Delete") != "Delete"
    }
    assert kept == {"UploadBucket", "WorkBucket", "Table", "LedgerTable"}
    assert "both buckets, the table, the ledger, and the key if there is one" in TEXT
