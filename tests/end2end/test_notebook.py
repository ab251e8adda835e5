"""The quick-start notebook: stored clean, and every cell does what the text beside it says.

Its execution is a program of its own (this file, run as a script): the libraries that drive a kernel give warnings of
their own, which are no business of these tests. The kernel is this interpreter, reached over sockets in a folder, so
neither installed kernels, nor the user's settings, nor a network play a part.
"""

from __future__ import annotations

import asyncio
import base64
import collections
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.program import PROJECT, environment

NOTEBOOK = PROJECT / "resources" / "notebooks" / "quickstart.ipynb"
SECONDS_PER_CELL = 40
SECONDS_IN_ALL = 90
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_STATES = "application/vnd.jupyter.widget-state+json"

# One process of the parallel run executes it once, for all tests here.
pytestmark = pytest.mark.xdist_group("notebook")


async def execute(source: Path, result: Path, sockets: Path) -> None:
    """Run the notebook *source* in the current folder, and write it with its outputs to *result*."""
    import nbformat
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    notebook = nbformat.read(source, as_version=4)
    nbformat.validate(notebook)
    # Without folders to look in, the one kernel known is that of the running interpreter.
    kernel = AsyncKernelManager(
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
        kernel_name=notebook.metadata.kernelspec.name,
        transport="ipc",
        connection_file=str(sockets / "kernel.json"),
    )
    client = NotebookClient(
        notebook, km=kernel, timeout=SECONDS_PER_CELL, resources={"metadata": {"path": os.getcwd()}}, allow_errors=True
    )
    try:
        await client.async_execute()
    finally:
        if kernel.has_kernel:
            await kernel.shutdown_kernel(now=True)
    nbformat.write(notebook, result)


def bare_environment(home: Path) -> dict[str, str]:
    """Environment in which nothing of the user's, and no setting of this test run, reaches the notebook."""
    home.mkdir()
    homes = ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")
    backend = "module://matplotlib_inline.backend_inline"
    changed = environment(**dict.fromkeys(homes, str(home)), TMPDIR=str(home), MPLBACKEND=backend)
    # QT_API, which pytest-qt sets, makes tqdm take the notebook for a Qt console.
    unwanted = ("PYTHONWARNINGS", "PYTHONSTARTUP", "QT_", "SPYDER", "TQDM_")
    return {name: value for name, value in changed.items() if not name.startswith(unwanted)}


class Executed:
    """The notebook after its execution.

    Args:
        notebook: as stored in its file.
        work: folder it ran in.
        home: folder it had for temporary files.
    """

    def __init__(self, notebook: dict[str, Any], work: Path, home: Path) -> None:
        self.cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        self.states = notebook["metadata"].get("widgets", {}).get(WIDGET_STATES, {}).get("state", {})
        self.work = work
        self.home = home

    def outputs(self, cell: str | None = None) -> Iterator[dict[str, Any]]:
        """Outputs of the cell with an id, or of all."""
        for each in self.cells:
            if cell in {None, each["id"]}:
                yield from each["outputs"]

    def written(self, name: str, cell: str | None = None) -> str:
        """Return what went to ``stdout`` or ``stderr``."""
        streams = (output for output in self.outputs(cell) if output["output_type"] == "stream")
        return "".join("".join(output["text"]) for output in streams if output["name"] == name)

    def shown(self, kind: str, cell: str | None = None) -> list[Any]:
        """Return what was displayed as a MIME type."""
        return [output["data"][kind] for output in self.outputs(cell) if kind in output.get("data", {})]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    place = tmp_path_factory.mktemp("notebook")
    work, home, result = place / "work", place / "home", place / "executed.ipynb"
    work.mkdir()
    # Socket paths are limited to about a hundred bytes, which a folder of pytest's may use up.
    with tempfile.TemporaryDirectory() as sockets:
        subprocess.run(
            [sys.executable, __file__, NOTEBOOK, result, sockets],
            cwd=work,
            env=bare_environment(home),
            check=True,
            timeout=SECONDS_IN_ALL,
        )
    return Executed(json.loads(result.read_text("utf-8")), work, home)


def test_it_is_stored_clean() -> None:
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    ids = collections.Counter(cell["id"] for cell in notebook["cells"])
    assert ids.most_common(1)[0][1] == 1
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}, cell["id"]
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], cell["id"]
            assert cell["execution_count"] is None, cell["id"]


def test_every_cell_runs(executed: Executed) -> None:
    assert [output["traceback"] for output in executed.outputs() if output["output_type"] == "error"] == []
    assert [cell["execution_count"] for cell in executed.cells] == list(range(1, len(executed.cells) + 1))
    # On a slow machine matplotlib says that it takes long to look for fonts the first time.
    assert [line for line in executed.written("stderr").splitlines() if "font cache" not in line] == []


def test_the_progress_bars_reach_their_ends(executed: Executed) -> None:
    for cell in ("first", "more", "restore"):
        assert len(executed.shown(WIDGET, cell)) == 1, cell
    models = [state for state in executed.states.values() if state["model_name"] == "FloatProgressModel"]
    bars = [model["state"] for model in models]
    assert [bar["bar_style"] for bar in bars] == ["success"] * 3
    for bar in bars:
        assert bar["value"] == bar["max"] > 5_000_000


def test_the_sizes_are_plotted(executed: Executed) -> None:
    figures = executed.shown("image/png")
    assert figures == executed.shown("image/png", "plot")
    assert len(figures) == 1
    image = base64.b64decode("".join(figures[0]))
    assert image.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", image[16:24])
    assert width > 700
    assert height > 250
    assert len(image) > 10_000  # axes, bars and words; an empty picture of that size has a tenth of it


def test_a_version_costs_what_the_text_says(executed: Executed) -> None:
    lines = [line.split("  ") for line in executed.written("stdout", "more").splitlines()]
    assert [(changes, message) for _, changes, _, message in lines] == [
        ("+0 ~0 -1", "no recording"),
        ("+0 ~1 -0", "new notes"),
        ("+0 ~2 -0", "more days"),
        ("+4 ~0 -0", "start"),
    ]
    removed, unchanged, changed, _ = (int(size.removesuffix(" bytes").replace(",", "")) for _, _, size, _ in lines)
    assert unchanged > changed
    assert unchanged - changed < 10_000, "a file that did not change was stored again"
    assert removed > unchanged
    assert removed - unchanged < 10_000


def test_the_past_is_read_back(executed: Executed) -> None:
    assert executed.written("stdout", "old").splitlines()[0].endswith("bytes as saved: True")
    assert executed.written("stdout", "old").splitlines()[1] == "The sensor is running."
    assert executed.written("stdout", "restore") == "4 files restored, 0 failed; the recording is back: True\n"


def test_an_abort_leaves_the_archive_as_it_was(executed: Executed) -> None:
    error, grown, hashes, beside = executed.written("stdout", "cancel").splitlines()
    assert error.startswith("AbortError: ")
    assert grown == "grown meanwhile: True"
    assert hashes.endswith("byte-identical: True")
    assert beside == "in its folder: ['experiment', 'experiment.jcf', 'restored']"


def test_the_archive_is_valid_and_a_plain_zip(executed: Executed) -> None:
    assert executed.written("stdout", "verify").startswith("valid: True; ")
    assert executed.written("stdout", "zip").splitlines() == [
        "damaged member: None",
        "['content/README.txt', 'content/measurements.csv', 'content/notes.md']",
        "The sensor is off.",
    ]


def test_nothing_is_left_behind(executed: Executed) -> None:
    assert list(executed.work.iterdir()) == []
    assert list(executed.home.glob("kamaros-*")) == []


if __name__ == "__main__":
    asyncio.run(execute(*(Path(argument) for argument in sys.argv[1:])))
