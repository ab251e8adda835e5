"""Start of the bundled program ``kamaros``."""

import os
import subprocess
import sys


def start_window(arguments: list[str]) -> int:
    """Hand over to ``kamaros-gui`` beside this program: only that one is built with Qt's start-up code.

    This keeps Qt's libraries out of the command line, which runs on machines that do not have what they need.
    """
    program = os.path.join(os.path.dirname(sys.executable), "kamaros-gui")
    if os.name != "nt":
        os.execv(program, [program, *arguments])  # noqa: S606 # no shell is wanted, and signals go to the window
    return subprocess.call([program + ".exe", *arguments])


if __name__ == "__main__":
    if sys.argv[1:2] == ["gui"]:
        sys.exit(start_window(sys.argv[2:]))
    from kamaros_gui.app import main

    sys.exit(main())
