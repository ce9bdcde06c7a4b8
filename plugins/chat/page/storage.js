// What the browser keeps for the page: for a tab unless another storage is named. Without it, nothing is kept.

const PREFIX = "chat.";

export function remember(key, value, storage = sessionStorage) {
    try {
        storage.setItem(PREFIX + key, value);
    } catch {
        // Full or forbidden; it is a convenience.
    }
}

export function recall(key, storage = sessionStorage) {
    return storage.getItem(PREFIX + key);
}

export function forget(key, storage = sessionStorage) {
    storage.removeItem(PREFIX + key);
}
