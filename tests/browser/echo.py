"""Browser: a headless Chromium opens the page of wshost, and from there echoes text and binary of all sizes, as they
are and compressed: Chromium always offers that.

Chromium and its driver are those of $CHROMIUM and $CHROMEDRIVER, on the PATH, or Debian's. What was to be seen is in
browser/*.png in the target folder.
"""

import shutil
from pathlib import Path

from browser.webdriver import browser, commands
from tools.processes import Server

SCRIPT = Path(__file__).resolve().parent / "echo.js"
# Around each change of the length field (RFC 6455 section 5.2), and up to the limit that the server is started with.
SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20, 16 << 20]
# What the server is started with, by the name of the picture, and the extensions that come of Chromium's offer.
RUNS = {
    "echo": ((), ""),
    "compress": (("--compress",), "permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
    "takeover": (("--compress", "--compress-context-takeover", "yes"), "permessage-deflate"),
}


def check(context, result):
    """Opens the page and echoes, once for each of the runs; each thing seen is a test."""
    chromedriver, chromium = commands(context)
    pictures = context.target / "browser"
    pictures.mkdir(parents=True, exist_ok=True)
    for name, (options, extensions) in RUNS.items():
        shutil.rmtree(context.folder / "profile", ignore_errors=True)
        options = ("--max-message", "16MiB", *options)
        with Server(context.wshost, context.plugin, context.folder, options=options) as server, \
                browser(chromedriver, chromium, context.folder) as page:
            _look(page, server, pictures / "page.png", result)
            _echo(page, server, extensions, result)
            page.screenshot(pictures / f"{name}.png")
    print(f"screenshots: {pictures}/", flush=True)


def _look(page, server, picture, result):
    page.open(f"http://127.0.0.1:{server.port}/")
    status = page.evaluate("performance.getEntriesByType('navigation')[0].responseStatus")
    text = page.evaluate("document.body.innerText")
    print(f"{page.name} shows the page (HTTP {status}), titled {page.evaluate('document.title')!r}", flush=True)
    page.screenshot(picture)
    if "echo" in text:
        result.passed += 1
    else:
        result.fail(f"the page does not name the engine echo, but reads: {text[:300]!r}")


def _echo(page, server, extensions, result):
    print(f"extensions: {extensions or 'none'}", flush=True)
    for one in page.run(SCRIPT.read_text(), f"ws://127.0.0.1:{server.port}/", SIZES, extensions):
        print(f"{one['name']}: {one['detail'] if one['ok'] else 'FAILED'}", flush=True)
        if one["ok"]:
            result.passed += 1
        else:
            result.fail(f"{one['name']} ({extensions or 'no extensions'}): {one['detail']}")
