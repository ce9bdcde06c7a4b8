// How the connection is, for people: a word at the top, and where it is lost, why, and when it is tried again.

const $ = id => document.getElementById(id);

export class Status {
    // onRetry: somebody does not want to wait.
    constructor(onRetry) {
        this.until = null;
        $("retry").addEventListener("click", onRetry);
        setInterval(() => this.count(), 500);
    }

    joined() {
        this.word("Connected", "good");
        this.hide();
    }

    hide() {
        this.until = null;
        $("notice").hidden = true;
    }

    changed(state) {
        switch (state.is) {
            case "connecting":
                this.word("Connecting …", "busy");
                this.until = null;
                $("notice-next").textContent = "Connecting …";
                $("retry").hidden = true;
                break;
            case "open":
                this.word("Joining …", "busy");
                break;
            case "waiting":
                this.word("Offline", "bad");
                this.notice("Connection lost.", `${state.text} (Code ${state.code})`, "Try now");
                this.until = state.until;
                this.count();
                break;
            case "closed":
                this.word("Offline", "bad");
                this.notice("Disconnected.", `${state.text} (Code ${state.code})`, "Connect again");
                break;
        }
    }

    // The connection is there, but the room is not yet.
    almost(why) {
        this.word("Joining …", "busy");
        this.notice("Almost back.", `${why} Trying again …`, null);
    }

    notice(title, text, button) {
        this.until = null;
        $("notice-title").textContent = title;
        $("notice-text").textContent = text;
        $("notice-next").textContent = "";
        $("retry").textContent = button ?? "";
        $("retry").hidden = button === null;
        $("notice").hidden = false;
    }

    // The seconds are not in the part that is read out: once is enough.
    count() {
        if (this.until !== null) {
            const seconds = Math.max(1, Math.ceil((this.until - Date.now()) / 1000));
            $("notice-next").textContent = `Next attempt in ${seconds} s.`;
        }
    }

    word(word, kind) {
        $("state").textContent = word;
        $("state").className = `state ${kind}`;
        document.body.classList.toggle("offline", kind !== "good");
    }
}
