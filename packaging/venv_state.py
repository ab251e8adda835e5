"""Says whether a virtual environment still fits this checkout; run by that environment's own Python.

    python venv_state.py check VENV CHECKOUT EXTRA PYTHON
        prints ``ready`` (nothing to do), ``install`` (install into it) or ``new`` (make it again);
        PYTHON names the interpreter it has to be made of, or is empty
    python venv_state.py stamp VENV CHECKOUT EXTRA
        notes what has just been installed
    python venv_state.py identity
        prints what tells one interpreter from another

The note is compared instead of asking pip, because pip builds an editable package with tools from an index, and the
second start has to work without a network.
"""

import hashlib
import json
import os
import sys
import tomllib
from typing import Any

STAMP = "kamaros-set-up.json"
VERSIONS = ((3, 11), (3, 13))


def python_identity() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor} {os.path.realpath(sys.base_prefix)}"


def project_digest(checkout: str) -> str:
    """SHA-256 of everything in pyproject.toml that decides what gets installed."""
    with open(os.path.join(checkout, "pyproject.toml"), "rb") as file:
        settings = tomllib.load(file)
    chosen = [settings.get("build-system"), settings.get("project"), settings.get("tool", {}).get("hatch")]
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


def read_stamp(venv: str) -> dict[str, Any]:
    try:
        with open(os.path.join(venv, STAMP), encoding="utf-8") as file:
            stamp = json.load(file)
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def check(venv: str, checkout: str, extra: str, wanted_python: str) -> str:
    if not VERSIONS[0] <= sys.version_info[:2] <= VERSIONS[1] or os.path.realpath(sys.prefix) != os.path.realpath(venv):
        return "new"
    stamp = read_stamp(venv)
    # Scripts and the editable link hold absolute paths: a copied or moved environment is of no use.
    place = {"venv": venv, "checkout": checkout, "python": python_identity()}
    if stamp and any(stamp.get(name) != value for name, value in place.items()):
        return "new"
    if wanted_python and not made_by(wanted_python):
        return "new"
    if stamp.get("project") == project_digest(checkout) and extra in ["", *stamp.get("extras", [])]:
        return "ready"
    try:
        import pip  # noqa: F401 # an environment without pip can not be installed into
    except ImportError:
        return "new"
    return "install"


def made_by(wanted_python: str) -> bool:
    """Tell whether this environment belongs to the interpreter the user names."""
    import shutil
    import subprocess

    program = shutil.which(wanted_python)
    if program is None:
        return True  # the name is wrong; what is there works
    answer = subprocess.run([program, "-I", __file__, "identity"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() == python_identity()


def stamp(venv: str, checkout: str, extra: str) -> None:
    digest = project_digest(checkout)
    before = read_stamp(venv)
    # An extra stays installed when another one follows, as long as the project's needs are the same.
    extras = set(before.get("extras", [])) if before.get("project") == digest else set()
    content = {
        "venv": venv,
        "checkout": checkout,
        "python": python_identity(),
        "project": digest,
        "extras": sorted(extras | ({extra} if extra else set())),
    }
    path = os.path.join(venv, STAMP)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    os.replace(path + ".new", path)


def main(verb: str, *arguments: str) -> None:
    match verb, arguments:
        case "check", (venv, checkout, extra, wanted_python):
            print(check(venv, checkout, extra, wanted_python))
        case "stamp", (venv, checkout, extra):
            stamp(venv, checkout, extra)
        case "identity", ():
            print(python_identity())
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
