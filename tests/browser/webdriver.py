"""As much of a W3C WebDriver client as the browser test needs: https://www.w3.org/TR/webdriver2/"""

import base64
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

from tools.processes import Failure, child

PORT = re.compile(r"was started successfully on port (\d+)")
STARTS_WITHIN = 60
SEEN_WITHIN = 30
ANSWERS_WITHIN = 240       # more than a script may take, so that the driver's own report comes first
SCRIPT_MS = 180_000
PAGE_MS = 30_000
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"    # the key of an element, as the standard has it

BY_HAND = "Install Chromium and its chromedriver, or set CHROMIUM and CHROMEDRIVER to where they are."

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
            "goog:loggingPrefs": {"browser": "ALL"},
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

    def wait(self, expression, holds, what):
        """Waits until `holds` is true of the value of an expression, and answers with the value."""
        deadline = time.monotonic() + SEEN_WITHIN
        while not holds(value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise Failure(f"not seen within {SEEN_WITHIN} s: {what}; the page shows {value}")
            time.sleep(0.05)
        return value

    def type(self, selector, text):
        """Types into the element of a CSS selector."""
        self._call("POST", f"/element/{self._element(selector)}/value", {"text": text})

    def click(self, selector):
        """Clicks with a mouse into the middle of the element of a CSS selector."""
        # Not with the driver's own click: version 156 of chromedriver ends at it.
        mouse = [{"type": "pointerMove", "duration": 0, "origin": {ELEMENT: self._element(selector)}, "x": 0, "y": 0},
                 {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self._call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": mouse}]})

    def window(self):
        """The handle of the window that is driven."""
        return self._call("GET", "/window")

    def new_window(self):
        """Opens another window and drives it from now on."""
        self.switch_to(self._call("POST", "/window/new", {"type": "window"})["handle"])
        return self.window()

    def switch_to(self, window):
        """Drives this window from now on."""
        self._call("POST", "/window", {"handle": window})

    def look_like(self, width, height, scale=1, phone=False, dark=False):
        """Shows the page as on a screen of this size."""
        self._chromium("Emulation.setDeviceMetricsOverride",
                       {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone})
        self._chromium("Emulation.setTouchEmulationEnabled", {"enabled": phone})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._chromium("Emulation.setEmulatedMedia", {"features": [scheme]})

    def complaints(self):
        """What scripts and the browser complained about since the last call."""
        entries = self._call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def screenshot(self, path):
        """Writes what is to be seen as a PNG."""
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def quit(self):
        """Ends the session, and Chromium with it."""
        self._call("DELETE", "")

    def _element(self, selector):
        return self._call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def _chromium(self, command, parameters):
        self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

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


def commands(context):
    """Makes sure that there is a Chromium with its driver: $CHROMEDRIVER and $CHROMIUM, on the PATH, or Debian's."""
    found = []
    for variable, names, packages in (
            ("CHROMEDRIVER", ["chromedriver"], ["chromium", "chromium-driver"]),
            ("CHROMIUM", ["chromium", "chromium-browser", "google-chrome"], ["chromium"])):
        given = os.environ.get(variable)
        if given and shutil.which(given) is None:
            raise Failure(f"{variable}={given} is no executable")
        found.append(given or context.machine.command(names, packages, BY_HAND))
    return found


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
