#!/bin/sh
# Sets everything up and starts Kamaros.
#
#   sh packaging/run.sh             the window, or without a display a demonstration in the terminal
#   sh packaging/run.sh gui …       the window
#   sh packaging/run.sh save …      the command line; see --help
#
# The exit status is the program's. Paths mean what they mean in the folder one calls from.
set -eu

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$checkout/packaging/setup.sh"

if [ $# -eq 0 ]; then
    if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
        set -- gui
    else
        say "No display found: running the demonstration in the terminal instead."
        set -- demo
    fi
fi

# The command line needs none of Qt's libraries.
case $1 in gui) set_up gui ;; *) set_up cli ;; esac
exec "$venv/bin/kamaros" "$@"
