"""Chooses which files of Qt go into the bundle; used by ``kamaros.spec``.

PyInstaller collects whole folders of plugins, all they link to, and the Python modules of all that. The plugins Kamaros
does not want are named here; of Qt's Python modules those stay that the source imports; a shared library stays only if
one of these or another extension module still reaches it. So a library is never left out while something needs it, and
none has to be listed by name.
"""

import ast
import os
import re
from collections.abc import Iterable
from pathlib import Path

from PyInstaller.depend import bindepend

Entry = tuple[str, str, str]
"""Place in the bundle, file on this machine, PyInstaller's type code."""

_PLUGIN_FOLDER = "PySide6/Qt/plugins/"

_UNWANTED_PLUGINS = re.compile(
    r"""
      virtualkeyboard | qvnc | tuiotouch             # bring in QML and the network
    | /generic/                                      # raw input devices, for machines without a display server
    | platforms/.*(eglfs|minimalegl|linuxfb|vkkhrdisplay)
    | /egldeviceintegrations/
    | gtk3                                           # would bring all of GTK; the portal theme has the same dialogs
    | wayland-graphics-integration-server
    | (dmabuf|drm-egl|shm-emulation|vulkan)-server
    | imageformats/.*(tiff|webp|pdf|tga|wbmp|icns)
    | xcbglintegrations                              # OpenGL, which a window of widgets does not use
    | /tls/ | /networkinformation/ | /sqldrivers/ | /printsupport/ | /designer/ | /qmltooling/ | /vectorimageformats/
    """,
    re.VERBOSE,
)

_TRANSLATIONS = re.compile(r"PySide6/Qt/translations/")
_WANTED_TRANSLATIONS = re.compile(r"/qt(base)?_(en|pl)\.qm$")


def _place(entry: Entry) -> str:
    return entry[0].replace(os.sep, "/")


def _is_plugin(entry: Entry) -> bool:
    return _place(entry).startswith(_PLUGIN_FOLDER)


def imported_qt_modules(package: str) -> set[str]:
    """Names of the Qt modules ("QtCore") that the Python files of a folder import."""
    modules: set[str] = set()
    for path in Path(package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            modules.update(name.split(".")[1] for name in names if name.startswith("PySide6.Qt"))
    return modules


def _is_start(entry: Entry, qt_modules: set[str]) -> bool:
    """Tell whether a file is loaded for its own sake, not because another one links to it."""
    folder, name = os.path.split(_place(entry))
    if folder == "PySide6" and name.startswith("Qt"):
        return name.split(".")[0] in qt_modules
    return _is_plugin(entry) or entry[2] == "EXTENSION" or re.match(r"(lib)?python3", name) is not None


def prune_binaries(binaries: Iterable[Entry], qt_modules: set[str]) -> list[Entry]:
    """Leave out unwanted plugins and modules of Qt, and the shared libraries that nothing else reaches."""
    files: list[Entry] = [entry for entry in binaries if entry[2] != "SYMLINK"]
    by_name: dict[str, list[Entry]] = {}
    for entry in files:
        by_name.setdefault(os.path.basename(_place(entry)), []).append(entry)

    waiting = [
        entry
        for entry in files
        if _is_start(entry, qt_modules) and not (_is_plugin(entry) and _UNWANTED_PLUGINS.search(_place(entry)))
    ]
    reached = set(waiting)
    while waiting:
        for name, _ in bindepend.get_imports(waiting.pop()[1]):
            for entry in by_name.get(os.path.basename(name), []):
                if entry not in reached:
                    reached.add(entry)
                    waiting.append(entry)
    places = {_place(entry) for entry in reached}
    return [entry for entry in binaries if entry in reached or (entry[2] == "SYMLINK" and _target(entry) in places)]


def _target(link: Entry) -> str:
    """Place in the bundle a symbolic link points to."""
    return os.path.normpath(os.path.join(os.path.dirname(link[0]), link[1])).replace(os.sep, "/")


def prune_datas(datas: Iterable[Entry], binaries: Iterable[Entry]) -> list[Entry]:
    """Leave out links to pruned libraries, Qt's texts in other languages, and traces of the building machine."""
    places = {_place(entry) for entry in binaries}
    return [
        entry
        for entry in datas
        if not (_TRANSLATIONS.match(_place(entry)) and not _WANTED_TRANSLATIONS.search(_place(entry)))
        and not re.search(r"\.dist-info/(direct_url\.json|RECORD|INSTALLER|REQUESTED)$", _place(entry))
        and not (entry[2] == "SYMLINK" and ".so" in entry[0] and _target(entry) not in places)
    ]
