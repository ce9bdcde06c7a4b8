"""As much of a W3C WebDriver client as the browser test needs: https://www.w3.org/TR/webdriver2/"""

import base64
import json
import os
import queue
import re
import signal
import subprocess
import threading
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

from tools.processes import Failure, child

PORT = re.compile(r"was started successfully on port (\d+)")
STARTS_WITHIN = 60
ANSWERS_WITHIN = 240       # more than a script may take, so that the driver's own report comes first
SCRIPT_MS = 180_000
PAGE_MS = 30_000

# Nothing but the page: no first-run pages, no updates, no talk with anybody outside.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
         "--no-proxy-server", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--window-size=1000,900"]


class Browser:
    """One session. Methods answer with what the driver answers, or fail with its message."""

    def __init__(self, port, chromium, profile):
        self._port = port
        self._session = ""
        opened = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "timeouts": {"script": SCRIPT_MS, "pageLoad": PAGE_MS},
            "goog:chromeOptions": {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={profile}"]},
        }}})
        self._session = f"/session/{opened['sessionId']}"
        self.name = f"{opened['capabilities']['browserName']} {opened['capabilities']['browserVersion']}"
        self.process_id = opened["capabilities"].get("goog:processID")

    def open(self, url):
        """Loads a page."""
        self._call("POST", "/url", {"url": url})

    def evaluate(self, expression):
        """The value of a JavaScript expression in the page."""
        return self._call("POST", "/execute/sync", {"script": f"return {expression}", "args": []})

    def run(self, script, *arguments):
        """Runs a script that answers by calling its last argument."""
        return self._call("POST", "/execute/async", {"script": script, "args": arguments})

    def screenshot(self, path):
        """Writes what is to be seen as a PNG."""
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def quit(self):
        """Ends the session, and Chromium with it."""
        self._call("DELETE", "")

    def _call(self, method, path, body=None):
        connection = HTTPConnection("127.0.0.1", self._port, timeout=ANSWERS_WITHIN)
        try:
            connection.request(method, self._session + path, body and json.dumps(body),
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            value = json.loads(response.read())["value"]
        except (OSError, HTTPException, ValueError) as error:
            raise Failure(f"chromedriver does not answer {method} {path}: {error}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise Failure(f"chromedriver refuses {method} {path}: {value['message'].splitlines()[0]}")
        return value


@contextmanager
def browser(chromedriver, chromium, folder):
    """A `Browser` with a new, empty profile. The driver's log is `chromedriver.log` in `folder`."""
    log = folder / "chromedriver.log"
    command = [chromedriver, "--port=0", "--log-level=WARNING", f"--log-path={log}"]
    with child(command, stdout=subprocess.PIPE, text=True) as driver:
        session = Browser(_port(driver), chromium, folder / "profile")
        try:
            yield session
        finally:
            try:
                session.quit()
            finally:
                _end(session.process_id)


def _port(driver):
    found = queue.Queue()

    def read():
        for line in driver.stdout:
            if port := PORT.search(line):
                found.put(int(port[1]))
        found.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        port = found.get(timeout=STARTS_WITHIN)
    except queue.Empty:
        port = None
    if port is None:
        raise Failure("chromedriver did not say on which port it listens")
    return port


def _end(process_id):
    """Kills the Chromium of our session where it outlived that."""
    if process_id is None:
        return
    try:
        os.kill(process_id, signal.SIGKILL)
    except ProcessLookupError:
        pass
