"""Finds the attributes that columns belong to, by their titles in several languages."""

import re
import unicodedata
from collections.abc import Sequence

# The titles without letter case, accents, blanks and signs. A title further to the left comes
# first if a file has several.
_TITLES = {
    "ticket_id": "ticketid ticketno ticketnr ticketnumber ticket receiptid receiptno receiptnr "
    "receiptnumber receipt bonnr bonnummer bonid bon kassenbon belegnr belegnummer beleg "
    "invoiceno invoiceid invoicenr invoicenumber invoice transactionid transactionno "
    "transactionnumber transaction transid transno transnr saleid salesid orderid orderno "
    "ordernumber order rechnungsnr rechnungsnummer rechnung bestellnr bestellnummer "
    "numeroticket numticket noticket nticket numfacture nofacture facture numerofactura "
    "numfactura factura boleta scontrino numeroscontrino fattura kassabon nrparagonu paragon "
    "checkno checkid docno documentno",
    "product": "product productid productcode productkey productno sku stockcode article "
    "articleid articleno artikel artikelnr artikelnummer artikelid itemid itemcode itemno item "
    "produkt produktid produktnr ean gtin upc plu barcode productname itemname articlename "
    "artikelbezeichnung produktname produit codeproduit codearticle producto codigoproducto "
    "articulo prodotto articolo codicearticolo towar description itemdesc bezeichnung "
    "designation descripcion",
    "basket_id": "basketid basketno basket warenkorbid warenkorbnr warenkorb cartid cart panier "
    "cesta carrello koszyk",
    "timestamp": "timestamp datetime invoicedate transactiondate transdate transactiontime "
    "orderdate saledate salesdate purchasedate receiptdate createdat soldat date time datum "
    "zeitstempel zeitpunkt belegdatum verkaufsdatum kaufdatum buchungsdatum bondatum dateheure "
    "datevente dateachat fecha fechahora fechaventa data dataora datavendita datasprzedazy",
    "category": "category categoryname categoryid productcategory department dept productgroup "
    "kategorie warengruppe abteilung wgr categorie rayon famille categoria departamento reparto "
    "kategoria",
    "quantity": "quantity qty qnty units unitssold itemcount menge anzahl stueck stuck stk "
    "quantite qte cantidad cant quantita ilosc aantal pieces pcs count",
    "store": "store storeid storename storeno storenumber storecode shop shopid shopname filiale "
    "filialnr filialnummer markt laden branch outlet location magasin boutique tienda sucursal "
    "negozio puntovendita sklep winkel filiaal",
}
_RANKS = {
    attribute: {title: rank for rank, title in enumerate(titles.split())}
    for attribute, titles in _TITLES.items()
}
TEXT_ATTRIBUTES = ("ticket_id", "product", "basket_id", "category", "store")

_CODE = re.compile(
    r"(id|no|nr|num|nummer|number|code|key|plz|zip|postcode|phone|tel|ean|gtin|upc|plu|sku)"
)
_DATE = re.compile(r"date|datum|fecha|time|zeit|heure|hora|^day|^tag")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def attributes_of(titles: Sequence[str]) -> dict[int, str]:
    """The attribute of each column whose title names one of the seven. A column has one at most."""
    found: dict[int, str] = {}
    for attribute, ranks in _RANKS.items():
        ranked = [
            (ranks[_folded(title)], column)
            for column, title in enumerate(titles)
            if column not in found and _folded(title) in ranks
        ]
        if ranked:
            found[min(ranked)[1]] = attribute
    return found


def other_attribute(title: str) -> str:
    """The name of the attribute for a column that isn't one of the seven: `Unit Price` and
    `UnitPrice` become `unit_price`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", title)
    return re.sub(r"[^a-z0-9]+", "_", _plain(words)).strip("_")


def is_code(title: str) -> bool:
    """Whether a title is the name of a code such as `CustomerID`, whose digits aren't a
    number."""
    words = other_attribute(title).split("_")
    return bool(_CODE.fullmatch(words[-1]))


def is_date(title: str) -> bool:
    return bool(_DATE.search(_folded(title)))


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).lower().translate(_UMLAUTS)
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _folded(title: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _plain(title))
