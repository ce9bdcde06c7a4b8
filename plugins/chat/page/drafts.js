// What is being written, and what was sent and is not confirmed. Nothing that somebody wrote is ever lost: it is in the
// room, or it is in the field.

import { recall, remember } from "./storage.js";

const $ = id => document.getElementById(id);
// Characters that are left when it begins to matter.
const COUNTED_FROM = 200;

export class Drafts {
    // send: sends a text over the connection.
    constructor(log, send) {
        this.log = log;
        this.send = send;
        this.longest = 2000;
        this.room = "";
        this.name = "";
        this.isOpen = false;
        this.sent = new Map();      // by tag: {text, item}
        this.tag = 0;
        this.field = $("draft");
        this.field.addEventListener("input", () => this.changed());
        this.field.addEventListener("keydown", event => this.key(event));
        $("composer").addEventListener("submit", event => {
            event.preventDefault();
            this.say();
        });
    }

    // From now on what is said goes to this room.
    open(room, name) {
        if (room !== this.room) {
            this.room = room;
            this.field.value = recall(`draft.${room}`) ?? "";
        }
        this.name = name;
        this.isOpen = true;
        this.complain("");
        this.changed();
    }

    // The connection is lost: what is written waits.
    close() {
        this.isOpen = false;
        this.changed();
    }

    say() {
        const text = this.field.value.trimEnd();
        if (text.trim() === "" || this.left() < 0) {
            return;
        }
        const tag = this.tag + 1;
        if (!this.isOpen || !this.send(JSON.stringify({ type: "say", text, tag }))) {
            this.complain("Not connected. Your message is kept here until it can be sent.");
            return;
        }
        this.tag = tag;
        this.sent.set(tag, { text, item: this.log.pending(this.name, text) });
        this.field.value = "";
        this.complain("");
        this.changed();
    }

    // The room has it.
    confirm(tag) {
        this.sent.get(tag)?.item.remove();
        this.sent.delete(tag);
    }

    // The chat does not take it, and says why.
    refuse({ tag, message, retry_after_ms: wait }) {
        const refused = this.sent.get(tag);
        if (refused === undefined) {
            return;
        }
        this.confirm(tag);
        this.giveBack(refused.text);
        this.complain(message);
        if (wait !== undefined) {
            setTimeout(() => this.complain(""), wait);
        }
    }

    // After a loss: what arrived is among these texts of ours; the rest did not.
    settle(arrived) {
        const left = [...arrived];
        const missing = [];
        for (const { text, item } of this.sent.values()) {
            item.remove();
            const at = left.indexOf(text);
            at < 0 ? missing.push(text) : left.splice(at, 1);
        }
        this.sent.clear();
        if (missing.length > 0) {
            this.giveBack(missing.join("\n"));
        }
    }

    // Nobody will tell any more what arrived.
    lost() {
        this.settle([]);
        this.close();
    }

    giveBack(text) {
        this.field.value = this.field.value === "" ? text : `${text}\n${this.field.value}`;
        this.changed();
    }

    changed() {
        remember(`draft.${this.room}`, this.field.value);
        this.field.style.height = "auto";
        this.field.style.height = `${this.field.scrollHeight + 2}px`;
        const left = this.left();
        $("left").textContent = left < COUNTED_FROM ? left : "";
        $("left").classList.toggle("over", left < 0);
        $("send").disabled = !this.isOpen || left < 0 || this.field.value.trim() === "";
    }

    // In characters, as the chat counts them.
    left() {
        return this.longest - [...this.field.value.trimEnd()].length;
    }

    key(event) {
        // With a keyboard on the screen, Enter is the only way to begin a line.
        const sends = event.key === "Enter" && !event.shiftKey && !matchMedia("(pointer: coarse)").matches;
        // Enter that ends the input of a character is not meant for us.
        if (sends && !event.isComposing) {
            event.preventDefault();
            this.say();
        }
    }

    complain(why) {
        $("say-error").textContent = why;
    }
}
