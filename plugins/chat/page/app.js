// The page: who is at the door, who is inside, and what happens to what they write.

import { Connection } from "./connection.js";
import { Drafts } from "./drafts.js";
import { Log } from "./log.js";
import { People } from "./people.js";
import { Status } from "./status.js";
import { forget, recall, remember } from "./storage.js";

// Relative, so that it also works behind a proxy that puts the page under a path.
const ENDPOINT = "chat";
const LOBBY = "lobby";
const JOIN_AGAIN_AFTER = 4000;

// Why somebody who was inside cannot come back at once, but soon.
const AGAIN = {
    "name-taken": "Your name is still held by the connection that was lost, until the server misses it.",
    "too-fast": "Too much came from here at once.",
};

const $ = id => document.getElementById(id);

const log = new Log($("messages"), $("newest"));
const people = new People($("people"), $("count"));
const status = new Status(() => connection?.hurry());
const drafts = new Drafts(log, text => connection?.send(text) ?? false);

let connection = null;
let name = "";
let room = LOBBY;
let inside = false;         // has been in the room since the door was left; the connection may be lost
let lastId = 0;             // of the newest message that is shown
let unread = 0;
let joinAgain = 0;

// At the door

function enter() {
    name = $("name").value.trim();
    room = $("room").value.trim().toLowerCase() || LOBBY;
    if (name === "") {
        return refuse("Please give your name.", $("name"));
    }
    refuse("");
    $("enter").disabled = true;
    $("enter").textContent = "Joining …";
    connection?.close();
    const url = new URL(ENDPOINT, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = new URLSearchParams({ room });
    url.hash = "";
    connection = new Connection(url, { state: changed, message: data => received(JSON.parse(data)) });
}

// Says why nobody comes in, and lets them try again.
function refuse(why, field = null) {
    $("join-error").textContent = why;
    for (const input of [$("name"), $("room")]) {
        input.setAttribute("aria-invalid", input === field);
    }
    field?.focus();
    $("enter").disabled = false;
    $("enter").textContent = "Join";
}

// Shows the door, with what has happened.
function leave(why = "", field = $("name")) {
    connection?.close();
    connection = null;
    inside = false;
    clearTimeout(joinAgain);
    forget("inside");
    drafts.lost();
    status.hide();
    $("chat").hidden = true;
    $("door").hidden = false;
    document.title = "Chat";
    refuse(why, field);
}

function comeIn(event) {
    const first = !inside;
    ({ name, room } = event);
    if (first) {
        inside = true;
        lastId = 0;
        log.clear();
        $("title").textContent = room;
        $("door").hidden = true;
        $("chat").hidden = false;
        remember("name", name, localStorage);
        remember("inside", JSON.stringify({ name, room }));
        const here = new URL(location.href);
        room === LOBBY ? here.searchParams.delete("room") : here.searchParams.set("room", room);
        history.replaceState(null, "", here);
    }
    refuse("");
    people.set(event.people, name);
    const missed = event.history.filter(line => line.id > lastId);
    const mine = missed.filter(line => line.name === name).map(line => line.text);
    drafts.settle(mine);
    missed.forEach(show);
    drafts.open(room, event.name);
    status.joined();
    titled();
    // On a phone the keyboard would hide half of what was just opened.
    if (first && !matchMedia("(pointer: coarse)").matches) {
        $("draft").focus();
    }
}

// What the connection does

function changed(state) {
    if (state.is === "waiting" || state.is === "closed") {
        clearTimeout(joinAgain);
        drafts.close();
    }
    if (inside) {
        status.changed(state);
    } else if (state.is === "closed") {
        leave(state.text, state.code === 4000 ? $("room") : $("name"));
    } else if (state.is === "waiting") {
        refuse(`${state.text} Trying again …`);
    }
}

const receivers = {
    hello(event) {
        drafts.longest = event.max_message;
        join();
    },
    joined: comeIn,
    came(event) {
        people.add(event.name);
        log.event(`${event.name} joined`, event.time);
    },
    left(event) {
        people.remove(event.name);
        log.event(`${event.name} left`, event.time);
    },
    renamed(event) {
        people.remove(event.from);
        people.add(event.name);
        log.event(`${event.from} is now ${event.name}`, event.time);
    },
    message(event) {
        drafts.confirm(event.tag);
        show(event);
        if (document.hidden) {
            unread += 1;
            titled();
        }
    },
    people(event) {
        people.set(event.people, name);
    },
    error(event) {
        if (drafts.isOpen) {
            drafts.refuse(event);
        } else if (inside && event.code in AGAIN) {
            status.almost(AGAIN[event.code]);
            joinAgain = setTimeout(join, JOIN_AGAIN_AFTER);
        } else {
            leave(event.message, event.code.startsWith("name") ? $("name") : $("room"));
        }
    },
};

function received(event) {
    // A later server may say things that this page does not know.
    receivers[event.type]?.(event);
}

function join() {
    connection.send(JSON.stringify({ type: "join", name }));
}

function show(line) {
    lastId = line.id;
    log.message(line, line.name === name);
}

function titled() {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${room} · Chat`;
}

// What people do

$("join").addEventListener("submit", event => {
    event.preventDefault();
    enter();
});
$("leave").addEventListener("click", () => leave());

$("people-button").addEventListener("click", () => showPeople(!document.body.classList.contains("people-shown")));
$("messages").addEventListener("pointerdown", () => showPeople(false));
document.addEventListener("keydown", event => {
    if (event.key === "Escape" && document.body.classList.contains("people-shown")) {
        showPeople(false);
        $("people-button").focus();
    }
});

function showPeople(shown) {
    document.body.classList.toggle("people-shown", shown);
    $("people-button").setAttribute("aria-expanded", shown);
}

function awake() {
    if (document.hidden || connection === null) {
        return;
    }
    unread = 0;
    if (inside) {
        titled();
        connection.hurry();
        if (drafts.isOpen) {
            connection.probe('{"type":"who"}');
        }
    }
}
document.addEventListener("visibilitychange", awake);
addEventListener("online", awake);

// Where this page was inside before it was loaded anew, it goes on.
const asked = new URLSearchParams(location.search).get("room");
const before = JSON.parse(recall("inside") ?? "null");
$("room").value = asked ?? "";
$("name").value = before?.name ?? recall("name", localStorage) ?? "";
if (before !== null && before.room === (asked ?? LOBBY)) {
    enter();
} else {
    $("name").focus();
}
