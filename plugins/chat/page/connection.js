// A WebSocket that comes back: after a loss it is opened again, later each time, until somebody closes it.
// Knows nothing of what is said over it.

import { explain } from "./close-codes.js";

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
// A connection that lasted for so long was a good one: the next loss begins with short delays again.
const STABLE_AFTER = 10_000;
const OPENS_WITHIN = 15_000;
const ANSWERS_WITHIN = 5_000;

export class Connection {
    // on: {state(state), message(data)}. A state is {is: "connecting" | "open" | "waiting" | "closed"}; the last two have
    // the close code and its explanation, and a waiting one `until`, the time of the next attempt.
    constructor(url, on) {
        this.url = url;
        this.on = on;
        this.failures = 0;
        this.socket = null;
        this.timers = {};
        this.connect();
    }

    connect() {
        this.drop();
        this.on.state({ is: "connecting", attempt: this.failures + 1 });
        const socket = new WebSocket(this.url);
        this.socket = socket;
        this.timers.opening = setTimeout(() => this.lost(1006, ""), OPENS_WITHIN);
        socket.onopen = () => {
            clearTimeout(this.timers.opening);
            this.timers.stable = setTimeout(() => { this.failures = 0; }, STABLE_AFTER);
            this.on.state({ is: "open" });
        };
        socket.onmessage = event => {
            clearTimeout(this.timers.answer);
            this.on.message(event.data);
        };
        socket.onclose = event => this.lost(event.code, event.reason);
    }

    // Whether it went out, as far as is known.
    send(text) {
        if (this.socket?.readyState !== WebSocket.OPEN) {
            return false;
        }
        this.socket.send(text);
        return true;
    }

    // Sends what must be answered, to see whether anybody is there: a phone that slept is not told of a loss.
    probe(text) {
        if (this.send(text)) {
            clearTimeout(this.timers.answer);
            this.timers.answer = setTimeout(() => this.lost(1006, ""), ANSWERS_WITHIN);
        }
    }

    // Connects at once, where it would have waited.
    hurry() {
        if (this.socket === null) {
            this.connect();
        }
    }

    // Ends it for good.
    close() {
        this.socket?.close(1000);
        this.drop();
    }

    lost(code, reason) {
        this.drop();
        const { text, again } = explain(code, reason);
        if (!again) {
            this.on.state({ is: "closed", code, text });
            return;
        }
        const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.failures);
        // Jitter: the clients of a server that comes back do not all come at the same moment.
        const delay = longest * (0.5 + Math.random() / 2);
        this.failures += 1;
        this.timers.again = setTimeout(() => this.connect(), delay);
        this.on.state({ is: "waiting", code, text, until: Date.now() + delay });
    }

    // Lets go of the socket, and of everything that was to happen.
    drop() {
        Object.values(this.timers).forEach(clearTimeout);
        if (this.socket !== null) {
            this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
            this.socket.close();
            this.socket = null;
        }
    }
}
