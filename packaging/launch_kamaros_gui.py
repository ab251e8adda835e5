"""Start of the bundled program ``kamaros-gui``."""

import sys

from kamaros_gui.app import gui_main

if __name__ == "__main__":
    sys.exit(gui_main())
