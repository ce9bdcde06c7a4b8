"""What a step needs from the machine: looked for first, then installed from Debian's packages.

Everything a step is missing ends here in one clear sentence: `Failure` if it cannot be installed, `Missing` if it may
not be.
"""

import os
import shutil
import subprocess
import sys

from tools.processes import Failure, tail


class Missing(Failure):
    """Something is not there, and `--offline` forbids to install it: the step is skipped."""


class Machine:
    """Finds and installs tools. `folder` takes the installers' logs."""

    def __init__(self, folder, offline):
        self.folder = folder
        self.offline = offline

    def command(self, names, packages, otherwise):
        """The path of the first of `names` on the PATH; where there is none, `packages` are installed.

        `otherwise` tells what to do by hand where that does not help.
        """
        found = self.which(names)
        if found is None:
            self.install(packages, otherwise)
            found = self.which(names)
        if found is None:
            raise Failure(f"{names[0]} is missing even with the packages {' '.join(packages)}. {otherwise}")
        return found

    @staticmethod
    def which(names):
        """The path of the first of `names` that is a command here, or None."""
        return next(filter(None, map(shutil.which, names)), None)

    def install(self, packages, otherwise):
        """Installs Debian packages."""
        wanted = " ".join(packages)
        if self.offline:
            raise Missing(f"needs {wanted}, and --offline forbids to install it")
        if shutil.which("apt-get") is None:
            raise Failure(f"needs {wanted}, and there is no apt-get here to install it. {otherwise}")
        print(f"installing with apt-get: {wanted}", flush=True)
        self.call(self._as_root(["apt-get", "update"]), "apt-get update failed: is there a network?")
        self.call(
            self._as_root(["apt-get", "install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300",
                           *packages]),
            f"apt-get could not install {wanted}. {otherwise}")

    def call(self, command, complaint, limit=1200, **options):
        """Runs an installer; its output is shown only where it fails."""
        log = self.folder / "install.out"
        with open(log, "a") as out:
            print("+", *command, file=out, flush=True)
            try:
                # Not a session of its own: sudo may ask for a password on the terminal.
                code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                      timeout=limit, **options).returncode
            except subprocess.TimeoutExpired:
                raise Failure(f"{complaint} It was not done after {limit} s.") from None
        if code != 0:
            print(*tail(log, 25), sep="\n", flush=True)
            raise Failure(complaint)

    @staticmethod
    def _as_root(command):
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        return [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", *command]


def progress(text, milestone=False):
    """Shows where a long step is: all on one line of a terminal, but in a log the milestones alone."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="\n" if milestone else "", flush=True)
    elif milestone:
        print(text, flush=True)
