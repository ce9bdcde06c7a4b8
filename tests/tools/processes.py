"""Child processes: started in a group of their own, watched with a deadline, ended by id.

Knows nothing of what the children do, apart from `Server`, which knows wshost's ready line and its way to end.
"""

import os
import queue
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager


class Failure(Exception):
    """A step could not do its work. The text says what happened and what to do about it."""


@contextmanager
def child(command, **options):
    """Runs `command` for the length of the block; whatever is left of it and of its group is killed after that."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    except OSError as error:
        raise Failure(f"cannot start {command[0]}: {error.strerror}") from error
    try:
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)   # the group is named after its leader, which we started
        except ProcessLookupError:
            pass
        process.wait()


def run(command, on_line, limit, stall=None, **options):
    """Runs `command` to its end, passing each line of its output to `on_line`; returns the exit code.

    Over `limit` seconds in all, or `stall` seconds without a line, it is killed and the step fails.
    """
    lines = queue.Queue()
    deadline = time.monotonic() + limit
    with child(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
               **options) as process:
        threading.Thread(target=_forward, args=(process.stdout, lines.put), daemon=True).start()
        while True:
            patience = deadline - time.monotonic()
            if stall is not None:
                patience = min(patience, stall)
            try:
                line = lines.get(timeout=max(patience, 0))
            except queue.Empty:
                why = f"was not done after {limit} s" if time.monotonic() >= deadline else f"was silent for {stall} s"
                raise Failure(f"{os.path.basename(command[0])} {why} and has been stopped") from None
            if line is None:
                return process.wait(timeout=60)
            on_line(line)


def _forward(pipe, put):
    """Passes on every line of `pipe`, then None."""
    with pipe:
        for line in pipe:
            put(line.rstrip("\n"))
    put(None)


class Server:
    """wshost with an engine, echo unless another is named, on a port of 127.0.0.1, for the length of a `with` block.

    The port is a free one unless it is given, as that of a server before. `plugin` may be PATH=FILE.

    Entering waits for the ready line; leaving sends SIGTERM, and demands exit code 0 of a server that was in order.
    What the server writes to stderr is found in `server.log` in `folder`, further lines of stdout in `server.out`.
    """

    READY = r"listening on ws://127\.0\.0\.1:(?P<port>[0-9]+)/ \(engine {engine} [0-9]+\.[0-9]+\.[0-9]+( at /[^ ]*)?\)"
    READY_WITHIN = 30
    ENDS_WITHIN = 20

    def __init__(self, executable, plugin, folder, engine="echo", options=("--max-message", "16MiB"), port=0):
        self.command = [str(executable), "--plugin", str(plugin), "--listen", f"127.0.0.1:{port}", *options]
        self.ready = re.compile(self.READY.format(engine=engine))
        self.folder = folder
        self.port = None
        self._child = None
        self._process = None

    def __enter__(self):
        with open(self.folder / "server.log", "a") as log:
            self._child = child(self.command, stdout=subprocess.PIPE, stderr=log, text=True, errors="replace")
            self._process = self._child.__enter__()
        try:
            self.port = self._wait_until_ready()
        except BaseException:
            self._child.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, error, traceback):
        try:
            if error is not None and not isinstance(error, Exception):
                return   # interrupted
            ended_before = self._process.poll()
            if ended_before is not None:
                raise Failure(f"wshost ended by itself with exit code {ended_before}") from error
            self._process.send_signal(signal.SIGTERM)
            try:
                code = self._process.wait(timeout=self.ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                raise Failure(f"wshost still ran {self.ENDS_WITHIN} s after SIGTERM") from error
            if code != 0 and error is None:
                raise Failure(f"wshost ended with exit code {code} after SIGTERM, instead of 0")
        finally:
            self._child.__exit__(None, None, None)

    def _wait_until_ready(self):
        first = queue.Queue()
        threading.Thread(target=self._drain, args=(first,), daemon=True).start()
        try:
            line = first.get(timeout=self.READY_WITHIN)
        except queue.Empty:
            raise Failure(f"wshost printed no ready line within {self.READY_WITHIN} s") from None
        if line is None:
            raise Failure(f"wshost ended with exit code {self._process.wait()} before it was ready")
        ready = self.ready.fullmatch(line)
        if ready is None:
            raise Failure(f"wshost's first line is not its ready line, but: {line}")
        return int(ready["port"])

    def _drain(self, first):
        """Reads stdout to its end, so that an engine that prints a lot does not come to a halt on a full pipe."""
        with open(self.folder / "server.out", "a") as out:
            put = first.put
            for line in self._process.stdout:
                put(line.rstrip("\n"))
                put = out.write
            first.put(None)


def tail(path, lines=15):
    """The last lines of a text file; none if there is no such file."""
    try:
        with open(path, errors="replace") as file:
            return [line.rstrip("\n") for line in file][-lines:]
    except FileNotFoundError:
        return []
