"""Conformance: Autobahn's fuzzing client against wshost, compared strictly with expected.json.

Autobahn runs under Python 2.7 alone. The first of these that is there is taken:

1. $WSTEST, a wstest executable;
2. the virtual environment that an earlier run made in tests/.tools/autobahn;
3. a new one there, made with pyenv's Python 2.7 or with a working python2.7 on the PATH;
4. docker with the image crossbario/autobahn-testsuite.

spec.json says which cases run. The server compresses whatever it can: in sections 1 to 10 the client does not offer it,
and gets what it would get otherwise; sections 12 and 13 offer it with and without context takeover, and with all
windows. A change for the better or for the worse is a difference: accept it with
`tests/run --only conformance --bless`, and look at what git says has changed.
"""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from tools.machine import Missing, progress
from tools.processes import Failure, Server, run

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "expected.json"
SPEC = HERE / "spec.json"

RELEASE = "autobahntestsuite==25.10.1"
IMAGE = "crossbario/autobahn-testsuite"
LAST_VIRTUALENV_FOR_2_7 = "virtualenv<20.22"
AGENT = "wshost"
# Small messages are compressed too, and with takeover unless the client does not want it.
OPTIONS = ("--max-message", "16MiB", "--compress", "--compress-threshold", "0B", "--compress-context-takeover", "yes")

LIMIT = 1800       # ten minutes on two cores, most of it in wstest itself
STALL = 180        # the slowest cases wait 100 s for the server before they give up

BY_HAND = ("Provide one of: WSTEST=/path/to/wstest; Python 2.7 with pip (`pyenv install 2.7.18`); "
           f"docker with the image {IMAGE}.")


def install(context):
    """Makes sure that there is a wstest."""
    _wstest(context)


def check(context, result):
    """Runs all cases; each is a test that passes if it behaved as expected.json says."""
    wstest = _wstest(context)
    with Server(context.wshost, context.plugin, context.folder, options=OPTIONS) as server:
        _run_cases(wstest, server.port, context.folder)
    reports = context.folder / "reports"
    actual = _read_index(reports)
    if context.bless:
        _bless(actual)
    _compare(_read_expected(), actual, reports, result)


# Running

def _run_cases(wstest, port, folder):
    reports = folder / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    spec = json.loads(SPEC.read_text())
    spec["outdir"] = "reports"
    spec["servers"] = [{"agent": AGENT, "url": f"ws://127.0.0.1:{port}"}]
    (folder / "spec.json").write_text(json.dumps(spec, indent=4))

    with open(folder / "wstest.log", "w") as log:
        progress_of = _Progress()

        def on_line(line):
            print(line, file=log, flush=True)
            progress_of.read(line)

        code = run([*wstest, "-m", "fuzzingclient", "-s", "spec.json"], on_line, LIMIT, STALL, cwd=folder,
                   env={**os.environ, "PYTHONUNBUFFERED": "1"})
    progress(f"{progress_of.started} of {progress_of.total} cases run", milestone=True)
    if code != 0:
        raise Failure(f"wstest ended with exit code {code}, see {log.name}")


class _Progress:
    """Counts the cases as wstest names them."""

    TOTAL = re.compile(r"Ok, will run (\d+) test cases")
    CASE = re.compile(r"Running test case ID ([\d.]+)")

    def __init__(self):
        self.started = 0
        self.total = "?"

    def read(self, line):
        if total := self.TOTAL.match(line):
            self.total = int(total[1])
        elif case := self.CASE.match(line):
            self.started += 1
            progress(f"case {self.started} of {self.total}: {case[1]}", milestone=self.started % 50 == 0)


# Comparing

def _read_index(reports):
    try:
        index = json.loads((reports / "index.json").read_text())
    except FileNotFoundError:
        raise Failure("wstest wrote no report") from None
    return {case: _behaviour(found) for case, found in index.get(AGENT, {}).items()}


def _read_expected():
    return {case: _behaviour(wanted) for case, wanted in json.loads(EXPECTED.read_text()).items()}


def _behaviour(entry):
    return {"behavior": entry["behavior"], "behaviorClose": entry["behaviorClose"]}


def _compare(expected, actual, reports, result):
    for case in sorted(expected.keys() | actual.keys(), key=_numeric):
        if expected.get(case) == actual.get(case):
            result.passed += 1
        else:
            result.fail(f"case {case}: expected {_words(expected.get(case))}, got {_words(actual.get(case))}"
                        + _story(reports, case))


def _words(behaviour):
    if behaviour is None:
        return "nothing"
    return f"{behaviour['behavior']} (close {behaviour['behaviorClose']})"


def _story(reports, case):
    """What the report tells of a case, in a few lines."""
    name = f"{AGENT}_case_{case.replace('.', '_')}"
    try:
        report = json.loads((reports / f"{name}.json").read_text())
    except FileNotFoundError:
        return ""
    lines = [f"{title}: {_plain(report[key])}" for title, key in (
        ("case", "description"), ("wanted", "expectation"), ("seen", "result"), ("close", "resultClose"))]
    lines.append(f"received: {json.dumps(report['received'])[:300]}")
    return "".join(f"\n      {line}" for line in [*lines, f"report: {reports / name}.html"])


def _plain(text):
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", text or "").split()))


def _bless(actual):
    before = _read_expected() if EXPECTED.exists() else {}
    lines = ",\n".join(f"    {json.dumps(case)}: {json.dumps(actual[case])}" for case in sorted(actual, key=_numeric))
    EXPECTED.write_text("{\n" + lines + "\n}\n")
    changed = [case for case in before.keys() | actual.keys() if before.get(case) != actual.get(case)]
    print(f"blessed: expected.json now has {len(actual)} cases, {len(changed)} of them changed", flush=True)


def _numeric(case):
    return [int(part) for part in case.split(".")]


# Finding and installing

def _wstest(context):
    """The command that runs wstest, installed if need be."""
    if given := os.environ.get("WSTEST"):
        if not _works([given]):
            raise Failure(f"WSTEST={given} does not answer to --autobahnversion")
        return [given]
    environment = context.tools / "autobahn"
    # Named with its interpreter: a first line `#!/long/path/python` has a limit, and a checkout may be moved.
    installed = [environment / "bin" / "python", environment / "bin" / "wstest"]
    if _works(installed):
        return installed
    if python := _python27():
        _install(context, python, environment)
        if not _works(installed):
            raise Failure(f"wstest does not run although pip installed it in {environment}: delete that, run again")
        return installed
    if _works(["docker", "info"], ()):
        return _docker(context)
    if context.machine.offline:
        raise Missing("needs Autobahn, and --offline forbids to install it")
    raise Failure(f"Autobahn needs Python 2.7 or docker, and neither is here. {BY_HAND}")


def _works(command, arguments=("--autobahnversion",)):
    try:
        return subprocess.run([*command, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _python27():
    """A Python 2.7 that runs and has pip. (pyenv's `python2.7` may be a shim that only complains.)"""
    candidates = []
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True).stdout.strip()
        candidates += sorted(Path(root, "versions").glob("2.7*/bin/python2.7"), reverse=True)
    candidates.append("python2.7")
    return next((python for python in candidates if _works([python], ("-m", "pip", "--version"))), None)


def _install(context, python, environment):
    machine = context.machine
    if machine.offline:
        raise Missing(f"needs {RELEASE}, and --offline forbids to install it")
    print(f"installing {RELEASE} under Python 2.7, once", flush=True)
    # Some of what it depends on is compiled.
    machine.command(["cc"], ["build-essential"], "Install a C compiler.")
    shutil.rmtree(environment, ignore_errors=True)
    bootstrap = context.tools / "virtualenv-2.7"
    shutil.rmtree(bootstrap, ignore_errors=True)
    complaint = f"pip could not install {RELEASE} under Python 2.7: is there a network? {BY_HAND}"
    machine.call([python, "-m", "pip", "install", "--target", bootstrap, LAST_VIRTUALENV_FOR_2_7], complaint)
    machine.call([python, "-m", "virtualenv", environment], complaint, env={**os.environ, "PYTHONPATH": str(bootstrap)})
    pip_install = [environment / "bin" / "python", "-m", "pip", "install", RELEASE]
    try:
        machine.call(pip_install, complaint)
    except Failure:
        # Without a wheel for this machine, cryptography and cffi are compiled, against these.
        machine.install(["libffi-dev", "libssl-dev"], BY_HAND)
        machine.call(pip_install, complaint)
    shutil.rmtree(bootstrap, ignore_errors=True)


def _docker(context):
    if not _works(["docker", "image", "inspect", IMAGE], ()):
        if context.machine.offline:
            raise Missing(f"needs the image {IMAGE}, and --offline forbids to pull it")
        print(f"pulling {IMAGE} with docker, once", flush=True)
        context.machine.call(["docker", "pull", IMAGE], f"docker could not pull {IMAGE}: is there a network?")
    return ["docker", "run", "--rm", "--init", "--network", "host", "--env", "PYTHONUNBUFFERED=1",
            "--user", f"{os.getuid()}:{os.getgid()}", "--volume", f"{context.folder}:/conformance",
            "--workdir", "/conformance", IMAGE, "wstest"]
