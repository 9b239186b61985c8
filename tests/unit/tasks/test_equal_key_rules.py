"""Which attributes of a source are added up."""

from ingestion.sources.model import Field
from ingestion.tasks.equal_key_rules import summed
from tests.support.sources import source

FIELDS = (
    Field("Menge", "integer", attribute="quantity", stored_as="N"),
    Field("Preis", "number", attribute="price", stored_as="N"),
    Field("Filiale", "integer", attribute="store", stored_as="N"),
    Field("Kasse", "integer", attribute="till", stored_as="S"),
    Field("Bon-Nr", "string", attribute="receipt", stored_as="N"),
    Field("Verfall", "date", attribute="expires_at", stored_as="N", ttl=True),
    Field("Rabatt", "number", stored_as="N"),
)


def test_numbers_are_added_up_but_no_key_identifier_time_or_field_that_is_not_stored() -> None:
    found = summed(source(*FIELDS), key=("receipt", "store"))
    assert found == {"quantity": "Menge", "price": "Preis"}
