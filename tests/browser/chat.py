"""Browser: two windows of a headless Chromium open the chat's page and talk with each other, through a restart of the
server too.

What was to be seen is in browser/chat*.png in the target folder.
"""

import shutil
from contextlib import contextmanager
from pathlib import Path

from browser.webdriver import browser, commands
from tools.processes import Failure, Server

SEEN = (Path(__file__).resolve().parent / "chat.js").read_text().split("\n", 1)[1]
PAGE = Path(__file__).resolve().parents[2] / "plugins" / "chat" / "page"
ENTER, SHIFT = "\ue007", "\ue008"

DESKTOP = (1100, 760)
PHONE = (390, 844)

# For every code, what the page says of it.
EXPLANATIONS = """
const [codes, answer] = arguments;
import(new URL("close-codes.js", location)).then(({ explain }) => answer(codes.map(code => explain(code).text)));
"""
CODES = [*range(1000, 1016), 3000, 4000, 4001, 4999]


def check(context, result):
    """Plays the scenes one after the other; each thing seen is a test."""
    chromedriver, chromium = commands(context)
    pictures = context.target / "browser"
    pictures.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(context.folder / "profile", ignore_errors=True)
    with browser(chromedriver, chromium, context.folder) as page:
        Scenes(page, result, pictures, context).play()
    print(f"screenshots: {pictures}/", flush=True)


class Scenes:
    """Ann and Bob, each in a window."""

    def __init__(self, page, result, pictures, context):
        self.page = page
        self.result = result
        self.pictures = pictures
        self.context = context
        self.windows = {}

    def play(self):
        """All scenes, in their order: each goes on where the one before ended."""
        with self.server() as server:
            port = server.port
            self.windows["Ann"] = self.page.window()
            self.windows["Bob"] = self.page.new_window()
            for scene in (self.come_in, self.talk, self.look):
                with self.scene(scene):
                    scene(port)
        with self.scene(self.offline):
            self.offline()
        with self.server(port):
            for scene in (self.back, self.flood, self.wrong_room):
                with self.scene(scene):
                    scene(port)

    def server(self, port=0):
        """wshost with the chat, and its page."""
        return Server(self.context.wshost, f"/chat={self.context.chat_plugin}", self.context.folder, "chat",
                      ["--static", str(PAGE)], port)

    @contextmanager
    def scene(self, scene):
        """Counts a scene; without one, the next make no sense."""
        try:
            yield
        except Failure as failure:
            self.page.screenshot(self.pictures / "chat-failed.png")
            raise Failure(f"chat, {scene.__doc__} {failure}") from failure
        self.result.passed += 1
        print(f"chat: {scene.__doc__}", flush=True)

    def as_(self, person):
        """Goes to somebody's window."""
        self.page.switch_to(self.windows[person])

    def see(self, what, holds):
        """Waits until what is to be seen fits."""
        return self.page.wait(SEEN, holds, what)

    def demand(self, condition, what):
        """Fails the scene unless this is so."""
        if not condition:
            raise Failure(f"not so: {what}; the page shows {self.page.evaluate(SEEN)}")

    def come_in(self, port):
        """Both come in, a taken name is refused, each sees who is here."""
        self.as_("Ann")
        self.page.open(f"http://127.0.0.1:{port}/")
        self.page.look_like(*DESKTOP)
        self.page.screenshot(self.pictures / "chat-door.png")
        self.page.type("#name", ENTER)
        self.see("a name is asked for", lambda page: "name" in page["doorError"])
        self.page.type("#name", "Ann" + ENTER)
        self.see("Ann is in", lambda page: page["state"] == "Connected" and page["people"] == ["Ann"])
        self.as_("Bob")
        self.page.open(f"http://127.0.0.1:{port}/index.html?room=lobby")
        self.page.look_like(*DESKTOP)
        # The two windows share what the browser remembers, Ann's name as well.
        self.see("a remembered name", lambda page: page["atDoor"])
        self.page.type("#name", ENTER)
        self.see("the name is taken", lambda page: page["atDoor"] and "called Ann already" in page["doorError"])
        self.page.evaluate("document.querySelector('#name').value = ''")
        self.page.type("#name", "Bob")
        self.page.click("#enter")
        both = ["Ann", "Bob"]
        self.see("Bob is in", lambda page: page["people"] == both and page["title"] == "lobby")
        self.as_("Ann")
        self.see("Ann sees Bob come", lambda page: page["people"] == both and page["events"] == ["Bob joined"])

    def talk(self, _port):
        """Each reads what the other writes, and no text becomes more than text."""
        self.say("Ann", "Hi Bob! The new release is out, have you seen it?")
        self.say("Bob", "Just now. Rooms, names and history, all in one engine.")
        self.say("Bob", "Does <b>markup</b> do anything? <img src=x onerror=alert(1)>")
        self.say("Ann", "No, it is shown as it is.")
        self.say("Ann", "The notes are on https://example.org/notes, two lines" + SHIFT + ENTER + SHIFT + "if you like.",
                 "The notes are on https://example.org/notes, two lines\nif you like.")
        self.say("Bob", "Reading them. See you at lunch!")
        for person in self.windows:
            self.as_(person)
            seen = self.page.evaluate(SEEN)
            self.demand(not seen["injected"], "text stays text")
            self.demand(not seen["pending"] and seen["draft"] == "", "all is confirmed")
            self.demand([message["own"] for message in seen["messages"]] ==
                        [(index in (0, 3, 4)) == (person == "Ann") for index in range(6)], "own messages are told apart")
        self.demand(self.page.evaluate("document.querySelector('#messages a').href") == "https://example.org/notes",
                    "an address is a link")

    def say(self, person, typed, text=None):
        """Somebody writes, and both see it."""
        text = text or typed
        self.as_(person)
        self.page.evaluate("document.querySelector('#draft').focus()")
        self.page.type("#draft", typed + ENTER)
        for window in self.windows:
            self.as_(window)
            name = "You" if window == person else person
            message = {"name": name, "text": text, "own": window == person}
            self.see(f"{window} sees {text!r}", lambda page: message in page["messages"])

    def look(self, _port):
        """It fits on a desk, on a phone, in the light and in the dark."""
        self.as_("Ann")
        for name, size, phone, dark in (("chat", DESKTOP, False, False), ("chat-dark", DESKTOP, False, True),
                                        ("chat-phone", PHONE, True, False), ("chat-phone-dark", PHONE, True, True)):
            self.page.look_like(*size, scale=2 if phone else 1, phone=phone, dark=dark)
            seen = self.see("everything fits", lambda page: not page["tooLarge"] and not page["moving"])
            self.demand((seen["people"] == ["Ann", "Bob"]), "who is here")
            self.page.screenshot(self.pictures / f"{name}.png")
        self.page.look_like(*PHONE, scale=2, phone=True)
        self.page.click("#people-button")
        self.see("the list on a phone", lambda page: page["people"] == ["Ann", "Bob"])
        self.page.screenshot(self.pictures / "chat-phone-people.png")
        self.page.click("#people-button")
        self.page.look_like(*DESKTOP)

    def offline(self):
        """When the server goes, both are told why, and what is written is kept."""
        for person in self.windows:
            self.as_(person)
            seen = self.see("the loss is told", lambda page: page["state"] != "Connected" and page["notice"])
            self.demand(not seen["atDoor"] and len(seen["messages"]) == 6, "the messages stay")
        self.as_("Ann")
        self.page.type("#draft", "Are we back?" + ENTER)
        self.see("kept", lambda page: page["draft"] == "Are we back?" and "kept" in page["sayError"])
        # By now attempts to connect have failed, or one is about to.
        self.see("a failed attempt", lambda page: "(Code 1006)" in page["notice"] and "cannot be reached" in page["notice"])
        self.page.screenshot(self.pictures / "chat-offline.png")
        self.page.look_like(*PHONE, scale=2, phone=True)
        self.page.screenshot(self.pictures / "chat-phone-offline.png")
        self.page.look_like(*DESKTOP)

    def back(self, _port):
        """When it is back, the page is too, and the kept message can be sent."""
        both = ["Ann", "Bob"]
        for person in self.windows:
            self.as_(person)
            self.page.evaluate("document.querySelector('#retry').click()")
        for person in self.windows:
            self.as_(person)
            self.see("connected again", lambda page: page["state"] == "Connected" and page["people"] == both)
        seen = self.page.evaluate(SEEN)
        self.demand(seen["notice"] == "" and len(seen["messages"]) == 6, "nothing is lost or shown twice")
        self.say("Ann", "", "Are we back?")
        self.say("Bob", "Yes, we are.")

    def flood(self, _port):
        """Who writes too fast keeps their text; who does not stop is disconnected, and told so."""
        self.as_("Bob")
        for number in range(12):
            self.page.type("#draft", f"spam {number}" + ENTER)
        self.see("too fast", lambda page: "too much at once" in page["sayError"] and "spam 11" in page["draft"]
                 and not page["pending"])
        # Past the page's patience: as a program would.
        for _ in range(100):
            if self.page.evaluate(SEEN)["notice"]:
                break
            self.page.type("#draft", ENTER)
        self.see("why", lambda page: "(Code 4001)" in page["notice"] and "Too many messages" in page["notice"])
        self.demand(not self.page.evaluate(SEEN)["tooLarge"], "only the messages scroll")
        self.page.screenshot(self.pictures / "chat-closed.png")
        self.as_("Ann")
        self.see("Bob is gone", lambda page: page["people"] == ["Ann"] and page["events"][-1] == "Bob left")

    def wrong_room(self, port):
        """Every close code has its own words, an impossible room too."""
        self.as_("Bob")
        self.page.open(f"http://127.0.0.1:{port}/?room=a%20b")
        self.see("the door", lambda page: page["atDoor"])
        self.page.type("#name", ENTER)
        self.see("no such room", lambda page: page["atDoor"] and "no room of this name" in page["doorError"])
        words = self.page.run(EXPLANATIONS, CODES)
        self.demand(len(set(words)) == len(CODES), f"each of {len(CODES)} codes has its own words")
        complaints = [text for text in self.page.complaints() if "WebSocket connection to" not in text]
        self.demand(not complaints, f"the browser has nothing to complain about, but {complaints}")
