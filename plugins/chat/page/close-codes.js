// What a close code means, in words, and whether it makes sense to connect again without being asked.
// RFC 6455 section 7.4.1 and the IANA registry; 4000 and above are this chat's own (see its README).

const CODES = {
    1000: ["The conversation is over: the connection was closed in the normal way.", false],
    1001: ["The server is shutting down or restarting, or this page was left.", true],
    1002: ["The server saw a violation of the WebSocket protocol.", false],
    1003: ["The server got a kind of data that it does not take.", false],
    1004: ["A reserved code, without a meaning.", true],
    1005: ["The server closed the connection without saying why.", true],
    1006: ["The connection broke, or none could be made: the server or the network cannot be reached.", true],
    1007: ["The server got data that does not fit its type, such as text that is not UTF-8.", false],
    1008: ["The server closed the connection because a rule was broken, or because nothing came from here for too long.",
        true],
    1009: ["A message was too big for the server.", false],
    1010: ["The browser asked for an extension that the server does not have.", false],
    1011: ["Something unexpected happened on the server.", true],
    1012: ["The server restarts.", true],
    1013: ["The server is overloaded at the moment.", true],
    1014: ["A gateway got no good answer from the server behind it.", true],
    1015: ["No secure connection could be made: the server's certificate was not accepted.", true],
    4000: ["There can be no room of this name.", false],
    4001: ["Too many messages came from here, so the server closed the connection.", false],
};

// {text, again}: a sentence or two, and whether to connect again.
export function explain(code, reason = "") {
    const [known, again] = CODES[code] ?? [others(code), true];
    // The server's own words, unless they say the same.
    const words = reason && !known.toLowerCase().includes(reason.toLowerCase()) ? ` It says: “${reason}”.` : "";
    return { text: known + words, again };
}

function others(code) {
    if (code >= 4000 && code <= 4999) {
        return "The application closed the connection for a reason of its own.";
    }
    if (code >= 3000 && code <= 3999) {
        return "The connection was closed with a code that a library or framework has registered.";
    }
    return "The connection was closed with a code that is not known here.";
}
