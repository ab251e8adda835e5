"""Forgetting versions: which go, that the others stay as they were, what is dropped, histories that are not ours."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from kamaros_gui import AbortController, AbortError, JCFManager
from kamaros_gui.archive.manifest import FileState, Manifest, Version, encode_states
from kamaros_gui.base.errors import (
    ArchiveError,
    IntegrityError,
    KamarosError,
    ManifestError,
    NotFoundError,
    VersionNotFoundError,
)
from tests.helpers.adapters import CLEANING_UP, FailingAdapter, read_file
from tests.helpers.archives import content_of, listed
from tests.helpers.changed import (
    ARCHIVE,
    CONFIG,
    Archives,
    alter,
    check,
    dead_bytes,
    entry_names,
    manifest_of,
    past,
    put_tree,
    renames,
    save_trees,
    size_of,
)
from tests.helpers.trees import noise

INTERVALS = [1, 2, 20]


@pytest.fixture
async def archives() -> AsyncIterator[Archives]:
    async with Archives() as made:
        yield made


async def eventful(archives: Archives, interval: int = 20) -> JCFManager:
    """An archive of nine versions with everything that can happen to a path."""
    manager = await archives.open(CONFIG.replace(snapshot_interval=interval))
    trees: list[dict[str, bytes | None]] = [
        {"a": b"a1", "d/x": b"x1", "d/y": noise(900), "kind": b"a file", "same": b"s", "mode": b"m", "gone": b"g"},
        {"a": b"a2", "d/x": b"x1", "d/y": noise(900), "kind/in": b"a folder", "same": b"s", "mode": b"m"},
        {"a": b"a2", "e/x": b"x1", "e/y": noise(900), "kind/in": b"a folder", "same": b"s", "mode": b"m", "new": b"n"},
        {"a": b"a1", "e/x": b"x2", "e/y": noise(900), "kind": b"a file", "same": b"s", "mode": b"m", "gone": b"g"},
    ]
    await save_trees(manager, archives.files, *trees)
    archives.files.set_attributes("/source/mode", 0o600, 5 * 10**9)
    await manager.save(["/source/."], mirror=True)
    await manager.move("e", "f/e")
    await manager.remove(["a", "same"])
    await manager.move_file("f/e/x", "t")
    await manager.move_file("f/e/y", "f/e/x")
    await manager.move_file("t", "f/e/y")
    await manager.save_checkpoint("swapped")
    await manager.add_file("a", b"a3")
    await manager.save_checkpoint("last")
    assert len(await manager.history()) == 9
    return manager


async def checked_forget(manager: JCFManager, archives: Archives, *gone: int) -> None:
    """Forget the versions with these numbers, 0 the oldest, and check what is left against what it was."""
    ids = [version.id for version in reversed(await manager.history())]
    before = await past(manager)
    attributes = await attributes_of(manager)
    told = await manager.forget([ids[number] for number in gone], dry_run=True)
    report = await manager.forget([ids[number] for number in gone])
    assert [version.id for version in report.forgotten] == [ids[number] for number in sorted(gone, reverse=True)]
    assert [version.id for version in told.forgotten] == [version.id for version in report.forgotten]
    assert (told.kept, told.dropped, told.freed) == (report.kept, report.dropped, report.freed)
    kept = [each for number, each in enumerate(ids) if number not in gone]
    after = await past(manager)
    assert list(after) == kept[::-1]
    assert after == {each: before[each] for each in kept}
    assert await attributes_of(manager) == {each: attributes[each] for each in kept}
    await check(manager, archives.files)
    await check_counts(manager)
    check_blobs(archives)


async def attributes_of(manager: JCFManager) -> dict[str, list[tuple[Any, ...]]]:
    """Return what every version says of its entries, beside the content."""
    return {
        version.id: [
            (entry.path, entry.type, entry.size, entry.modified, entry.mode, entry.sha256)
            for entry in (await manager.list_files(version)).entries
        ]
        for version in (await manager.list_files()).versions
    }


async def check_counts(manager: JCFManager) -> None:
    """Check the counts of every version against its listing and that of the one before it.

    What becomes a file is modified when it was a folder; what becomes a folder is not counted.
    """
    history = (await manager.list_files()).versions
    held = await attributes_of(manager)
    for newer, older in zip(history, [*history[1:], None], strict=True):
        now = {each[0]: each for each in held[newer.id]}
        then = {each[0]: each for each in held[older.id]} if older is not None else {}
        came = sum(now[path][1] != "directory" for path in now.keys() - then.keys())
        left = sum(then[path][1] != "directory" for path in then.keys() - now.keys())
        changed = sum(now[path] != then[path] and now[path][1] != "directory" for path in now.keys() & then.keys())
        assert newer.parent == (older.id if older else "")
        if newer.renamed == 0:
            assert (newer.added, newer.modified, newer.deleted) == (came, changed, left)
        else:
            assert newer.added - newer.deleted == came - left


def check_blobs(archives: Archives) -> None:
    """Check that the blobs are the contents of older versions that HEAD has not, no more."""
    manifest = manifest_of(archives.files)
    used = {
        state["hash"]
        for version in manifest.versions
        for state in json.loads(bytes(version.file_states)).values()
        if state.get("hash") and not state.get("deleted")
    }
    head = {record.current_hash for record in manifest.file_map.values()}
    blobs = {name.removeprefix(".store/blobs/") for name in entry_names(archives.files) if "/blobs/" in name}
    assert blobs == used - head


# -------------------------------------------------------------------------------------------- what is left is as it was


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("gone", range(8))
async def test_one_version_goes(archives: Archives, interval: int, gone: int) -> None:
    await checked_forget(await eventful(archives, interval), archives, gone)


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize(
    "gone",
    [(0, 1), (0, 1, 2), (1, 2), (2, 3, 4), (1, 3, 5, 7), (0, 2, 4, 6), (5, 6), (5, 6, 7), (1, 2, 3, 4, 5, 6, 7)],
    ids=str,
)
async def test_several_go(archives: Archives, interval: int, gone: tuple[int, ...]) -> None:
    await checked_forget(await eventful(archives, interval), archives, *gone)


@pytest.mark.parametrize("interval", INTERVALS)
async def test_all_but_the_newest_go_one_by_one_and_then_it_goes_on(archives: Archives, interval: int) -> None:
    manager = await eventful(archives, interval)
    for number in (3, 0, 5, 0, 1, 2, 0, 0):
        await checked_forget(manager, archives, number)
    assert len(await manager.history()) == 1
    assert not [name for name in entry_names(archives.files) if name.startswith(".store")]
    await manager.add_file("a", b"a4")
    await manager.move_file("f", "g")
    await manager.save_checkpoint()
    assert await content_of(manager, "a", "HEAD~1") == b"a3"
    await check(manager, archives.files)
    await check_counts(manager)


async def test_restore_after_forget(archives: Archives) -> None:
    manager = await eventful(archives)
    await manager.restore_version("HEAD~4", "/before")
    await manager.forget(["HEAD~3", "HEAD~5", "HEAD~8"])
    await manager.restore_version("HEAD~3", "/after")
    for path in ("a", "e/x", "e/y", "kind", "mode", "same", "gone"):
        assert read_file(archives.files, f"/after/{path}") == read_file(archives.files, f"/before/{path}")
        now, then = archives.files.stat(f"/after/{path}"), archives.files.stat(f"/before/{path}")
        assert (now.mode, now.mtime_ns) == (then.mode, then.mtime_ns)


# -------------------------------------------------------------------------------------------------- folded versions


async def counts_after(archives: Archives, *changes: Callable[[JCFManager], Any]) -> tuple[int, int, int, int]:
    """Make two files, then a version of each change, forget all between, and return the counts of the newest."""
    manager = await archives.make({"a": b"a1", "b": b"b1"})
    for change in changes:
        await change(manager)
        await manager.save_checkpoint()
    await manager.forget([f"HEAD~{back}" for back in range(1, len(changes))])
    newest, first = await manager.history()
    assert (first.added, first.modified, first.deleted, first.renamed) == (2, 0, 0, 0)
    await check(manager, archives.files)
    return newest.added, newest.modified, newest.deleted, newest.renamed


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ([("add", "c", b"c"), ("add", "c", b"c2")], (1, 0, 0, 0)),
        ([("add", "c", b"c"), ("remove", "c")], (0, 0, 0, 0)),
        ([("add", "a", b"a2"), ("add", "a", b"a1")], (0, 1, 0, 0)),  # its time is another
        ([("add", "a", b"a2"), ("remove", "a")], (0, 0, 1, 0)),
        ([("remove", "a"), ("add", "a", b"a2")], (0, 1, 0, 0)),
        ([("move", "a", "c"), ("add", "c", b"c2")], (0, 0, 0, 1)),
        ([("move", "a", "c"), ("move", "c", "d")], (0, 0, 0, 1)),
        ([("move", "a", "c"), ("move", "c", "a")], (0, 0, 0, 0)),
        ([("move", "a", "c"), ("remove", "c")], (0, 0, 1, 0)),
        ([("move", "a", "c"), ("add", "a", b"new")], (1, 0, 0, 1)),
        ([("move", "a", "c"), ("move", "b", "a"), ("move", "c", "b")], (0, 0, 0, 2)),
        ([("add", "c", b"c"), ("move", "c", "d")], (1, 0, 0, 0)),
        ([("remove", "b"), ("move", "a", "b")], (0, 0, 1, 1)),
    ],
    ids=str,
)
async def test_counts_of_folded_versions(
    archives: Archives, changes: list[tuple[Any, ...]], counts: tuple[int, int, int, int]
) -> None:
    verbs = {"add": JCFManager.add_file, "remove": JCFManager.remove_file, "move": JCFManager.move_file}
    steps = [
        lambda manager, verb=verb, arguments=arguments: verbs[verb](manager, *arguments) for verb, *arguments in changes
    ]
    assert await counts_after(archives, *steps) == counts


async def test_history_of_a_path_that_was_renamed_by_a_forgotten_version(archives: Archives) -> None:
    manager = await archives.make({"a": b"a1"})
    await manager.move("a", "b", message="to b")
    await manager.move("b", "c", message="to c")
    await manager.add_file("c", b"c2")
    await manager.save_checkpoint("changed")
    await manager.forget(["HEAD~2", "HEAD~1"])
    assert [version.message for version in await manager.history("c")] == ["changed", "version 0"]
    newest = manifest_of(archives.files).versions[-1]
    assert {each["versionId"] for each in manifest_of(archives.files).rename_log} == {newest.id}
    assert renames(archives.files) == [("a", "b"), ("b", "c")]
    await manager.forget(keep_last=1)
    assert renames(archives.files) == [], "nobody knows the other names any more"
    assert [version.message for version in await manager.history("c")] == ["changed"]
    with pytest.raises(NotFoundError):
        await manager.history("a")


@pytest.mark.parametrize("interval", INTERVALS)
async def test_deleted_folder_without_mode_or_time_stays_deleted(archives: Archives, interval: int) -> None:
    """What a deletion says of a folder is what this folder has: nothing."""
    manager = await archives.open(CONFIG.replace(snapshot_interval=interval))
    await save_trees(manager, archives.files, {"x": b"x"})
    archives.files.make_folder("/source/d")
    archives.files.set_attributes("/source/d", 0, 0)
    await manager.save(["/source/."])
    for number in range(9):
        put_tree(archives.files, {"x": b"x", f"{number}": b"%d" % number} | ({} if number > 6 else {"d": None}))
        if archives.files.exists("/source/d"):
            archives.files.set_attributes("/source/d", 0, 0)
        await manager.save(["/source/."], mirror=True)
    for number in (4, 7, 1, 0):
        await checked_forget(manager, archives, number)


# ------------------------------------------------------------------------------------------------------------ rules


async def numbered(archives: Archives, count: int = 6) -> tuple[JCFManager, list[str]]:
    manager = await archives.make(*({"f": b"%d" % number} for number in range(count)))
    return manager, [version.id for version in reversed(await manager.history())]


async def set_ages(archives: Archives, *days: float | None) -> None:
    """Let the versions, oldest first, be so many days old; ``None`` for a time that can't be read."""
    now = dt.datetime.now(dt.UTC)

    def change(manifest: Manifest) -> None:
        for version, age in zip(manifest.versions, days, strict=True):
            version.timestamp = "long ago" if age is None else (now - dt.timedelta(days=age)).isoformat()

    await alter(archives.files, change)


async def test_keep_last(archives: Archives) -> None:
    manager, ids = await numbered(archives)
    report = await manager.forget(keep_last=2)
    assert [version.id for version in report.forgotten] == ids[3::-1]
    assert (report.kept, report.done, report.dropped) == (2, True, 4)
    assert [version.id for version in await manager.history()] == ids[:3:-1]
    assert (await manager.forget(keep_last=7)).forgotten == ()
    await check(manager, archives.files)


async def test_keep_within(archives: Archives) -> None:
    manager, ids = await numbered(archives)
    await set_ages(archives, 40, 30, 9.9, 5, None, 0)
    assert [each.id for each in (await manager.forget(keep_within=10, dry_run=True)).forgotten] == [ids[1], ids[0]]
    assert [each.id for each in (await manager.forget(keep_within=0, dry_run=True)).forgotten] == ids[3::-1]
    assert (await manager.forget(keep_within=float("inf"))).forgotten == ()
    report = await manager.forget(keep_within=9.5)
    assert [version.id for version in report.forgotten] == ids[2::-1]


async def test_a_version_that_one_rule_keeps_stays(archives: Archives) -> None:
    manager, ids = await numbered(archives)
    await set_ages(archives, 40, 1, 30, 20, 10, 0)
    report = await manager.forget(keep_last=2, keep_within=5)
    assert [version.id for version in report.forgotten] == [ids[3], ids[2], ids[0]]


async def test_names_and_rules_together(archives: Archives) -> None:
    manager, ids = await numbered(archives)
    report = await manager.forget([ids[4][:8], "HEAD~3", (await manager.history())[2]], keep_last=5)
    assert [version.id for version in report.forgotten] == [ids[4], ids[3], ids[2], ids[0]]


async def test_the_newest_stays_whatever_its_age(archives: Archives) -> None:
    manager, ids = await numbered(archives, 3)
    await set_ages(archives, 40, 30, 20)
    assert [version.id for version in (await manager.forget(keep_within=1)).forgotten] == ids[1::-1]
    assert [version.id for version in await manager.history()] == [ids[2]]
    await manager.forget(keep_within=1)
    assert len(await manager.history()) == 1


@pytest.mark.parametrize("name", ["HEAD", "head", "HEAD~0", "the id", "a prefix", "a tag"])
async def test_newest_version_is_refused(archives: Archives, name: str) -> None:
    manager, ids = await numbered(archives, 3)
    await manager.tag("HEAD", "a tag")
    before = read_file(archives.files, ARCHIVE)
    name = {"the id": ids[-1], "a prefix": ids[-1][:9]}.get(name, name)
    for dry_run in (False, True):
        with pytest.raises(ArchiveError, match="newest version can't be forgotten"):
            await manager.forget([ids[0], name], tagged=True, dry_run=dry_run)
    assert read_file(archives.files, ARCHIVE) == before


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({}, ArchiveError),
        ({"versions": []}, ArchiveError),
        ({"keep_last": 0}, ArchiveError),
        ({"keep_last": -1}, ArchiveError),
        ({"keep_within": -0.1}, ArchiveError),
        ({"keep_within": float("nan")}, ArchiveError),
        ({"versions": ["none"]}, VersionNotFoundError),
        ({"versions": [""]}, VersionNotFoundError),
        ({"versions": ["HEAD~1", "HEAD~99"]}, VersionNotFoundError),
    ],
    ids=str,
)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_rules_that_make_no_sense(
    archives: Archives, arguments: dict[str, Any], kind: type[KamarosError], dry_run: bool
) -> None:
    manager, _ = await numbered(archives, 3)
    before = read_file(archives.files, ARCHIVE)
    with pytest.raises(kind):
        await manager.forget(**arguments, dry_run=dry_run)
    assert read_file(archives.files, ARCHIVE) == before


async def test_a_name_that_is_no_list_is_not_taken_apart(archives: Archives) -> None:
    manager, ids = await numbered(archives, 3)
    with pytest.raises(TypeError):
        await manager.forget(ids[0])
    assert len(await manager.history()) == 3


@pytest.mark.parametrize("dry_run", [False, True])
async def test_tags_spare(archives: Archives, dry_run: bool) -> None:
    manager, ids = await numbered(archives)
    await manager.tag(ids[1], "kept")
    await manager.tag(ids[1], "kept too")
    before = read_file(archives.files, ARCHIVE)
    report = await manager.forget(["kept", ids[0]], dry_run=dry_run)
    assert [version.id for version in report.forgotten] == [ids[0]]
    assert [(version.id, version.tags) for version in report.spared] == [(ids[1], ("kept", "kept too"))]
    assert report.done is not dry_run
    if dry_run:
        assert read_file(archives.files, ARCHIVE) == before
        return
    assert [version.id for version in (await manager.forget(keep_last=1)).spared] == [ids[1]]
    assert [version.id for version in await manager.history()] == [ids[5], ids[1]]
    assert (await manager.history())[1].tags == ("kept", "kept too")
    gone = (await manager.forget(["kept"], tagged=True)).forgotten
    assert [(version.id, version.tags) for version in gone] == [(ids[1], ("kept", "kept too"))]
    assert set(manifest_of(archives.files).refs) == {"head"}
    await check(manager, archives.files)


async def test_tags_with_the_version_itself_spare_too(archives: Archives) -> None:
    """Other writers keep them there."""
    manager, ids = await numbered(archives, 3)
    await alter(archives.files, lambda manifest: setattr(manifest.versions[0], "tags", ["theirs"]))
    assert [version.id for version in (await manager.forget(keep_last=1)).spared] == [ids[0]]
    assert len((await manager.forget(keep_last=1, tagged=True)).forgotten) == 1


async def test_nothing_to_forget_changes_nothing(archives: Archives) -> None:
    manager, ids = await numbered(archives, 3)
    await manager.tag(ids[0], "kept")
    before = read_file(archives.files, ARCHIVE)
    assert (await manager.forget(keep_last=3)).kept == 3
    assert len((await manager.forget([ids[0]])).spared) == 1
    assert (await manager.forget(keep_within=1)).forgotten == ()
    assert read_file(archives.files, ARCHIVE) == before


# ---------------------------------------------------------------------------------------------- content that is dropped


async def test_content_nobody_needs_is_dropped_and_compact_gives_it_back(archives: Archives) -> None:
    manager = await archives.make(*({"f": noise(50_000, number), "z": b"z"} for number in range(5)))
    size = size_of(archives.files)
    told = await manager.forget(keep_last=2, dry_run=True)
    assert (told.archive_size, told.dead_bytes) == (size, dead_bytes(archives.files)[0])
    report = await manager.forget(keep_last=2)
    assert report.dropped == told.dropped == 3
    assert 150_000 < report.freed == told.freed < 151_000
    assert report.archive_size == size_of(archives.files)
    assert report.dead_bytes == dead_bytes(archives.files)[0] > report.freed
    compacted = await manager.compact()
    assert compacted.after == size_of(archives.files) < size - 150_000
    assert await content_of(manager, "f", "HEAD~1") == noise(50_000, 3)
    await check(manager, archives.files)


async def test_content_other_versions_need_stays(archives: Archives) -> None:
    manager = await archives.make(
        {"f": noise(5000)}, {"f": b"1"}, {"g": noise(5000)}, {"g": b"2"}, {"h": noise(5000)}, {"h": b"3"}
    )
    for _ in range(4):
        report = await manager.forget(["HEAD~2" if len(await manager.history()) > 2 else "HEAD~1"])
        await check(manager, archives.files)
        check_blobs(archives)
    assert report.kept == 2
    assert await content_of(manager, "h", "HEAD~1") == b"3" or await content_of(manager, "f") == b"1"


async def test_pending_changes_and_missing_archive(archives: Archives) -> None:
    manager = await archives.open()
    with pytest.raises(NotFoundError):
        await manager.forget(keep_last=1)
    with pytest.raises(NotFoundError):
        await manager.forget(keep_last=1, dry_run=True)
    await manager.add_file("a", b"a")
    with pytest.raises(ArchiveError, match="not saved yet"):
        await manager.forget(keep_last=1)


# --------------------------------------------------------------------------------------------------- failures, aborts


async def test_abort_leaves_everything(archives: Archives) -> None:
    manager, _ = await numbered(archives)
    before = read_file(archives.files, ARCHIVE)
    controller = AbortController()
    controller.abort()
    with pytest.raises(AbortError):
        await manager.forget(keep_last=1, signal=controller.signal)
    assert read_file(archives.files, ARCHIVE) == before


async def test_abort_at_every_step() -> None:
    number, done = 0, False
    while not done:
        async with Archives() as archives:
            manager, ids = await numbered(archives, 4)
            before = read_file(archives.files, ARCHIVE)
            controller = AbortController()
            failing = FailingAdapter(
                archives.files, on_step=lambda step, at=number, it=controller: it.abort() if step == at else None
            )
            other = await archives.open(files=failing)
            failing.steps.clear()
            try:
                await other.forget(keep_last=1, signal=controller.signal)
            except AbortError:
                assert read_file(archives.files, ARCHIVE) == before
                assert len(await manager.history()) == 4
            else:
                assert [version.id for version in await manager.history()] == [ids[-1]]
                done = not controller.signal.aborted
            await check(manager, archives.files)
        number += 1


async def test_failure_at_every_step() -> None:
    number, done = 0, False
    while not done:
        async with Archives() as archives:
            manager, ids = await numbered(archives, 4)
            failing = FailingAdapter(archives.files, -1, left_out=CLEANING_UP)
            other = await archives.open(files=failing)
            failing.steps.clear()
            failing._fail_at = number
            try:
                await other.forget(keep_last=1)
            except KamarosError:
                assert len(await manager.history()) == 4, failing.failed
            else:
                assert [version.id for version in await manager.history()] == [ids[-1]], failing.failed
                done = failing.failed is None
            await manager.add_file("f", b"more")
            await manager.save_checkpoint()
            await check(manager, archives.files)
        number += 1


# ------------------------------------------------------------------------------------------ histories that are not ours


def parent(number: int, of: int | str | None) -> Callable[[Manifest], None]:
    def change(manifest: Manifest) -> None:
        versions = manifest.versions
        versions[number].parent_id = versions[of].id if isinstance(of, int) else of

    return change


def swap(manifest: Manifest) -> None:
    manifest.versions[1], manifest.versions[2] = manifest.versions[2], manifest.versions[1]


def head_is_not_last(manifest: Manifest) -> None:
    manifest.refs["head"] = manifest.versions[1].id


@pytest.mark.parametrize(
    "change",
    [
        parent(2, 0),
        parent(1, 2),
        parent(0, 3),
        parent(0, 0),
        parent(3, 3),
        parent(2, "no such version"),
        parent(2, None),
        parent(2, ""),
        swap,
        head_is_not_last,
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_history_that_is_no_line(archives: Archives, change: Callable[[Manifest], None], dry_run: bool) -> None:
    manager, ids = await numbered(archives, 4)
    await alter(archives.files, change)
    before = read_file(archives.files, ARCHIVE)
    for rule in ({"keep_last": 1}, {"versions": [ids[0]]}, {"keep_within": 0}):
        with pytest.raises(ArchiveError, match="such a history can't be shortened"):
            await manager.forget(**rule, dry_run=dry_run)  # type: ignore[arg-type]
    assert read_file(archives.files, ARCHIVE) == before


@pytest.mark.parametrize("raw", [b"[]", b'{"a": 1}', b'{"a": {"size": -1}}', b'{"a": {"changeType": "odd"}}', b"3"])
async def test_damaged_listing(archives: Archives, raw: bytes) -> None:
    manager, ids = await numbered(archives, 4)
    await alter(archives.files, lambda manifest: setattr(manifest.versions[1], "file_states", msgspec.Raw(raw)))
    before = read_file(archives.files, ARCHIVE)
    with pytest.raises(ManifestError, match=f"damaged in version {ids[1][:8]}"):
        await manager.forget(keep_last=1)
    assert read_file(archives.files, ARCHIVE) == before


async def test_two_versions_with_one_id(archives: Archives) -> None:
    manager, ids = await numbered(archives, 3)
    await alter(archives.files, lambda manifest: setattr(manifest.versions[0], "id", ids[1]))
    with pytest.raises(IntegrityError):
        await manager.forget(keep_last=1)


@pytest.mark.parametrize("value", ["../../../evil", "x" * 70_000, "AB" * 32, "\0", "a/b"], ids=lambda each: each[:9])
@pytest.mark.parametrize("verb", ["remove", "forget", "move"])
async def test_hash_that_is_none(archives: Archives, value: str, verb: str) -> None:
    """No name that a manifest makes up gets into the directory this program writes."""
    manager = await archives.make({"a": b"a", "z": b"z"}, {"a": b"b"})
    await alter(archives.files, lambda manifest: setattr(manifest.file_map["a"], "current_hash", value))
    try:
        if verb == "remove":
            await manager.remove(["a"])
        elif verb == "forget":
            await manager.forget(keep_last=1)
        else:
            await manager.move("a", "b")
    except IntegrityError:
        return
    assert not any(value in name for name in entry_names(archives.files) if name.startswith(".store"))


async def test_odd_entries_of_the_rename_log(archives: Archives) -> None:
    """What other writers keep there is no reason to fail, nor to lose it."""
    manager, ids = await numbered(archives, 3)
    odd: list[dict[str, Any]] = [
        {},
        {"versionId": None, "from": 3},
        {"versionId": ["x"]},
        {"note": "theirs"},
        {"from": "a", "to": "b", "versionId": ids[0]},
        {"from": "c", "to": "d", "versionId": ids[2], "extra": 1},
    ]
    await alter(archives.files, lambda manifest: setattr(manifest, "rename_log", odd))
    await manager.forget([ids[1]])
    assert [each for each in manifest_of(archives.files).rename_log if each.get("versionId") == ids[2]] == [odd[5]]
    await check(manager, archives.files)
    assert len(await manager.history("f")) == 2


async def test_first_version_that_lists_its_changes_only(archives: Archives) -> None:
    """Neither a full listing at the beginning nor counts are promised by a manifest."""
    manager, ids = await numbered(archives, 3)

    def change(manifest: Manifest) -> None:
        for version in manifest.versions:
            version.snapshot, version.counts = False, None

    await alter(archives.files, change)
    before = await past(manager)
    await manager.forget([ids[1]])
    assert await past(manager) == {each: before[each] for each in (ids[2], ids[0])}
    await manager.forget([ids[0]])
    assert await past(manager) == {ids[2]: before[ids[2]]}


async def test_long_history_is_folded_in_one_pass(archives: Archives) -> None:
    """Thousands of versions of another writer's making."""
    manager, _ = await numbered(archives, 2)

    def change(manifest: Manifest) -> None:
        last = manifest.versions.pop()
        for number in range(3000):
            states = encode_states({f"p{number % 50}": FileState(inode_id=str(number % 50), mtime_ns=number)})
            parent_id = manifest.versions[-1].id
            manifest.versions.append(Version(id=f"made up {number}", parent_id=parent_id, file_states=states))
        last.parent_id = manifest.versions[-1].id
        manifest.versions.append(last)

    await alter(archives.files, change)
    report = await manager.forget(keep_last=10)
    assert (len(report.forgotten), report.kept) == (2992, 10)
    assert len(await listed(manager, "HEAD~1")) == 51
