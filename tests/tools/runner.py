"""The steps of tests/run, one after the other, and the summary at the end."""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
sys.path.insert(0, str(TESTS))

from browser import chat as browser_chat                     # noqa: E402
from browser import echo as browser_echo                     # noqa: E402
from browser import webdriver                                # noqa: E402
from conformance import autobahn                             # noqa: E402
from tools.machine import Machine, Missing                   # noqa: E402
from tools.processes import Failure, run, tail               # noqa: E402

HELP = """
Runs every test of wshost: installs what is missing, builds, tests, and ends with one table.

    tests/run                          everything; twenty minutes on two cores, half of it Autobahn
    tests/run --only conformance       one step (and the build that it needs)
    tests/run --skip browser           all but one
    tests/run --only conformance --bless     accept Autobahn's verdicts as the expected ones; review with git diff

`cargo test --workspace` works too, without anything installed.
"""

EPILOG = """
What is installed: Debian packages, with apt-get (and sudo, unless root): a C compiler, chromium, chromium-driver.
Autobahn, with pip under Python 2.7, in tests/.tools. Rust must be there.

environment:
  WSTEST                  a wstest executable, instead of installing Autobahn
  CHROMIUM, CHROMEDRIVER  the browser to drive, instead of Debian's
  WSHOST, ECHO_PLUGIN, CHAT_PLUGIN
                          test this server, libecho.so and libchat.so, instead of building them

The last line counts tests: `N passed, N failed`, with `, N skipped` where some were. Exit code: 0 if none failed, 1 if
one did, 64 for wrong usage. Logs and reports of a step that failed stay in tests/STEP in the target folder, and
Chromium's screenshots in browser/.
"""

RUST = "Install Rust 1.88 or newer with rustup."
BUILD_LIMIT = 1800
TEST_LIMIT = 1800


@dataclass
class Result:
    """What came of a step."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    complaints: list = field(default_factory=list)
    reason: str = ""           # why a step did not do its work
    seconds: float = 0.0

    def fail(self, complaint):
        """Counts a failed test."""
        self.failed += 1
        self.complaints.append(complaint)

    @property
    def word(self):
        """The result of the step."""
        if self.failed:
            return "FAILED"
        return "passed" if self.passed or not self.skipped else "skipped"

    @property
    def detail(self):
        """The counts, or why there are none."""
        if self.reason:
            return textwrap.shorten(self.reason, 90, placeholder=" ...")
        counts = ((self.passed, "passed"), (self.failed, "failed"), (self.skipped, "skipped"))
        return ", ".join(f"{count} {what}" for count, what in counts if count)


@dataclass
class Context:
    """What a step is given."""

    machine: Machine
    target: Path               # cargo's target folder
    folder: Path               # of this step alone, for logs and reports
    wshost: Path
    plugin: Path               # of the echo engine
    chat_plugin: Path
    bless: bool
    tools: Path = TESTS / ".tools"

    @property
    def cargo(self):
        """cargo, with a C compiler at hand; two of the dependencies need one to build."""
        cargo = Machine.which(["cargo"])
        if cargo is None:
            raise Failure(f"there is no cargo here. {RUST}")
        self.machine.command(["cc"], ["build-essential"], "Install a C compiler.")
        return [cargo]

    @property
    def cargo_options(self):
        """What every call of cargo gets."""
        return ["--offline"] if self.machine.offline else []


# The steps

@dataclass(frozen=True)
class Step:
    """A line of the table."""

    name: str
    about: str
    install: object            # installs what is missing: Context -> None
    check: object              # does the work: (Context, Result) -> None


def build(context, _result):
    """Builds the host and the plugins that the later steps start."""
    if run([*context.cargo, "build", "--release", *context.cargo_options], _show, BUILD_LIMIT, cwd=ROOT) != 0:
        raise Failure("cargo build --release failed, see above")


def cargo_test(context, result):
    """Runs cargo's tests and counts them."""
    summary = re.compile(r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored")
    test_failed = re.compile(r"test (.+) \.\.\. FAILED")

    def on_line(line):
        _show(line)
        if counts := summary.match(line):
            result.passed += int(counts[1])
            result.failed += int(counts[2])
            result.skipped += int(counts[3])
        elif failed := test_failed.match(line):
            result.complaints.append(failed[1])

    command = [*context.cargo, "test", "--workspace", "--no-fail-fast", *context.cargo_options]
    code = run(command, on_line, TEST_LIMIT, cwd=ROOT)
    if code != 0 and not result.failed:
        raise Failure(f"cargo test ended with exit code {code}, see above")


def browse(context, result):
    """Drives Chromium against the echo and against the chat."""
    browser_echo.check(context, result)
    browser_chat.check(context, result)


STEPS = [
    Step("build", "cargo build --release", lambda context: context.cargo, build),
    Step("cargo", "cargo test --workspace", lambda context: context.cargo, cargo_test),
    Step("conformance", "Autobahn's fuzzing client against the echo engine", autobahn.install, autobahn.check),
    Step("browser", "Chromium echoes up to 16 MiB, and chats in two windows", webdriver.commands, browse),
]
NAMES = [step.name for step in STEPS]
NEED_BUILD = {"cargo", "conformance", "browser"}


# Running them

def main():
    """The whole of it; answers with the exit code."""
    options = _parse()
    if options.list:
        for step in STEPS:
            print(f"{step.name:12} {step.about}")
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)

    chosen = _chosen(options)
    results = {}
    for step in STEPS:
        if step.name in chosen:
            results[step.name] = _run_step(step, options, results)
        elif step.name in options.skip:
            results[step.name] = Result(skipped=1, reason="--skip")
    if options.install:
        return 1 if any(result.failed for result in results.values()) else 0
    return _summary(results)


def _run_step(step, options, results):
    print(f"\n== {step.name}: {step.about}", flush=True)
    result = Result()
    started = time.monotonic()
    folder = _target() / "tests" / step.name
    try:
        if step.name in NEED_BUILD and "build" in results and results["build"].failed:
            raise Failure("the build failed")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        context = _context(options, folder)
        if options.install:
            step.install(context)
        else:
            step.check(context, result)
    except Missing as missing:
        result.skipped += 1
        result.reason = str(missing)
    except Failure as failure:
        result.fail(str(failure))
        result.reason = str(failure)
    result.seconds = time.monotonic() - started
    if result.failed:
        _explain(step, result, folder)
    elif not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def _explain(step, result, folder):
    """All that helps to find out why a step failed."""
    print(f"\n{step.name} FAILED:")
    for complaint in result.complaints:
        print(f"    {complaint}")
    for log in sorted(folder.glob("*.log")):
        if lines := tail(log):
            print(f"  the end of {log}:")
            print(*(f"    {line[:400]}" for line in lines), sep="\n")
    sys.stdout.flush()


def _summary(results):
    rows = [("step", "result", "duration", "tests")]
    for name, result in results.items():
        rows.append((name, result.word, _duration(result.seconds), result.detail))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    print()
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[3]]).rstrip())
    print()

    passed, failed, skipped = (sum(getattr(result, kind) for result in results.values())
                               for kind in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed else 0


def _chosen(options):
    names = set(options.only or NAMES)
    given = {"WSHOST", "ECHO_PLUGIN", "CHAT_PLUGIN"} <= os.environ.keys()
    if names & NEED_BUILD and not (given and "cargo" not in names):
        names.add("build")
    return names - set(options.skip)


def _context(options, folder):
    target = _target()
    release = target / "release"
    return Context(
        machine=Machine(folder, options.offline),
        target=target,
        folder=folder,
        wshost=Path(os.environ.get("WSHOST", release / "wshost")).absolute(),
        plugin=Path(os.environ.get("ECHO_PLUGIN", release / "libecho.so")).absolute(),
        chat_plugin=Path(os.environ.get("CHAT_PLUGIN", release / "libchat.so")).absolute(),
        bless=options.bless)


def _target():
    """cargo's target folder, wherever configuration or environment have put it."""
    try:
        metadata = subprocess.run(["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"], cwd=ROOT,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  check=True)
        return Path(json.loads(metadata.stdout)["target_directory"])
    except (OSError, subprocess.CalledProcessError):
        return ROOT / "target"


def _parse():
    parser = Parser(prog="tests/run", description=HELP, epilog=EPILOG,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="STEP", action="append", choices=NAMES, help="run this step; may be repeated")
    parser.add_argument("--skip", metavar="STEP", action="append", choices=NAMES, default=[],
                        help="leave out this step; may be repeated (without build: test what is built already)")
    parser.add_argument("--list", action="store_true", help="list the steps, run none")
    parser.add_argument("--install", action="store_true", help="install what the steps need, run none")
    parser.add_argument("--offline", action="store_true", help="install nothing; skip a step that misses something")
    parser.add_argument("--keep", action="store_true", help="keep logs and reports of steps that passed, too")
    parser.add_argument("--bless", action="store_true", help="write what Autobahn says into conformance/expected.json")
    return parser.parse_args()


class Parser(argparse.ArgumentParser):
    """An argument parser with the exit code of sysexits."""

    def error(self, message):
        self.exit(64, f"{self.prog}: {message}; see {self.prog} --help\n")


def _show(line):
    print(line, flush=True)


def _interrupt(number, _frame):
    sys.exit(128 + number)


def _duration(seconds):
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
