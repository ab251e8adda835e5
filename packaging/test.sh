#!/bin/sh
# Sets everything up and runs all checks and tests.
#
#   sh packaging/test.sh [pytest arguments]
#
# Every step runs even if an earlier one fails; the exit status is 0 only if all of them passed.
set -eu

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$checkout/packaging/setup.sh"
set_up test
cd -- "$checkout"

# The same locale and no real screen wherever the tests run; a test that wants a screen starts its own.
export LC_ALL=C.UTF-8 QT_QPA_PLATFORM=offscreen
failed=

step() {
    printf '== %s\n' "$*"
    program=$1
    shift
    "$venv/bin/$program" "$@" || failed="${failed:+$failed, }$program${1:+ $1}"
}

step ruff check .
step ruff format --check .
step mypy
step lint-imports
step pytest --numprocesses="$(nproc)" --dist=loadgroup "$@"

[ -z "$failed" ] || die "not passed: $failed"
