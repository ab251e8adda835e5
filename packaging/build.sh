#!/bin/sh
# Builds the bundle dist/kamaros (programs "kamaros" and "kamaros-gui") and tries it out.
#
#   sh packaging/build.sh
#
# It runs on systems with the same or a newer C library than the one it is built on.
set -eu

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$checkout/packaging/setup.sh"

# An environment of its own, so that nothing but what Kamaros needs gets collected.
KAMAROS_VENV=$checkout/build/venv
set_up bundle

case $(bundle_needs | missing_packages) in
    *binutils*) die "PyInstaller needs the program objdump. On Debian, as root: apt-get install binutils" ;;
    *libpython*)
        die "this Python has no shared library, which PyInstaller needs.
On Debian, as root: apt-get install $(bundle_needs | missing_packages)
With a Python built from source: configure it with --enable-shared. Or name another: KAMAROS_PYTHON=/path/to/python3"
        ;;
esac

bundle=$checkout/dist/kamaros
rm -rf -- "$bundle" "$checkout/build/pyinstaller"
say "Building $bundle …"
if ! quietly "$venv/bin/python" -m PyInstaller --noconfirm --log-level WARN --distpath "$checkout/dist" \
    --workpath "$checkout/build/pyinstaller" "$checkout/packaging/kamaros.spec"; then
    printf '%s\n' "$output" >&2
    die "PyInstaller failed."
fi
say "Size: $(du -sh -- "$bundle" | cut -f 1)"

# ------------------------------------------------------------------------------------------------- trying it out

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
trap 'exit 130' INT TERM

# Run with nothing of this shell's environment, as on another machine.
bare() {
    env -i HOME="$scratch/home" PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$@"
}

try() {
    title=$1
    shift
    quietly "$@" && say "ok: $title" && return 0
    printf '%s\n' "$output" >&2
    die "the bundle failed: $title"
}

save_and_restore() {
    mkdir -p "$scratch/home" "$scratch/tree/sub folder"
    : >"$scratch/tree/empty"
    head -c 300000 /dev/urandom >"$scratch/tree/sub folder/random.bin"
    cp "$checkout/pyproject.toml" "$scratch/tree/zażółć.toml"
    bare "$bundle/kamaros" save "$scratch/a.jcf" "$scratch/tree" &&
        bare "$bundle/kamaros" restore "$scratch/a.jcf" -C "$scratch/out" &&
        diff -r "$scratch/tree" "$scratch/out/tree"
}

# A library that is found neither in the bundle nor on this machine, which has all that Qt asks of a system.
plugins_resolve() {
    find "$bundle/_internal/PySide6/Qt/plugins" -name '*.so' >"$scratch/plugins"
    [ -s "$scratch/plugins" ] || { echo "no Qt plugins"; return 1; }
    while read -r plugin; do
        ! LD_LIBRARY_PATH=$bundle/_internal ldd "$plugin" | grep 'not found' || { echo "in $plugin"; return 1; }
    done <"$scratch/plugins"
}

try "kamaros --version" bare "$bundle/kamaros" --version
say "$output"
try "save, restore, compare" save_and_restore
try "every Qt plugin finds its libraries" plugins_resolve
try "the window opens" bare QT_QPA_PLATFORM=offscreen KAMAROS_GUI_EXIT_AFTER=2 timeout 60 "$bundle/kamaros-gui"
try "kamaros gui opens it too" bare QT_QPA_PLATFORM=offscreen KAMAROS_GUI_EXIT_AFTER=2 timeout 60 "$bundle/kamaros" gui
say "Ready: $bundle"
