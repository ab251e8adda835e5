#!/bin/sh
# Sets up what Kamaros needs and leaves alone what is there already; the second time no network is needed.
#
#   sh packaging/setup.sh [cli|gui|test|bundle]
#
# The other scripts source this file: they set "checkout" (the absolute folder of pyproject.toml) and call "set_up".
#
#   cli     a virtual environment with Kamaros; no system library beyond Python's own venv module
#   gui     and the system libraries of Qt (X11, Wayland, offscreen) and a font
#   test    and the tools that check, test and compare
#   bundle  and PyInstaller with what it calls
#
# KAMAROS_VENV    folder of the virtual environment (default: .venv in the checkout)
# KAMAROS_PYTHON  interpreter to build it with (default: python3, then python3.13, python3.12, python3.11)
#
# All messages go to standard error: standard output belongs to the program that is started afterwards.
set -eu

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "Error: $*"
    exit 1
}

# Keep the output of a command in "output" instead of showing it. Descriptor 9 is the lock of this set-up, which a
# service started by a package must not inherit; standard input belongs to the program that is started afterwards.
quietly() {
    output=$("$@" 2>&1 </dev/null 9>&-)
}

# --------------------------------------------------------------------------------------------- system packages

# One line per need: Debian package ("a|b": the first that the release has), then the library or program by which to
# see that it is there. Looking for the thing itself finds what came by other ways, under whatever package name.
qt_needs() {
    cat <<'NEEDS'
libegl1 libEGL.so.1
libgl1 libGL.so.1
libglib2.0-0 libglib-2.0.so.0
libx11-6 libX11.so.6
libxkbcommon0 libxkbcommon.so.0
libfontconfig1 libfontconfig.so.1
libfreetype6 libfreetype.so.6
libdbus-1-3 libdbus-1.so.3
zlib1g libz.so.1
libzstd1 libzstd.so.1
libstdc++6 libstdc++.so.6
libgcc-s1 libgcc_s.so.1
fonts-dejavu-core fonts
libx11-xcb1 libX11-xcb.so.1
libxkbcommon-x11-0 libxkbcommon-x11.so.0
libxcb1 libxcb.so.1
libxcb-cursor0 libxcb-cursor.so.0
libxcb-glx0 libxcb-glx.so.0
libxcb-icccm4 libxcb-icccm.so.4
libxcb-image0 libxcb-image.so.0
libxcb-keysyms1 libxcb-keysyms.so.1
libxcb-randr0 libxcb-randr.so.0
libxcb-render-util0 libxcb-render-util.so.0
libxcb-render0 libxcb-render.so.0
libxcb-shape0 libxcb-shape.so.0
libxcb-shm0 libxcb-shm.so.0
libxcb-sync1 libxcb-sync.so.1
libxcb-util1 libxcb-util.so.1
libxcb-xfixes0 libxcb-xfixes.so.0
libxcb-xkb1 libxcb-xkb.so.1
libwayland-client0 libwayland-client.so.0
libwayland-cursor0 libwayland-cursor.so.0
libwayland-egl1 libwayland-egl.so.1
NEEDS
}

test_needs() {
    cat <<'NEEDS'
unzip unzip
7zip-standalone|7zip 7zz
libarchive-tools bsdtar
xvfb Xvfb
xauth xauth
NEEDS
}

# The bundle needs Python's shared library. Debian's interpreter is linked statically and has it in a package; others
# carry theirs with them.
bundle_needs() {
    echo 'binutils objdump'
    interpreter "$(chosen_python)" 'import os, sys, sysconfig
package = "libpython%d.%d" % sys.version_info[:2]
library = package + ".so.1.0"
folders = (sysconfig.get_config_var("LIBDIR") or "", os.path.join(sys.base_prefix, "lib"))
if not any(os.path.exists(os.path.join(folder, library)) for folder in folders):
    print(package, library)'
}

needs_of() {
    case $1 in
        cli) ;;
        gui) qt_needs ;;
        test) qt_needs && test_needs ;;
        bundle) qt_needs && bundle_needs ;;
    esac
}

# Read needs and print the packages whose library, program or font is not on this machine.
missing_packages() {
    # ldconfig is outside an ordinary user's PATH on Debian.
    libraries=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null) || libraries=
    tab=$(printf '\t')
    while read -r package sign; do
        case $sign in
            fonts) has_fonts || echo "$package" ;;
            lib*.so*)
                # Without a library cache (another kind of system) nothing can be said.
                case $libraries in '' | *"$tab$sign ("*) ;; *) echo "$package" ;; esac
                ;;
            *) command -v "$sign" >/dev/null 2>&1 || echo "$package" ;;
        esac
    done
}

has_fonts() {
    for folder in /usr/share/fonts /usr/local/share/fonts "${HOME:-/nonexistent}/.local/share/fonts"; do
        [ -z "$(find "$folder" -name '*.[ot]t[fc]' 2>/dev/null | head -n 1)" ] || return 0
    done
    return 1
}

# Print for each package the name this release knows it by; fail if one is not in the package lists. Libraries that
# were renamed for 64-bit time carry "t64" at the end.
names_here() {
    known=$(
        printf '%s\n' "$@" | tr '|' '\n' | sed 'p; s/$/t64/' | LC_ALL=C xargs apt-cache policy 2>/dev/null |
            awk '/^[^ ]/ { name = $1; sub(/:$/, "", name) } $1 == "Candidate:" && $2 != "(none)" { print name }'
    )
    unknown=0
    for package in "$@"; do
        name=
        for choice in $(printf '%s' "$package" | tr '|' ' '); do
            [ -n "$name" ] || name=$(printf '%s\n' "$known" | grep -Fx -m 1 -e "$choice" -e "${choice}t64") || :
        done
        if [ -n "$name" ]; then echo "$name"; else unknown=1; fi
    done
    return "$unknown"
}

apt_install() {
    quietly env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get --yes --quiet --no-install-recommends \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 install "$@"
}

apt_update() {
    # A third-party source that is down must not stop us; whether the packages can be had shows at the install.
    quietly env LC_ALL=C.UTF-8 apt-get --quiet -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 update || :
}

# Install packages. The lists are fetched only when something is not in them or can not be had.
install_packages() {
    say "Setting up: system packages …"
    for attempt in 1 2 3; do
        if [ "$attempt" -gt 1 ]; then
            [ "$attempt" -eq 2 ] || sleep 5
            apt_update
        fi
        all_known=yes
        names=$(names_here "$@") || all_known=no
        # What a release does not have at all must not keep the rest away.
        if [ -n "$names" ] && { [ "$all_known" = yes ] || [ "$attempt" -eq 3 ]; }; then
            # shellcheck disable=SC2086 # package names hold no spaces
            if apt_install $names && [ "$all_known" = yes ]; then return 0; fi
        fi
    done
    printf '%s\n' "$output" >&2
    return 1
}

provide_packages() {
    [ $# -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        say "Note: these are missing (by their Debian names): $*"
        say "Install them with this system's package manager if something does not start."
    elif [ "$(id -u)" -ne 0 ]; then
        names=$(names_here "$@") || names=$(printf '%s ' "$@" | sed 's/[^ ]*|//g')
        say "Note: system packages are missing. Install them with:"
        say "    sudo apt-get install --no-install-recommends" $names
    elif ! install_packages "$@"; then
        say "Note: not all of these could be installed: $*. Going on without."
    fi
}

# ------------------------------------------------------------------------------------------ Python environment

# Run a small Python program in an interpreter that listens to no PYTHON* variable.
interpreter() {
    "$1" -I -c "$2"
}

# Print the first Python that fits.
find_python() {
    for python in ${KAMAROS_PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if interpreter "$python" 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$python"
            return 0
        fi
    done
    return 1
}

chosen_python() {
    if [ "$state" = new ]; then printf '%s\n' "$python"; else printf '%s\n' "$venv/bin/python"; fi
}

require_python() {
    python=$(find_python) && return 0
    found=$(python3 --version 2>/dev/null) || found="no python3"
    die "Kamaros needs Python 3.11, 3.12 or 3.13; here is ${KAMAROS_PYTHON:-$found}.
Install one (on Debian 12 or later: apt-get install python3), or name one: KAMAROS_PYTHON=/path/to/python3.12"
}

# Print "ready", "install" (an environment to install into) or "new" (none, or one that can not be used).
venv_state() {
    "$venv/bin/python" -I "$checkout/packaging/venv_state.py" check "$venv" "$checkout" "$extra" \
        "${KAMAROS_PYTHON:-}" 2>/dev/null || echo new
}

make_venv() {
    if [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
        die "$venv is not a virtual environment. Remove it, or choose another folder: KAMAROS_VENV=/some/folder"
    fi
    say "Setting up: virtual environment …"
    rm -rf -- "$venv"
    quietly "$python" -I -m venv "$venv" && return 0
    rm -rf -- "$venv"
    printf '%s\n' "$output" >&2
    die "could not make a virtual environment in $venv.
A folder elsewhere can be chosen: KAMAROS_VENV=/some/folder"
}

# The package "venv" of the system's Python, if this Python is the system's and lacks it.
venv_package() {
    interpreter "$python" 'import sys
try:
    import ensurepip, venv
except ImportError:
    print("python%d.%d-venv" % sys.version_info[:2] if sys.base_prefix == "/usr" else "python3-venv")'
}

pip_install() (
    cd -- "$checkout"
    "$venv/bin/python" -m pip install --quiet --editable ".${extra:+[$extra]}"
)

install_kamaros() {
    say "Setting up: Python packages …"
    # Twice, because a download may break off; what has arrived is in pip's cache.
    if ! quietly pip_install && ! quietly pip_install; then
        printf '%s\n' "$output" >&2
        die "the Python packages could not be installed. The package index has to be reachable the first time."
    fi
    "$venv/bin/python" -I "$checkout/packaging/venv_state.py" stamp "$venv" "$checkout" "$extra"
}

# ------------------------------------------------------------------------------------------------------ set-up

# One set-up at a time in one checkout. The lock is on this file and ends with its descriptor.
lock_set_up() {
    exec 9<"$checkout/packaging/setup.sh"
    command -v flock >/dev/null 2>&1 || return 0
    flock --nonblock 9 && return 0
    say "Waiting for another set-up to finish …"
    flock 9
}

# Set up one of: cli, gui, test, bundle. Leaves "venv" set.
set_up() {
    venv=${KAMAROS_VENV:-$checkout/.venv}
    case $venv in /*) ;; *) venv=$PWD/$venv ;; esac
    case $1 in
        cli | gui) extra= ;;
        test | bundle) extra=$1 ;;
        *) die "no such set: $1 (choose cli, gui, test or bundle)" ;;
    esac
    lock_set_up
    state=$(venv_state)
    packages=
    if [ "$state" = new ]; then
        require_python
        packages=$(venv_package)
    fi
    packages="$packages $(needs_of "$1" | missing_packages)"
    # shellcheck disable=SC2086 # package names hold no spaces
    provide_packages $packages
    if [ "$state" = new ]; then
        if [ -n "$(venv_package)" ]; then
            die "$python has no module for virtual environments. As root: apt-get install $(venv_package)"
        fi
        make_venv
    fi
    [ "$state" = ready ] || install_kamaros
    exec 9<&-
}

if [ "${0##*/}" = setup.sh ]; then
    checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
    set_up "${1:-gui}"
    say "Ready: $venv"
fi
