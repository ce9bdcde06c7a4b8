"""Browser: a headless Chromium opens the page of wshost, and from there echoes text and binary of all sizes.

Chromium and its driver are those of $CHROMIUM and $CHROMEDRIVER, on the PATH, or Debian's. What was to be seen is in
browser/*.png in the target folder.
"""

import os
import shutil
from pathlib import Path

from browser.webdriver import browser
from tools.processes import Failure, Server

SCRIPT = Path(__file__).resolve().parent / "echo.js"
# Around each change of the length field (RFC 6455 section 5.2), and up to the limit that the server is started with.
SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20, 16 << 20]

BY_HAND = "Install Chromium and its chromedriver, or set CHROMIUM and CHROMEDRIVER to where they are."


def install(context):
    """Makes sure that there is a Chromium with its driver."""
    _commands(context)


def check(context, result):
    """Opens the page and echoes; each thing seen is a test."""
    chromedriver, chromium = _commands(context)
    pictures = context.target / "browser"
    pictures.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(context.folder / "profile", ignore_errors=True)
    with Server(context.wshost, context.plugin, context.folder) as server, \
            browser(chromedriver, chromium, context.folder) as page:
        page.open(f"http://127.0.0.1:{server.port}/")
        status = page.evaluate("performance.getEntriesByType('navigation')[0].responseStatus")
        text = page.evaluate("document.body.innerText")
        print(f"{page.name} shows the page (HTTP {status}), titled {page.evaluate('document.title')!r}", flush=True)
        page.screenshot(pictures / "page.png")
        if "echo" in text:
            result.passed += 1
        else:
            result.fail(f"the page does not name the engine echo, but reads: {text[:300]!r}")

        seen = page.run(SCRIPT.read_text(), f"ws://127.0.0.1:{server.port}/", SIZES)
        page.screenshot(pictures / "echo.png")
        for one in seen:
            print(f"{one['name']}: {one['detail'] if one['ok'] else 'FAILED'}", flush=True)
            if one["ok"]:
                result.passed += 1
            else:
                result.fail(f"{one['name']}: {one['detail']}")
    print(f"screenshots: {pictures}/", flush=True)


def _commands(context):
    found = []
    for variable, names, packages in (
            ("CHROMEDRIVER", ["chromedriver"], ["chromium", "chromium-driver"]),
            ("CHROMIUM", ["chromium", "chromium-browser", "google-chrome"], ["chromium"])):
        given = os.environ.get(variable)
        if given and shutil.which(given) is None:
            raise Failure(f"{variable}={given} is no executable")
        found.append(given or context.machine.command(names, packages, BY_HAND))
    return found
