"""Makes eight small files in the forms in which retail systems export their sales.

Each is made up, and has the shape of a file that people have: the columns, dates, numbers, quotes
and encoding of a public data set or of a program's export. `tests.support.retail_items` reads
them with Python's own libraries.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

ROWS = 60
_START = datetime(2010, 12, 1, 8, 26)  # noqa: DTZ001 - a file's local time
_PRODUCTS = (
    ("85123A", "WHITE HANGING HEART T-LIGHT HOLDER", "Garden"),
    ("71053", "LANTERN, METAL", "Garden"),
    ("84406B", 'CUPBOARD "CREAM"', "Kitchen"),
    ("22752", "SET 7 BABUSHKA NESTING BOXES", "Toys"),
    ("21730", "Käsekuchen, Stück", "Bakery"),
    ("22633", "Größe M, Überzug", "Textiles"),
)


def online_retail() -> bytes:
    """Like UCI's Online Retail: US dates, negative quantities, customers that are not known."""
    rows = [
        (
            ("C" if sale.is_return else "") + str(536365 + sale.ticket),
            sale.code,
            sale.name,
            -sale.quantity if sale.is_return else sale.quantity,
            f"{sale.time.month}/{sale.time.day}/{sale.time.year} {sale.time.hour}:{sale.time:%M}",
            sale.price,
            17850 + sale.ticket if sale.ticket % 4 else "",
            "United Kingdom" if sale.ticket % 5 else "France",
        )
        for sale in _sales(1)
    ]
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    return _csv(header.split(","), rows).encode()


def without_header() -> bytes:
    """A till's log without a header: time, receipt, article, quantity, price, shop."""
    rows = [
        (
            f"{sale.time:%Y-%m-%d %H:%M:%S}",
            4000 + sale.ticket,
            sale.code,
            sale.quantity,
            sale.price,
            f"F{sale.shop:02d}",
        )
        for sale in _sales(2)
    ]
    return _csv(None, rows, line_end="\n").encode()


def german_till() -> bytes:
    """A German till's export: semicolons, Windows-1252, decimal commas, German dates."""
    rows = [
        (
            f"{7000 + sale.ticket}",
            sale.code,
            sale.name,
            f"{sale.time:%d.%m.%Y %H:%M}",
            _comma(sale.weight),
            _comma(sale.price),
            f"Köln {sale.shop}",
        )
        for sale in _sales(3)
    ]
    header = "Bon-Nr;Artikel;Bezeichnung;Datum;Menge;Preis;Filiale"
    return _csv(header.split(";"), rows, ";").encode("cp1252")


def sql_server() -> bytes:
    """A query's result as SQL Server saves it: UTF-16 with a mark, tabs, NULL."""
    lines = ["SaleID\tProductKey\tSaleDate\tQty\tAmount\tStoreName\tPromoCode"]
    for sale in _sales(4):
        amount = sale.price * sale.quantity
        lines.append(
            f"S{sale.ticket:06d}\t{sale.code}\t{sale.time:%Y-%m-%d %H:%M:%S}.000\t{sale.quantity}"
            f"\t{amount:.4f}\tMünchen {sale.shop}\t{'NULL' if sale.ticket % 3 else 'SPRING'}"
        )
    return ("\r\n".join(lines) + "\r\n").encode("utf-16")


def monthly_report() -> bytes:
    """A report with title lines above its header, and total lines below its rows."""
    sales = list(_sales(5))
    rows = [
        (
            f"R-{sale.ticket:05d}",
            sale.name,
            sale.department,
            f"{sale.time:%d-%b-%Y}",
            sale.quantity,
            sale.price,
        )
        for sale in sales
    ]
    header = ("Receipt No", "Item", "Department", "Date", "Units", "Net Amount")
    titles = "Sales by receipt\nPeriod: December 2010\n\n"
    total = sum(sale.price for sale in sales)
    return (titles + _csv(header, rows, line_end="\n") + f"Total,,,,,{total}\n").encode()


def mysql_dump() -> bytes:
    """A MySQL export: every field quoted, backslash escapes, \\N for NULL."""
    lines = ['"order_id","sku","name","created_at","qty","price","shop","coupon"']
    for sale in _sales(6):
        name = sale.name.replace('"', '\\"')
        coupon = "\\N" if sale.ticket % 3 else f'"C{sale.ticket}"'
        lines.append(
            f'"{90000 + sale.ticket}","{sale.code}","{name}","{sale.time:%Y-%m-%d %H:%M:%S}",'
            f'"{sale.quantity}","{sale.price}","Shop {sale.shop}",{coupon}'
        )
    return ("\n".join(lines) + "\n").encode()


def pipes() -> bytes:
    """A point of sale's export: pipes, also at the end of each line, and times with AM and PM."""
    lines = ["TRANS_NO|UPC|ITEM_DESC|TRANS_DATE|UNITS|PRICE|STORE_NO|"]
    for sale in _sales(7):
        upc = f"00{sale.code[:5]}00123"
        lines.append(
            f"{sale.ticket:08d}|{upc}|{sale.name}|{sale.time:%m/%d/%Y %I:%M:%S %p}|{sale.quantity}"
            f"|{sale.price}|{sale.shop:03d}|"
        )
    return ("\r\n".join(lines) + "\r\n").encode()


def excel_german() -> bytes:
    """Excel's German export: `sep=;`, Windows-1252, date and time apart, `1.234,50`."""
    rows = [
        (
            f"B{sale.ticket}",
            sale.code,
            sale.department,
            f"{sale.time:%d.%m.%Y}",
            f"{sale.time:%H:%M}",
            sale.quantity,
            _comma(sale.price * 100, group="."),
            "Süd" if sale.shop % 2 else "Nord",
        )
        for sale in _sales(8)
    ]
    header = "Beleg;Artikel-Nr.;Warengruppe;Datum;Uhrzeit;Menge;Umsatz;Region"
    return b"sep=;\r\n" + _csv(header.split(";"), rows, ";").encode("cp1252")


FILES: dict[str, Callable[[], bytes]] = {
    "online_retail.csv": online_retail,
    "till_log.csv": without_header,
    "kassenbon_2010-12.csv": german_till,
    "dbo_sales.csv": sql_server,
    "monthly_report.csv": monthly_report,
    "mysql_dump.csv": mysql_dump,
    "pos.csv": pipes,
    "umsatz.csv": excel_german,
}


class _Sale:
    def __init__(self, number: int, random: Random) -> None:
        self.ticket, at = divmod(number, 3)
        if self.ticket % 10 == 5:
            at %= 2  # the third row of the ticket has the product of the first one
        self.code, self.name, self.department = _PRODUCTS[(self.ticket + at) % len(_PRODUCTS)]
        self.time = _START + timedelta(hours=7 * self.ticket, minutes=random.randrange(200))
        self.quantity = random.choice((1, 1, 2, 6, 12))
        self.weight = Decimal(random.randrange(1, 4000)).scaleb(-3).quantize(Decimal("0.001"))
        self.price = Decimal(random.randrange(50, 9999)).scaleb(-2)
        self.is_return = self.ticket % 9 == 8
        self.shop = 1 + self.ticket % 4


def _sales(seed: int) -> Iterator[_Sale]:
    random = Random(seed)
    return (_Sale(number, random) for number in range(ROWS))


def _csv(
    header: Sequence[str] | None,
    rows: Sequence[Sequence[object]],
    delimiter: str = ",",
    line_end: str = "\r\n",
) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    if header:
        writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _comma(number: Decimal, group: str = "") -> str:
    return f"{number:,}".translate({ord(","): group, ord("."): ","})
