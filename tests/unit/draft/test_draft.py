"""Drafts of the eight retail files, and what is marked as a question."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.sources.declaration import read_source
from tests.support.retail_files import FILES
from tickets.draft.draft import Draft, declaration_text, draft_source, match_pattern, source_name
from tickets.draft.sample import read_sample

FORMS = {
    "online_retail.csv": ("utf-8", {"delimiter": ","}),
    "till_log.csv": ("utf-8", {"delimiter": ",", "header": False}),
    "kassenbon_2010-12.csv": ("windows-1252", {"delimiter": ";"}),
    "dbo_sales.csv": ("utf-16", {"delimiter": "\t"}),
    "monthly_report.csv": ("utf-8", {"delimiter": ","}),
    "mysql_dump.csv": (
        "utf-8",
        {"delimiter": ",", "escapeChar": "\\", "nullSequence": "\\N"},
    ),
    "pos.csv": ("utf-8", {"delimiter": "|"}),
    "umsatz.csv": ("windows-1252", {"delimiter": ";"}),
}
FIELDS = {
    "online_retail.csv": """InvoiceNo ticket_id string
        StockCode product string
        Description description string
        Quantity quantity integer
        InvoiceDate timestamp datetime
        UnitPrice unit_price number
        CustomerID customer_id string
        Country country string""",
    "till_log.csv": """column_1 timestamp datetime
        column_2 column_2 integer
        column_3 column_3 string
        column_4 column_4 integer
        column_5 column_5 number
        column_6 column_6 string""",
    "kassenbon_2010-12.csv": """Bon-Nr ticket_id string
        Artikel product string
        Bezeichnung bezeichnung string
        Datum timestamp datetime
        Menge quantity number
        Preis preis number
        Filiale store string""",
    "dbo_sales.csv": """SaleID ticket_id string
        ProductKey product string
        SaleDate timestamp datetime
        Qty quantity integer
        Amount amount number
        StoreName store string
        PromoCode promo_code string""",
    "mysql_dump.csv": """order_id ticket_id string
        sku product string
        name name string
        created_at timestamp datetime
        qty quantity integer
        price price number
        shop store string
        coupon coupon string""",
    "pos.csv": """TRANS_NO ticket_id string
        UPC product string
        ITEM_DESC item_desc string
        TRANS_DATE timestamp datetime
        UNITS quantity integer
        PRICE price number
        STORE_NO store string""",
    "umsatz.csv": """Beleg ticket_id string
        Artikel-Nr. product string
        Warengruppe category string
        Datum None date
        Uhrzeit None time
        Menge quantity integer
        Umsatz umsatz number
        Region region string""",
}


def drafted(name: str, folder: Path) -> Draft:
    path = folder / name
    path.write_bytes(FILES[name]())
    return draft_of(path)


def draft_of(path: Path) -> Draft:
    return draft_source(read_sample(path), source_name(path), match_pattern(path))


def draft_of_text(text: str, folder: Path) -> Draft:
    path = folder / "export.csv"
    path.write_bytes(text.encode())
    return draft_of(path)


def field(draft: Draft, name: str) -> dict[str, Any]:
    fields: list[dict[str, Any]] = draft.declaration["schema"]["fields"]
    return next(one for one in fields if one["name"] == name)


def questions(draft: Draft) -> set[str]:
    return {guess.about for guess in draft.guesses if guess.is_question}


@pytest.mark.parametrize("name", FILES)
def test_the_form_of_each_retail_file_is_found(name: str, tmp_path: Path) -> None:
    declaration = drafted(name, tmp_path).declaration
    assert (declaration["encoding"], declaration["dialect"]) == FORMS[name]


@pytest.mark.parametrize("name", FIELDS)
def test_the_columns_of_each_retail_file_are_mapped(name: str, tmp_path: Path) -> None:
    fields = drafted(name, tmp_path).declaration["schema"]["fields"]
    found = [
        f"{one['name']} {one.get('dynamodb', {}).get('attribute')} {one['type']}" for one in fields
    ]
    assert found == [line.strip() for line in FIELDS[name].splitlines()]


@pytest.mark.parametrize("name", FILES)
def test_a_draft_can_be_used_as_it_is(name: str, tmp_path: Path) -> None:
    declaration = drafted(name, tmp_path).declaration
    source = read_source(json.dumps(declaration).encode(), "draft.json")
    assert source.primary_key == ("ticket_id", "product")


def test_the_order_of_day_and_month_is_a_question_unless_a_day_decides_it(tmp_path: Path) -> None:
    early = "Receipt,Item,Date\n1,a,01/02/2026\n2,b,03/04/2026\n"
    draft = draft_of_text(early, tmp_path)
    assert field(draft, "Date")["format"] == "%d/%m/%Y"
    assert "QUESTION: %m/%d/%Y fits as well" in field(draft, "Date")["description"]
    assert "Date" in questions(draft)
    decided = draft_of_text(early + "3,c,03/13/2026\n", tmp_path)
    assert field(decided, "Date")["format"] == "%m/%d/%Y"
    assert "Date" not in questions(decided)


def test_the_decimal_character_is_a_question_unless_a_number_decides_it(tmp_path: Path) -> None:
    text = "Receipt,Item,Price\n1,a,1.234\n2,b,2.500\n"
    assert "Price" in questions(draft_of_text(text, tmp_path))
    decided = draft_of_text(text + "3,c,2.5\n", tmp_path)
    assert "Price" not in questions(decided)
    assert "groupChar" not in field(decided, "Price")


def test_other_numbers_of_the_file_decide_the_decimal_character(tmp_path: Path) -> None:
    text = "Receipt;Item;Price;Weight\n1;a;1,50;1,234\n2;b;2,75;2,500\n"
    assert field(draft_of_text(text, tmp_path), "Weight")["decimalChar"] == ","
    text = "Receipt;Item;Price;Views\n1;a;1,50;1.234\n2;b;2,75;2.500\n"
    grouped = field(draft_of_text(text, tmp_path), "Views")
    assert (grouped["type"], grouped["groupChar"]) == ("integer", ".")


def test_rows_without_most_fields_are_no_evidence(tmp_path: Path) -> None:
    """A total line doesn't make the key optional."""
    draft = drafted("monthly_report.csv", tmp_path)
    assert field(draft, "Item")["constraints"] == {"required": True}
    [rows] = [guess for guess in draft.guesses if guess.about == "rows"]
    assert (rows.fitting, rows.of) == (60, 61)


def test_missing_keys_are_made_of_the_line_and_are_questions(tmp_path: Path) -> None:
    draft = drafted("till_log.csv", tmp_path)
    assert draft.declaration["dynamodb"]["values"] == {"ticket_id": "{key}", "product": "{line}"}
    assert {"ticket_id", "product"} <= questions(draft)


def test_the_basket_can_be_the_ticket(tmp_path: Path) -> None:
    draft = draft_of_text("basket_id,sku,qty\nB1,a,1\nB1,b,2\n", tmp_path)
    assert draft.declaration["dynamodb"]["values"] == {"ticket_id": "{basket_id}"}
    assert "ticket_id" in questions(draft)


def test_the_only_date_is_the_timestamp(tmp_path: Path) -> None:
    draft = draft_of_text("Receipt,Item,Booked\n1,a,2026-01-31\n", tmp_path)
    assert field(draft, "Booked")["dynamodb"] == {"attribute": "timestamp"}


def test_dates_without_a_form_are_a_question(tmp_path: Path) -> None:
    draft = draft_of_text("Receipt,Item,Date\n1,a,31 Januar\n2,b,1 Mai\n", tmp_path)
    assert field(draft, "Date")["type"] == "string"
    assert "timestamp" in questions(draft)


def test_a_date_and_a_time_make_the_timestamp(tmp_path: Path) -> None:
    values = drafted("umsatz.csv", tmp_path).declaration["dynamodb"]["values"]
    assert values["timestamp"] == "{Datum}T{Uhrzeit}"


def test_repeated_keys_are_a_question(tmp_path: Path) -> None:
    draft = drafted("online_retail.csv", tmp_path)
    [key] = [guess for guess in draft.guesses if guess.about == "primaryKey"]
    assert (key.fitting, key.of, key.is_question) == (58, 60, True)


def test_a_declaration_is_written_with_a_line_for_each_part_that_fits(tmp_path: Path) -> None:
    declaration = drafted("umsatz.csv", tmp_path).declaration
    text = declaration_text(declaration)
    assert json.loads(text) == declaration
    assert '\n  "dialect": {"delimiter": ";"},\n' in text
    assert all(len(line) <= 100 for line in text.splitlines() if "description" not in line)


@pytest.mark.parametrize(
    ("name", "source", "pattern"),
    [
        ("Kasse_2026-03-01.csv", "kasse", "**/Kasse_*.csv"),
        ("sales.CSV", "sales", "**/sales.CSV"),
        ("pos.txt.gz", "pos", "**/pos.txt.csv"),
        ("2026.csv", "source", "**/*.csv"),
    ],
)
def test_name_and_pattern_come_from_the_file(name: str, source: str, pattern: str) -> None:
    assert (source_name(Path(name)), match_pattern(Path(name))) == (source, pattern)
