"""Opens pages in the user's browser."""

import webbrowser

from tickets.cli.console import print_error


def open_page(url: str) -> None:
    """Opens a page in the user's browser, or prints its address if no browser can be started."""
    try:
        opened = webbrowser.open(url)
    except webbrowser.Error:
        opened = False
    if not opened:
        print_error(f"No browser could be started. Open this address: {url}")
