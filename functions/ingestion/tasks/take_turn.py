"""The task Take Turn."""

from ingestion.contracts import File
from ingestion.ledger.claims import Claim
from ingestion.ledger.loads import Loads
from ingestion.ledger.versions import OVERTAKEN, Turns


def take_turn(turns: Turns, loads: Loads, load_id: str, file: File) -> str:
    """Claims the object for a load. Returns ``"mine"`` (write now), ``"wait"`` (writers of an older
    version, or of an earlier execution, may still be writing) or ``"overtaken"`` (a later version
    has claimed the object). The execution itself has no writers yet."""
    claim = Claim(file.bucket, file.key, file.version_id, load_id)
    if not turns.claim(claim):
        loads.close_load(load_id, "OVERTAKEN", {"summary": OVERTAKEN})
        return "overtaken"
    if turns.writers(claim.object_url):
        return "wait"
    turns.note_alone(claim.object_url, load_id)
    return "mine"
