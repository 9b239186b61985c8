"""Takes the pictures of the README from real runs on the embedded engine (`make screenshots`).

demo.svg         a recording of `make demo`
console.png      the console's page of a load while its chunks are written
report-page.png  the report page of that load
"""

import base64
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium.webdriver import Chrome

from tickets import ROOT
from tickets.cli.demo_console import running_console
from tickets.errors import TicketsError
from tickets.local.deployment import local_stack
from tickets.runs.follow import follow
from tickets.runs.ingest import LocalFile, start_load
from tickets.runs.report_pages import report_page
from tickets.runs.stack import Stack
from tickets.sample import write_sample
from tools.browser import PACKAGES, installed_browser, running_browser

PICTURES = ROOT / "docs" / "pictures"
KEY = "lyon/week-47.csv"
ROWS, SEED = 100_000, 47
# Enough chunks at a time that the picture shows how they run side by side.
PARAMETERS = {"MapConcurrency": "6"}
SHOWN_SHARE = 0.45
"""The share of chunks that are finished when the console is shown."""
SCREEN = {"width": 1280, "height": 1200, "deviceScaleFactor": 1, "mobile": False}
TERMINAL = "100x46"
# The spinner turns 12 times per second. A picture of each turn would only make the file larger.
MIN_FRAME_MILLISECONDS, PAUSE_MILLISECONDS = 250, 8_000


def main() -> int:
    """Returns the exit code: 0, or 2 if something is missing."""
    installed = installed_browser()
    if installed is None:
        print(f"make screenshots: this needs {PACKAGES}.", file=sys.stderr)
        return 2
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _record_demo(folder)
        with running_browser(installed, folder) as browser, local_stack(None, PARAMETERS) as local:
            _take_screenshots(browser, local.stack, folder)
    for path in sorted(PICTURES.iterdir()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")
    return 0


def _record_demo(folder: Path) -> None:
    cast, termtosvg = folder / "demo.cast", Path(sys.executable).with_name("termtosvg")
    command = "sh -c 'echo \"$ make demo\"; exec make -s demo'"
    recorder = subprocess.Popen(
        [termtosvg, "record", cast, "-g", TERMINAL, "-c", command],
        stdin=subprocess.PIPE,  # its end would end the recording
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    if recorder.wait() != 0 or not cast.is_file():
        raise TicketsError("termtosvg could not record the demo.")
    options = f"-t window_frame -m {MIN_FRAME_MILLISECONDS} -D {PAUSE_MILLISECONDS}".split()
    subprocess.run(
        [termtosvg, "render", cast, PICTURES / "demo.svg", *options],
        check=True,
        stderr=subprocess.DEVNULL,
    )


def _take_screenshots(browser: Chrome, stack: Stack, folder: Path) -> None:
    file = folder / "week-47.csv"
    write_sample(file, ROWS, SEED)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", SCREEN)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    with running_console(stack) as address:
        arn = start_load(stack, LocalFile(file, KEY)).execution_arn
        name = arn.rpartition(":")[2]
        shown = False
        for progress in follow(stack, arn):
            if browser.current_url == "about:blank":
                browser.get(f"{address}loads/{name}")
            if not shown and progress.chunks_done > SHOWN_SHARE * (progress.chunks or 1):
                _save(browser, "console.png")
                shown = True
    if progress.status != "SUCCEEDED" or not shown:
        raise TicketsError(f"The load ended as {progress.status}, or too soon for its picture.")
    page = folder / "report-page.html"
    page.write_bytes(report_page(stack, name)[1])
    browser.get(page.as_uri())
    _save(browser, "report-page.png")


def _save(browser: Chrome, name: str) -> None:
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    (PICTURES / name).write_bytes(base64.b64decode(taken["data"]))


if __name__ == "__main__":
    raise SystemExit(main())
