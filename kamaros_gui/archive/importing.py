"""Import: another archive, one version of it, or a folder with one sub-folder for each version, becomes history."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator

from kamaros_gui.archive.building import VersionLabel
from kamaros_gui.archive.changing import change, copy_archive
from kamaros_gui.archive.checkpoint import Checkpoint
from kamaros_gui.archive.container import Container, entry_name
from kamaros_gui.archive.entry_contents import EntryContents
from kamaros_gui.archive.history import hashes_in_use
from kamaros_gui.archive.paths import check_folder
from kamaros_gui.archive.placing import place_items
from kamaros_gui.archive.planning import SaveOptions
from kamaros_gui.archive.views import VersionView, view_version
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import ArchiveError, IntegrityError, NotFoundError, ZipFormatError
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.reports import SaveReport
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.walk import walk_tree

__all__ = ["ImportOptions", "import_from"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What is to be imported.

    Attributes:
        source: a ZIP, an archive with a history, of this program or another, or a folder.
        version: import this one version of an archive, as one new version; ``None`` for its whole history, which needs
            a new archive.
        into: folder inside the archive, empty for its root; not for a whole history.
        message: recorded with the version; versions of a folder are called as their sub-folders without it. A
            whole history keeps its own.
        author: likewise.
    """

    source: str
    version: str | None = None
    into: str = ""
    message: str = ""
    author: str = ""


async def import_from(
    files: FileSystemAdapter,
    archive: str,
    options: ImportOptions,
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> SaveReport:
    """Import *options.source* into *archive*.

    * A plain ZIP becomes one version: its files are added to the archive, which is made when it does not exist.
    * An archive with a history becomes a new archive with that history, by raw copies; or one version of it is added.
    * Of a folder each sub-folder becomes a version, in natural order (``1.9`` before ``1.10``), as a save that mirrors
      it would make it.

    What can't be read there, or has a name that is not safe, is noted in ``control.issues``. After an abort or an error
    the archive is byte for byte as it was, and a new one does not exist.

    Args:
        files: where both are.
        archive: path of the ``.jcf`` file.
        options: what to import.
        config: how it is written.
        workers: threads.
        control: abort, pause, progress, statistics, issues.

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        NotFoundError: there is no such source.
        VersionNotFoundError: it has no such version.
        IntegrityError: its directory or manifest is damaged.
        ArchiveError: a history was to be imported into an archive that exists; a folder has no sub-folders; or the
            archive can't be added to.
        DiskFullError, StorageError: the archive can't be written.
    """
    control.progress.phase = Phase.READING_ARCHIVE
    control.signal.throw_if_aborted()
    await workers.io(_check_apart, files, options.source, archive)
    if await workers.io(files.is_folder, options.source):
        return await _import_folder(files, archive, options, config, workers, control)
    container = await workers.io(Container.load, files, options.source)
    try:
        if container.manifest is not None and options.version is None:
            if options.into:
                raise ArchiveError(
                    "A whole history can't be imported into a folder.", hint="Import one version, such as HEAD."
                )
            return await _import_history(files, archive, container, config, workers, control)
        view = await workers.io(view_version, container, options.version or "HEAD")

        async def add(checkpoint: Checkpoint) -> None:
            await _add_version(checkpoint, view, options.into, config, workers, control)

        label = VersionLabel(options.message or f"Import {os.path.basename(options.source)}", options.author)
        return await change(files, archive, add, label, config, workers, control, create=True)
    finally:
        container.close()


# --------------------------------------------------------------------------------------------- a whole history


async def _import_history(
    files: FileSystemAdapter,
    archive: str,
    container: Container,
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> SaveReport:
    for path, reason in await workers.io(lambda: list(_lost(container))):
        control.add_issue(path, reason)
    try:
        return await copy_archive(files, archive, container, config, workers, control)
    except ZipFormatError as error:
        raise ZipFormatError(
            f"{display_path(container.path)} is damaged: {error}",
            hint="Repair it first (verify --repair), or import single versions, which leaves out what is damaged.",
        ) from error


def _lost(container: Container) -> Iterator[tuple[str, str]]:
    """Yield (path, reason) of what the manifest names and no entry holds: a copy of all entries would not tell."""
    manifest = container.manifest
    if manifest is None:
        return
    held, head = container.by_hash(), manifest.refs.get("head", "")
    for path, record in manifest.file_map.items():
        if (
            record.type != "directory"
            and entry_name(path, record.type) not in container.entries
            and record.current_hash not in held
        ):
            yield path, f"{path} is in the manifest, but not in the archive."
    try:
        used = hashes_in_use(manifest)
    except IntegrityError as error:
        yield display_path(container.path), str(error)
        return
    for digest, (path, version) in used.items():
        if digest not in held and version != head:
            yield path, f"The content of {path} in version {version[:8]} is not in the archive."


# ------------------------------------------------------------------------------------------ a folder of versions


async def _import_folder(
    files: FileSystemAdapter,
    archive: str,
    options: ImportOptions,
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> SaveReport:
    if options.version is not None:
        raise ArchiveError("A folder has no version to choose.", hint="Import its sub-folder with save.")
    folders = await workers.io(_sub_folders, files, options.source, control)

    async def add(checkpoint: Checkpoint) -> None:
        progress = control.progress
        found = await workers.io(lambda: [_measure(files, folder, control) for folder in folders])
        await control.checkpoint()
        progress.files_total, progress.bytes_total = (sum(column) for column in zip(*found, strict=True))
        for index, (folder, (count, size)) in enumerate(zip(folders, found, strict=True)):
            name = os.path.basename(folder)
            save = SaveOptions(paths=(os.path.join(folder, "."),), into=options.into, mirror=True)
            plan = await checkpoint.add_paths(save, control)
            # What need not be read counts as done.
            progress.add_files(max(0, count - len(plan.items)), max(0, size - plan.content_bytes))
            if index < len(folders) - 1:
                await checkpoint.advance(VersionLabel(options.message or name, options.author), control)

    label = VersionLabel(options.message or os.path.basename(folders[-1]), options.author)
    return await change(files, archive, add, label, config, workers, control, create=True)


def _measure(files: FileSystemAdapter, folder: str, control: RunControl) -> tuple[int, int]:
    """Return how much there is below *folder*: items and bytes. What can't be read is told later."""
    sizes: list[int] = []
    walk_tree(
        files,
        [os.path.join(folder, ".")],
        should_stop=lambda: control.signal.aborted,
        on_item=lambda item: sizes.append(item.size),
        on_problem=lambda _problem: None,
    )
    return len(sizes), sum(sizes)


def _sub_folders(files: FileSystemAdapter, source: str, control: RunControl) -> list[str]:
    found = []
    for name, status in files.list(source):
        path = os.path.join(source, name)
        if isinstance(status, Exception):
            control.add_issue(display_path(path), str(status))
        elif status.kind == "directory":
            found.append(path)
        else:
            control.add_issue(display_path(path), "It is no folder, and so no version.", "skipped")
    if not found:
        raise ArchiveError(
            f"{display_path(source)} has no sub-folders; each would be a version.", hint="Use save for a single folder."
        )
    return sorted(found, key=lambda path: _natural(os.path.basename(path)))


def _natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return a key that sorts numbers inside names by their value."""
    parts = re.findall(r"(\d+)|(\D+)", name)
    return [(0, int(digits), "") if digits else (1, 0, text) for digits, text in parts], name


# ----------------------------------------------------------------------------------------------- one version


async def _add_version(
    checkpoint: Checkpoint,
    view: VersionView,
    into: str,
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> None:
    """Add what *view* holds below the folder *into*."""
    contents = EntryContents(view, config.chunk_size, workers)
    items = await workers.io(place_items, checkpoint, view, contents, check_folder(into), control)
    progress = control.progress
    progress.files_total, progress.bytes_total = len(items), sum(item.found.size for item in items)
    progress.phase = Phase.TRANSFERRING
    small = [item for item in items if contents.is_small(item)]
    large = [(item, contents.opening(item.found.source)) for item in items if not contents.is_small(item)]
    await checkpoint.add_entries(small, contents, large, control)


def _check_apart(files: FileSystemAdapter, source: str, archive: str) -> None:
    here, there = files.find(files.resolve(source)), files.find(files.resolve(archive))
    if here is None:
        shown = display_path(source)
        raise NotFoundError(f"There is no {shown} to import.", path=shown, hint="Check the path.")
    if there is not None and (here.device, here.inode) == (there.device, there.inode):
        raise ArchiveError("An archive can't be imported into itself.")
