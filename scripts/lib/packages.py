"""One virtual environment for the packages of all scripts, target/scripts/venv. It is created once and shared.

The packages are in requirements.txt. Scripts that run at the same time wait for the first of them to install it.
"""

import fcntl
import os
import pathlib
import shutil
import sys

from processes import ROOT, TARGET, must

REQUIREMENTS = ROOT / "scripts" / "requirements.txt"
VENV = TARGET / "scripts" / "venv"
PROGRAMS = VENV / "bin"


def install():
    """Creates the environment, unless it has all packages in the wanted versions. Returns the folder of its programs."""
    VENV.parent.mkdir(parents=True, exist_ok=True)
    installed = VENV / "requirements.txt"
    with open(VENV.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.read_text() != REQUIREMENTS.read_text():
            shutil.rmtree(VENV, ignore_errors=True)
            must([sys.executable, "-m", "venv", VENV])
            must([PROGRAMS / "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check", "-r", REQUIREMENTS])
            shutil.copy(REQUIREMENTS, installed)
    return PROGRAMS


def enter():
    """Continues the script in the environment, where it can import the packages."""
    if pathlib.Path(sys.prefix) != VENV:
        python = install() / "python"
        os.execv(python, [python, *sys.argv])


if __name__ == "__main__":
    # For .ci/run and benches: prints the folder of the programs.
    print(install())
