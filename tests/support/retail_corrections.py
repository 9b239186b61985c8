"""Corrects the drafts of `retail_files` where a person has to decide because the files don't.

Six of the eight drafts are used as they are.
"""

from copy import deepcopy
from typing import Any

_FIELDS: dict[str, dict[str, dict[str, Any]]] = {
    # Every day of the file is at most 12, so the draft asks. These are American dates.
    "online_retail.csv": {"InvoiceDate": {"format": "%m/%d/%Y %H:%M"}},
    # The file has no header, so nothing says what its columns are.
    "till_log.csv": {
        "column_2": {"name": "receipt", "type": "string", "dynamodb": {"attribute": "ticket_id"}},
        "column_3": {"name": "article", "dynamodb": {"attribute": "product"}},
        "column_4": {"name": "quantity", "dynamodb": {"attribute": "quantity"}},
        "column_5": {"name": "price", "dynamodb": {"attribute": "price"}},
        "column_6": {"name": "shop", "dynamodb": {"attribute": "store"}},
    },
}
_PRIMARY_KEYS = {"till_log.csv": ["receipt", "article"]}
_VALUES = {"till_log.csv": {"basket_id": "{receipt}"}}


def corrected(name: str, drafted: dict[str, Any]) -> dict[str, Any]:
    """The declaration of one of the retail files, from its draft."""
    declaration = deepcopy(drafted)
    schema = declaration["schema"]
    for field in schema["fields"]:
        field.update(_FIELDS.get(name, {}).get(field["name"], {}))
    schema["primaryKey"] = _PRIMARY_KEYS.get(name, schema["primaryKey"])
    if name in _VALUES:
        declaration["dynamodb"]["values"] = _VALUES[name]
    return declaration
