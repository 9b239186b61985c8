"""Settles a batch of equal keys by adding up their rows and putting the totals.

A batch is read twice, in the file's order: the first time to add up its rows, the second time to
put the last row of each key with the totals. They are computed from the file alone, so putting them
again changes nothing.
"""

from collections.abc import Sequence

from ingestion.contracts import RefusedRow
from ingestion.csv_files.equal_keys import WhyLeftOut
from ingestion.csv_files.item_json import EncodedKey
from ingestion.csv_files.totals import Totals
from ingestion.dynamodb.batch_writer import WritingStopped
from ingestion.tasks.equal_keys_batch import (
    BATCH_START,
    MAX_PENDING_ROWS,
    Batch,
    Mark,
    Place,
    Settler,
)


class TotalsSettler(Settler):
    """Rows with equal keys are added up."""

    def settle(self, batch: Batch, number: int, start: Place) -> None:
        self.place = start
        totals = self.settled.totals or Totals(tuple(self._rules.summed))
        self.settled.totals = totals
        chunks = batch.chunks[::-1]
        if not start.are_added:
            for index in _rest(chunks, start):
                self._add(batch, number, index, totals)
            self.place = start = Place(are_added=True)
        last_lines = totals.last_lines()
        for index in _rest(chunks, start):
            if index in last_lines:
                self._put(batch, number, index, last_lines[index], totals)
        self.settled.rows_combined += totals.rows_combined
        self.settled.rows_put_again += sum(map(len, last_lines.values()))
        self.settled.totals = None
        self.place = BATCH_START

    def _add(self, batch: Batch, number: int, index: int, totals: Totals) -> None:
        """Adds up a chunk's rows after the current place."""
        after_line = self.place.line if self.place.chunk == index else 0
        self.place = Place(index, after_line)
        refused: list[RefusedRow] = []  # not yet in a part
        try:
            for row in self._rows.read(self._chunks[index], frozenset(batch.wanted[index])):
                if row.line <= after_line:
                    continue
                too_long = totals.add(b"\0".join(row.key), index, row.line, row.request)
                if too_long:
                    why = WhyLeftOut("total_too_long", self._rules.summed[too_long])
                    refused.append(row.left_out(why))
                    if len(refused) == MAX_PENDING_ROWS:
                        self._list(refused, number, index)
                        refused.clear()
                self.place = Place(index, row.line)
        except WritingStopped:
            self._list(refused, number, index)
            raise
        self._list(refused, number, index)

    def _put(
        self, batch: Batch, number: int, index: int, lines: frozenset[int], totals: Totals
    ) -> None:
        """Puts the totals that belong to `lines` of a chunk, after the current place."""
        after_line = self.place.line if self.place.chunk == index else 0
        self.place = Place(index, after_line, are_added=True)
        keys: list[EncodedKey] = []
        requests: list[bytes] = []
        try:
            for row in self._rows.read(self._chunks[index], frozenset(batch.wanted[index])):
                if row.line <= after_line or row.line not in lines:
                    continue
                keys.append(row.key)
                requests.append(totals.request(b"\0".join(row.key), row.request))
                if len(keys) == self._writer.batch_items:
                    self._writer.put(keys, requests, Mark(number, index, row.line))
                    keys, requests = [], []
            if keys:
                self._writer.put(keys, requests, Mark(number, index, row.line))
            self._writer.drain()
        except WritingStopped:
            self._writer.stop()
            mark = self._writer.acknowledged
            if mark and mark[:2] == (number, index):
                self.place = Place(index, mark.line, are_added=True)
            raise


def _rest(chunks: Sequence[int], start: Place) -> list[int]:
    """The chunks from `start` on."""
    return [index for index in chunks if start.chunk is None or index >= start.chunk]
