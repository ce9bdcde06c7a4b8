// The messages as they are seen. All text gets in as text: nothing that anybody writes is ever parsed as HTML.

const GROUPED_WITHIN = 5 * 60_000;
// Elements kept; a page that is open for days must not grow.
const KEPT = 1000;
const LINK = /https?:\/\/[^\s<>"]*[^\s<>"'.,;:!?()]/g;

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

// Makes an element with properties and children.
export function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
}

// The coloured circle with somebody's initial.
export function avatar(name) {
    const initial = [...name][0].toLocaleUpperCase();
    const hue = [...name.toLowerCase()].reduce((sum, character) => (sum * 31 + character.codePointAt(0)) % 12, 7);
    const circle = make("span", { className: `avatar hue-${hue}` }, initial);
    circle.setAttribute("aria-hidden", "true");
    return circle;
}

export class Log {
    constructor(list, newest) {
        this.list = list;
        this.newest = newest;
        this.last = null;
        newest.addEventListener("click", () => this.toEnd());
        list.addEventListener("scroll", () => {
            this.followed = this.atEnd();
            this.newest.hidden ||= this.followed;
        });
        // A keyboard that opens, or a line more to write in, must not hide the newest message.
        new ResizeObserver(() => this.followed && this.toEnd()).observe(list);
        this.followed = true;
    }

    clear() {
        this.list.replaceChildren();
        this.last = null;
        this.newest.hidden = true;
        this.followed = true;
    }

    // Something said: {name, text, time}.
    message({ name, text, time }, own) {
        const goesOn = this.last?.name === name && time - this.last.time < GROUPED_WITHIN
            && sameDay(time, this.last.time);
        const item = this.bubble(name, text, time, own, goesOn);
        this.day(time);
        this.append(item, own);
        this.last = { name, time };
    }

    // What was sent and is not confirmed: looks like it, and is to be removed then.
    pending(name, text) {
        const item = this.bubble(name, text, Date.now(), true, this.last?.name === name);
        item.classList.add("pending");
        // Read out when it is confirmed.
        item.setAttribute("aria-hidden", "true");
        this.append(item, true);
        return item;
    }

    // Somebody came or left.
    event(text, time) {
        this.day(time);
        this.append(make("li", { className: "event" }, make("bdi", {}, text), " ", stamp(time)), false);
        this.last = null;
    }

    bubble(name, text, time, own, goesOn) {
        const words = make("p", { className: "text", dir: "auto" }, ...linked(text));
        const head = make("p", { className: "head" }, make("bdi", {}, own ? "You" : name), " ", stamp(time));
        const item = make("li", { className: `message${own ? " own" : ""}${goesOn ? "" : " first"}` });
        item.append(...(own ? [] : [avatar(name)]), make("div", { className: "bubble" }, head, words));
        return item;
    }

    day(time) {
        if (!sameDay(time, this.shownDay ?? 0) || this.list.childElementCount === 0) {
            this.append(make("li", { className: "day" }, make("span", {}, calendar.format(time))), false);
            this.last = null;
        }
        this.shownDay = time;
    }

    append(item, own) {
        const follow = own || this.followed;
        // What is not confirmed stays last.
        const pending = item.classList.contains("pending") ? null : this.list.querySelector(".pending");
        this.list.insertBefore(item, pending);
        while (this.list.childElementCount > KEPT) {
            this.list.firstElementChild.remove();
        }
        if (follow) {
            this.toEnd();
        } else {
            this.newest.hidden = false;
        }
    }

    atEnd() {
        return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 60;
    }

    toEnd() {
        this.list.scrollTop = this.list.scrollHeight;
        this.newest.hidden = true;
        this.followed = true;
    }
}

function sameDay(one, other) {
    return new Date(one).toDateString() === new Date(other).toDateString();
}

function stamp(time) {
    const date = new Date(time);
    return make("time", { dateTime: date.toISOString(), title: moment.format(date) }, clock.format(date));
}

// Text, with links where an address stands in it.
function linked(text) {
    const parts = [];
    let end = 0;
    for (const match of text.matchAll(LINK)) {
        const link = make("a", { href: match[0], target: "_blank", rel: "noopener noreferrer nofollow" }, match[0]);
        parts.push(text.slice(end, match.index), link);
        end = match.index + match[0].length;
    }
    return [...parts, text.slice(end)];
}
