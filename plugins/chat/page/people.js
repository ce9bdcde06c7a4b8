// The list of who is here.

import { avatar, make } from "./log.js";

export class People {
    constructor(list, count) {
        this.list = list;
        this.count = count;
        this.names = new Set();
        this.me = "";
    }

    set(names, me) {
        this.names = new Set(names);
        this.me = me;
        this.show();
    }

    add(name) {
        this.names.add(name);
        this.show();
    }

    remove(name) {
        this.names.delete(name);
        this.show();
    }

    show() {
        const sorted = [...this.names].sort((one, other) => one.localeCompare(other));
        this.list.replaceChildren(...sorted.map(name => this.item(name)));
        this.count.textContent = sorted.length;
    }

    item(name) {
        const you = name === this.me ? [" ", make("span", { className: "you" }, "you")] : [];
        return make("li", {}, avatar(name), make("bdi", {}, name), ...you);
    }
}
