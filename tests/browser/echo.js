// The body of a WebDriver async script: runs in the page that wshost shows, so that the connection is same-origin.
// arguments: the URL, the sizes in bytes, the extensions that are to be agreed on, and where the answer goes: a list of
// {name, ok, detail}.
const [url, sizes, extensions, answer] = arguments;
const REPLY_WITHIN = 30_000;

// Deterministic, without a period that a misplaced block could hide in.
function binary(size) {
    const words = new Uint32Array(Math.ceil(size / 4));
    let state = 2463534242;
    for (let i = 0; i < words.length; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        words[i] = state;
    }
    return new Uint8Array(words.buffer, 0, size);
}

// `size` bytes of UTF-8: characters of one to four bytes, numbered so that no part is like another.
function text(size) {
    const parts = [];
    let left = size;
    for (let i = 0; left >= 20; i++) {
        const part = i.toString(36) + "é€😀";
        parts.push(part);
        left -= part.length - 4 + 9;    // é, € and 😀 are four UTF-16 units, but nine bytes
    }
    return parts.join("") + "x".repeat(left);
}

function sameBytes(a, b) {
    if (a.length !== b.length) {
        return `${b.length} bytes came back for ${a.length}`;
    }
    const at = a.findIndex((byte, i) => byte !== b[i]);
    return at < 0 ? "" : `byte ${at} is ${b[at]} instead of ${a[at]}`;
}

// The difference between what was sent and the reply in words, "" if there is none.
function difference(sent, reply) {
    if (typeof sent === "string") {
        if (typeof reply !== "string") {
            return "text came back as binary";
        }
        return sent === reply ? "" : `another text came back: ${reply.length} UTF-16 units for ${sent.length}`;
    }
    return typeof reply === "string" ? "binary came back as text" : sameBytes(sent, new Uint8Array(reply));
}

function closeWords(event) {
    return `code ${event.code}, reason "${event.reason}", ${event.wasClean ? "clean" : "not clean"}`;
}

async function run() {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    const closed = new Promise(resolve => socket.addEventListener("close", resolve, { once: true }));

    // Resolves to the event; rejects if the connection closes or time runs out first.
    const next = name => new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no ${name} within ${REPLY_WITHIN / 1000} s`)), REPLY_WITHIN);
        socket.addEventListener(name, event => { clearTimeout(timer); resolve(event); }, { once: true });
        closed.then(event => {
            clearTimeout(timer);
            reject(new Error(`the connection was closed: ${closeWords(event)}`));
        });
    });

    const results = [];
    const attempt = async (name, action) => {
        const started = performance.now();
        try {
            const complaint = await action();
            const took = `${Math.round(performance.now() - started)} ms`;
            results.push({ name, ok: complaint === "", detail: complaint || took });
        } catch (error) {
            results.push({ name, ok: false, detail: error.message });
        }
    };

    await attempt("connect", async () => {
        await next("open");
        return socket.extensions === extensions ? "" : `agreed on "${socket.extensions}", not on "${extensions}"`;
    });
    for (const [kind, make] of [["text", text], ["binary", binary]]) {
        for (const size of sizes) {
            await attempt(`${kind} of ${size} bytes`, async () => {
                const message = make(size);
                const bytes = kind === "text" ? new Blob([message]).size : message.length;
                if (bytes !== size) {
                    return `the test made ${bytes} bytes`;
                }
                const reply = next("message");
                socket.send(message);
                return difference(message, (await reply).data);
            });
        }
    }
    await attempt("close with 1000", async () => {
        socket.close(1000, "done");
        const event = await Promise.race([closed, new Promise(resolve => setTimeout(resolve, REPLY_WITHIN))]);
        if (event === undefined) {
            return `no answer to the close frame within ${REPLY_WITHIN / 1000} s`;
        }
        return event.code === 1000 && event.wasClean ? "" : closeWords(event);
    });
    return results;
}

run().catch(error => [{ name: "the test page", ok: false, detail: String(error) }]).then(results => {
    // For the screenshot.
    const seen = document.createElement("pre");
    const line = ({ name, ok, detail }) => `${ok ? "ok    " : "FAILED"}  ${name}: ${detail}`;
    seen.textContent = results.map(line).join("\n");
    document.body.append(seen);
    answer(results);
});
