"""Puts together what the page of an execution says."""

import hashlib
from datetime import datetime

from ingestion.report_page import endings, facts, graph, marks
from ingestion.report_page.amounts import duration, moment, size
from ingestion.report_page.chunks import chunk_lines
from ingestion.report_page.content import Page
from ingestion.report_page.cost import cost
from ingestion.report_page.recorded import Recorded
from ingestion.report_page.states import state_lines


def page_of(known: Recorded, made_at: datetime) -> Page:
    """Returns what the page of an execution says, from what is known of it."""
    rows = endings.counts(known)
    amounts, note = cost(known)
    end = known.stopped_at or made_at
    seconds = max((end - known.started_at).total_seconds(), 0.001)
    return Page(
        key=facts.address_of(known),
        execution=known.execution,
        made_at=moment(made_at),
        verdict=endings.verdict(known, rows),
        counts=rows,
        graph=graph.coloured(marks.marks(known), marks.ways(known)),
        causes=endings.causes(known),
        next_steps=endings.next_steps(known),
        states=state_lines(known, seconds),
        from_until=f"From {moment(known.started_at)} to {moment(end)}: {duration(seconds)}.",
        half=duration(seconds / 2),
        whole=duration(seconds),
        chunks=chunk_lines(known, seconds),
        reasons=facts.reason_lines(known),
        reasons_note=facts.reasons_note(known),
        listed_rows=known.listed_rows,
        listed_rows_command=endings.refused_rows_command(known),
        file=facts.file_facts(known),
        attempts=facts.attempt_lines(known),
        actions=facts.action_lines(known),
        earlier=facts.earlier_versions(known),
        stack=list(known.stack.items()),
        cost=amounts,
        cost_note=note,
        report=facts.report_text(known),
        report_address=facts.report_address(known),
        report_size=size(len(known.report)),
        report_sha256=hashlib.sha256(known.report).hexdigest() if known.report else "",
    )
