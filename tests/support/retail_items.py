"""Reads the files of `retail_files` with Python's own libraries: the items that the table must
have after each of them is loaded with its drafted and corrected declaration."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.support.retail_files import FILES

Item = dict[str, dict[str, Any]]
Items = dict[tuple[str, str], Item]
"""Items by ticket and product."""


def retail_items(name: str) -> Items:
    """The items of one of FILES, as DynamoDB's wire form. Later rows replace earlier ones."""
    items = _READERS[name](FILES[name]())
    return {(item["ticket_id"]["S"], item["product"]["S"]): item for item in items}


def _online_retail(content: bytes) -> Iterator[Item]:
    for row in csv.DictReader(io.StringIO(content.decode(), newline="")):
        yield _item(
            ticket=row["InvoiceNo"],
            product=row["StockCode"],
            description=row["Description"],
            quantity=Decimal(row["Quantity"]),
            timestamp=_time(row["InvoiceDate"], "%m/%d/%Y %H:%M"),
            unit_price=Decimal(row["UnitPrice"]),
            customer_id=row["CustomerID"],
            country=row["Country"],
        )


def _without_header(content: bytes) -> Iterator[Item]:
    for time, receipt, article, quantity, price, shop in csv.reader(
        io.StringIO(content.decode(), newline="")
    ):
        yield _item(
            ticket=receipt,
            product=article,
            timestamp=_time(time, "%Y-%m-%d %H:%M:%S"),
            quantity=Decimal(quantity),
            price=Decimal(price),
            store=shop,
        )


def _german_till(content: bytes) -> Iterator[Item]:
    text = io.StringIO(content.decode("cp1252"), newline="")
    for row in csv.DictReader(text, delimiter=";"):
        yield _item(
            ticket=row["Bon-Nr"],
            product=row["Artikel"],
            bezeichnung=row["Bezeichnung"],
            timestamp=_time(row["Datum"], "%d.%m.%Y %H:%M"),
            quantity=Decimal(row["Menge"].replace(",", ".")),
            preis=Decimal(row["Preis"].replace(",", ".")),
            store=row["Filiale"],
        )


def _sql_server(content: bytes) -> Iterator[Item]:
    _, *lines = content.decode("utf-16").splitlines()
    for line in lines:
        sale, product, time, quantity, amount, store, promo = line.split("\t")
        yield _item(
            ticket=sale,
            product=product,
            timestamp=_time(time, "%Y-%m-%d %H:%M:%S.%f"),
            quantity=Decimal(quantity),
            amount=Decimal(amount),
            store=store,
            promo_code="" if promo == "NULL" else promo,
        )


def _monthly_report(content: bytes) -> Iterator[Item]:
    lines = content.decode().splitlines()[3:-1]
    for row in csv.DictReader(lines):
        yield _item(
            ticket=row["Receipt No"],
            product=row["Item"],
            category=row["Department"],
            timestamp=datetime.strptime(row["Date"], "%d-%b-%Y").strftime("%Y-%m-%d"),  # noqa: DTZ007
            quantity=Decimal(row["Units"]),
            net_amount=Decimal(row["Net Amount"]),
        )


def _mysql_dump(content: bytes) -> Iterator[Item]:
    _, *lines = content.decode().splitlines()
    for row in csv.reader(
        [line.replace(",\\N", ",") for line in lines], doublequote=False, escapechar="\\"
    ):
        order, sku, name, time, quantity, price, shop, coupon = row
        yield _item(
            ticket=order,
            product=sku,
            name=name,
            timestamp=_time(time, "%Y-%m-%d %H:%M:%S"),
            quantity=Decimal(quantity),
            price=Decimal(price),
            store=shop,
            coupon=coupon,
        )


def _pipes(content: bytes) -> Iterator[Item]:
    _, *lines = content.decode().splitlines()
    for line in lines:
        number, upc, description, time, units, price, store = line[:-1].split("|")
        yield _item(
            ticket=number,
            product=upc,
            item_desc=description,
            timestamp=_time(time, "%m/%d/%Y %I:%M:%S %p"),
            quantity=Decimal(units),
            price=Decimal(price),
            store=store,
        )


def _excel_german(content: bytes) -> Iterator[Item]:
    lines = content.decode("cp1252").splitlines()[1:]
    for row in csv.DictReader(lines, delimiter=";"):
        yield _item(
            ticket=row["Beleg"],
            product=row["Artikel-Nr."],
            category=row["Warengruppe"],
            timestamp=_time(f"{row['Datum']} {row['Uhrzeit']}", "%d.%m.%Y %H:%M"),
            quantity=Decimal(row["Menge"]),
            umsatz=Decimal(row["Umsatz"].replace(".", "").replace(",", ".")),
            region=row["Region"],
        )


def _item(ticket: str, **values: str | Decimal) -> Item:
    """An item with these attributes. The ticket is the basket too. Empty texts are left out."""
    values |= {"ticket_id": ticket, "basket_id": ticket}
    return {
        name: {"S": value} if isinstance(value, str) else {"N": _plain(value)}
        for name, value in values.items()
        if value != ""
    }


def _plain(number: Decimal) -> str:
    """A number without zeros that don't count, as DynamoDB returns it."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _time(text: str, form: str) -> str:
    return datetime.strptime(text, form).isoformat(timespec="seconds")  # noqa: DTZ007 - local


_READERS: dict[str, Callable[[bytes], Iterator[Item]]] = {
    "online_retail.csv": _online_retail,
    "till_log.csv": _without_header,
    "kassenbon_2010-12.csv": _german_till,
    "dbo_sales.csv": _sql_server,
    "monthly_report.csv": _monthly_report,
    "mysql_dump.csv": _mysql_dump,
    "pos.csv": _pipes,
    "umsatz.csv": _excel_german,
}
