"""``python -m kamaros_gui``: the same as ``kamaros``."""

from __future__ import annotations

import sys

from kamaros_gui.app import main

sys.exit(main())
