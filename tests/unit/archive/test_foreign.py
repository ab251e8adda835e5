"""Other writers' manifests: what counts as one, what is worked out, what is refused, and what they become."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui.archive.container import Container
from kamaros_gui.archive.foreign import decode_foreign, looks_like_manifest, newest_manifest
from kamaros_gui.archive.history import describe, states_at
from kamaros_gui.archive.listed import nanoseconds
from kamaros_gui.archive.manifest import Manifest, decode_manifest, decode_states, encode_manifest
from kamaros_gui.archive.upgrading import upgrade_manifest
from kamaros_gui.archive.views import VersionView, list_version, view_version
from kamaros_gui.base.errors import IntegrityError, ManifestError
from kamaros_gui.pipeline import read_entry
from kamaros_gui.storage.local import LocalAdapter
from tests.helpers.foreign import FORMS, HISTORY, Foreign, Form, Step, sha256


def load(path: Path) -> Container:
    return Container.load(LocalAdapter(), str(path))


def contents(view: VersionView) -> dict[str, bytes]:
    found = {}
    for path, state in view.states.items():
        entry = view.entry_of(path, state)
        assert entry is not None, path
        found[path] = read_entry(view.container.file, entry, 1 << 20)
        assert sha256(found[path]) == state.hash
    return found


def decoded(
    change: Callable[[dict[str, Any]], object] = lambda _document: None, form: Form = FORMS["store"]
) -> Manifest:
    document = copy.deepcopy(Foreign(form).document)
    change(document)
    return decode_foreign(json.dumps(document).encode())


# ------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_every_form_opens_and_every_version_has_its_files(tmp_path: Path, form: Form) -> None:
    made = Foreign(form)
    container = load(made.write(tmp_path / "a.jcf"))
    try:
        assert container.manifest is not None
        assert container.needs_upgrade
        assert container.warnings == []
        for number, step in enumerate(made.steps):
            view = view_version(container, made.ids[number])
            assert contents(view) == step.contents
            for path, state in view.states.items():
                assert state.type == ("symlink" if path in step.links else "file")
                assert (state.mode, state.mtime_ns) == (made.mode(path), made.mtime_ns(path, number)), path
        assert contents(view_version(container, "HEAD")) == made.steps[-1].contents
        assert contents(view_version(container, "HEAD~1")) == made.steps[-2].contents
    finally:
        container.close()


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_the_log_tells_what_each_version_did(tmp_path: Path, form: Form) -> None:
    made = Foreign(form)
    container = load(made.write(tmp_path / "a.jcf"))
    container.close()
    versions = list_version(container, "HEAD").versions[::-1]
    assert [version.message for version in versions] == [step.message for step in HISTORY]
    assert [version.author for version in versions] == [step.author for step in HISTORY]
    assert [version.parent for version in versions] == ["", *made.ids[:-1]]
    counts = [(version.added, version.modified, version.deleted) for version in versions]
    renamed = [version.renamed for version in versions]
    if form.bare:  # without ids nothing tells that a file was renamed
        assert counts == [(6, 0, 0), (1, 1, 1), (1, 2, 1), (1, 2, 2)]
        assert renamed == [0, 0, 0, 0]
    else:
        assert counts == [(6, 0, 0), (1, 1, 1), (0, 2, 0), (1, 2, 2)]
        assert renamed == [0, 0, 1, 0]
        assert set(versions[0].tags) == {"v1.0"}
        assert set(versions[1].tags) == {"odd"}
    assert all(version.timestamp.endswith("Z") for version in versions)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T00:00:01.123456789Z", 1_123_456_789),
        ("1970-01-01T00:00:01.1234567891234Z", 1_123_456_789),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1970-01-01T00:00:00+0000", 0),
        ("1970-01-01 00:00:00", 0),
        ("1969-12-31T23:59:59.5Z", -500_000_000),
        ("2024-02-29t12:00:00z", 1_709_208_000_000_000_000),
        ("2024-02-30T12:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        ("١٩٧٠-01-01T00:00:00Z", None),
    ],
)
def test_times_in_any_spelling(text: str | None, expected: int | None) -> None:
    assert nanoseconds(text) == expected


@pytest.mark.parametrize(
    "document",
    [
        {"manifest_version": 3, "name": "An extension", "version": "1.0"},
        {"name": "A web app", "icons": [], "start_url": "/"},
        {"fileMap": {}},
        {"versionHistory": []},
        {"fileMap": [], "versionHistory": []},
        {"fileMap": {}, "versionHistory": {}},
        {"fileMap": "files", "versionHistory": "history"},
        [],
        "text",
    ],
)
def test_another_formats_manifest_is_not_taken_for_one(tmp_path: Path, document: object) -> None:
    data = json.dumps(document).encode()
    assert not looks_like_manifest(data)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as container:
        container.writestr("manifest.json", data)
        container.writestr("content/page.js", b"1")
    opened = load(tmp_path / "a.zip")
    opened.close()
    assert opened.manifest is None
    assert opened.needs_upgrade == ""
    assert sorted(view_version(opened, "HEAD").states) == ["content/page.js", "manifest.json"]


def test_a_large_manifest_beside_nothing_of_ours_is_not_unpacked(tmp_path: Path) -> None:
    document = Foreign(FORMS["root"]).document | {"padding": "x" * (2 << 20)}
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("manifest.json", json.dumps(document))
        container.writestr("page.js", b"1")
    opened = load(tmp_path / "a.zip")
    opened.close()
    assert opened.manifest is None


def test_a_mimetype_of_another_format_does_not_matter_where_the_shape_is_right(tmp_path: Path) -> None:
    made = Foreign(FORMS["no mimetype"]).write(tmp_path / "a.jcf")
    with zipfile.ZipFile(made, "a") as container:
        container.writestr("mimetype", b"application/epub+zip")
    opened = load(made)
    opened.close()
    assert opened.manifest is not None


def test_our_own_form_needs_no_upgrade_and_the_same_zipped_again_does(tmp_path: Path) -> None:
    own = encode_manifest(decoded())
    with zipfile.ZipFile(tmp_path / "own.jcf", "w") as container:
        container.writestr("mimetype", b"application/x-jcf")
        container.writestr("manifest.json", own)
    with zipfile.ZipFile(tmp_path / "again.jcf", "w") as container:
        container.writestr("manifest.json", own)
        container.writestr("mimetype", b"application/x-jcf")
    first, again = load(tmp_path / "own.jcf"), load(tmp_path / "again.jcf")
    first.close()
    again.close()
    assert first.needs_upgrade == ""
    assert "mark" in again.needs_upgrade
    assert first.manifest == again.manifest
    assert first.manifest_names == ("manifest.json",)


# ------------------------------------------------------------------------------------------------- upgrading


def test_versions_come_to_list_their_changes_alone() -> None:
    made = Foreign(FORMS["deltas"])
    manifest = decoded(form=FORMS["deltas"])
    assert [version.snapshot for version in manifest.versions] == [True, False, False, False]
    changes = [
        {path: (state.change_type, state.deleted, state.renamed_from) for path, state in decode_states(version).items()}
        for version in manifest.versions
    ]
    assert changes[1] == {
        "read me.txt": ("modified", False, ""),
        "zażółć/gęślą.txt": ("added", False, ""),
        "gone.bin": ("deleted", True, ""),
    }
    assert changes[2] == {
        "manual/guide.txt": ("renamed", False, "docs/guide.txt"),
        "docs/guide.txt": ("deleted", True, ""),
        "twin": ("modified", False, ""),
        "docs/link": ("modified", False, ""),
    }
    states = decode_states(manifest.versions[2])
    assert states["manual/guide.txt"].inode_id == "inode-0-docs/guide.txt"
    assert decode_states(manifest.versions[1])["read me.txt"].content_ref in made.deltas
    [entry] = manifest.rename_log
    assert (entry["from"], entry["to"], entry["versionId"]) == ("docs/guide.txt", "manual/guide.txt", made.ids[2])


def test_an_upgrade_loses_nothing_and_can_be_repeated() -> None:
    manifest = decoded()
    assert manifest.unknown.keys() == {"vendor"}
    assert manifest.config == {"autoGC": False}
    assert manifest.metadata["name"] == "made elsewhere"
    assert manifest.refs["v1.0"] == manifest.versions[0].id
    assert upgrade_manifest(manifest) == manifest
    read_again = decode_manifest(encode_manifest(manifest))
    assert json.loads(bytes(read_again.unknown["vendor"])) == {"kept": [1, 2, 3]}
    for version, again in zip(manifest.versions, read_again.versions, strict=True):
        assert states_at(manifest, version) == states_at(read_again, again)
        assert describe(manifest, version) == describe(read_again, again)


def test_an_upgrade_leaves_its_argument_alone() -> None:
    manifest = decoded()
    for version in manifest.versions:
        version.counts = None
    before = encode_manifest(manifest)
    upgraded = upgrade_manifest(manifest)
    assert encode_manifest(manifest) == before
    assert [each.counts for each in upgraded.versions] == [(6, 0, 0), (1, 1, 1), (0, 2, 0), (1, 2, 2)]
    assert upgraded.rename_log == manifest.rename_log


def test_ids_that_are_missing_are_made_up_the_same_way_every_time() -> None:
    first, second = decoded(form=FORMS["bare"]), decoded(form=FORMS["bare"])
    assert encode_manifest(first) == encode_manifest(second)
    ids = [record.inode_id for record in first.file_map.values()]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    oldest = states_at(first, first.versions[0])
    assert oldest["empty"].inode_id == first.file_map["empty"].inode_id


def test_a_rename_is_known_from_the_log_or_the_state_where_ids_are_missing() -> None:
    ids = Foreign(FORMS["bare"]).ids

    def with_log(document: dict[str, Any]) -> None:
        document["renameLog"] = [{"from": "docs", "to": "manual", "versionId": ids[2]}]

    def with_state(document: dict[str, Any]) -> None:
        document["versionHistory"][2]["fileStates"]["manual/guide.txt"]["renamedFrom"] = "docs/guide.txt"

    for change, logged in ((with_log, 1), (with_state, 1)):
        manifest = decoded(change, FORMS["bare"])
        assert decode_states(manifest.versions[2])["manual/guide.txt"].renamed_from == "docs/guide.txt"
        assert (manifest.versions[2].renames, manifest.versions[2].counts) == (1, (0, 2, 0))
        assert len(manifest.rename_log) == logged


def test_an_id_that_two_lost_files_share_makes_no_rename() -> None:
    def change(document: dict[str, Any]) -> None:
        for version in document["versionHistory"]:
            for state in version["fileStates"].values():
                state["inodeId"] = "same"

    assert [version.renames for version in decoded(change).versions] == [0, 0, 0, 0]


def test_content_without_a_hash_is_never_taken_for_another(tmp_path: Path) -> None:
    made = Foreign(FORMS["root"], (Step({"file": b"old", "empty": b""}), Step({"file": b"new", "empty": b""})))
    for version in made.document["versionHistory"]:
        for state in version["fileStates"].values():
            del state["hash"]
    del made.document["fileMap"]["file"]["currentHash"]
    container = load(made.write(tmp_path / "a.jcf"))
    try:
        older, head = (view_version(container, each) for each in made.ids)
        assert older.entry_of("file", older.states["file"]) is None
        assert older.entry_of("empty", older.states["empty"]) is not None
        entry = head.entry_of("file", head.states["file"])
        assert entry is not None
        assert read_entry(container.file, entry, 100) == b"new"
    finally:
        container.close()


def test_many_versions_keep_a_full_listing_now_and_then() -> None:
    steps = tuple(Step({"file": str(number).encode(), "other": b"x"}) for number in range(45))
    document = Foreign(FORMS["store"], steps).document
    manifest = decode_foreign(json.dumps(document).encode())
    assert [number for number, version in enumerate(manifest.versions) if version.snapshot] == [0, 20, 40]
    assert states_at(manifest, manifest.versions[33])["file"].hash == sha256(b"33")


def test_branches_are_compared_with_what_they_build_on() -> None:
    steps = (Step({"a": b"1"}), Step({"a": b"2"}), Step({"a": b"1", "b": b"3"}))

    made = Foreign(FORMS["store"], steps)
    made.document["versionHistory"][2]["parentId"] = made.ids[0]
    manifest = decode_foreign(json.dumps(made.document).encode())
    changes = decode_states(manifest.versions[2])
    assert {path: state.change_type for path, state in changes.items()} == {"a": "metadata", "b": "added"}
    assert {path: state.hash for path, state in states_at(manifest, manifest.versions[2]).items()} == {
        "a": sha256(b"1"),
        "b": sha256(b"3"),
    }


def test_versions_out_of_order_are_put_into_it() -> None:
    manifest = decoded(lambda document: document["versionHistory"].reverse())
    assert [version.message for version in manifest.versions] == [step.message for step in HISTORY]
    bare = decoded(lambda document: document["versionHistory"].reverse(), FORMS["bare"])
    assert [version.message for version in bare.versions] == [step.message for step in HISTORY]
    assert bare.refs["head"] == bare.versions[-1].id


def test_head_is_what_the_file_map_says() -> None:
    def change(document: dict[str, Any]) -> None:
        document["fileMap"].pop("twin")
        document["fileMap"]["empty"]["mode"] = 0o600

    manifest = decoded(change)
    states = states_at(manifest, manifest.versions[-1])
    assert "twin" not in states
    assert states["empty"].mode == 0o600
    manifest.refs["head"] = ""  # and it stays so when HEAD moves on
    later = states_at(manifest, manifest.versions[-1])
    assert [(path, state.hash, state.mode) for path, state in sorted(later.items())] == [
        (path, state.hash, state.mode) for path, state in sorted(states.items())
    ]


def test_files_without_a_history_get_a_version() -> None:
    manifest = decoded(lambda document: document.update(versionHistory=[], refs={}))
    [version] = manifest.versions
    assert manifest.refs["head"] == version.id
    assert version.counts == (5, 0, 0)
    assert sorted(states_at(manifest, version)) == sorted(HISTORY[-1].contents)


# ------------------------------------------------------------------------------------------------- refusing


def put(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (put("fileMap", value=[]), "$.fileMap"),
        (put("fileMap", "empty", "size", value="0"), "$.fileMap[...].size"),
        (put("fileMap", "empty", "size", value=-1), "$.fileMap[...].size"),
        (put("fileMap", "empty", "type", value="device"), "$.fileMap[...].type"),
        (put("fileMap", "empty", "mode", value="0644"), "$.fileMap[...].mode"),
        (put("versionHistory", value={}), "$.versionHistory"),
        (put("versionHistory", 1, "id", value=5), "$.versionHistory[1].id"),
        (put("versionHistory", 1, "fileStates", value=[]), "$.versionHistory[1].fileStates"),
        (
            put("versionHistory", 1, "fileStates", "empty", "size", value="big"),
            "$.versionHistory[1].fileStates[...].size",
        ),
        (put("versionHistory", 2, "fileStates", "empty", "hash", value=5), "$.versionHistory[2].fileStates[...].hash"),
        (put("refs", value=[]), "$.refs"),
        (put("refs", "head", value="nothing"), "$.refs.head"),
        (put("metadata", value=5), "$.metadata"),
        (put("renameLog", value=[1]), "$.renameLog"),
        (put("formatVersion", value=1), "$.formatVersion"),
        (put("versionHistory", 0, "parentId", value=Foreign(FORMS["store"]).ids[3]), "circle"),
        (put("versionHistory", 0, "id", value=Foreign(FORMS["store"]).ids[1]), "share an id"),
    ],
)
def test_wrong_types_are_named_with_their_place(change: Callable[[dict[str, Any]], None], place: str) -> None:
    with pytest.raises(ManifestError) as caught:
        decoded(change)
    assert place in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["fileMap", "versionHistory"])
def test_what_must_be_there_is_missed(name: str) -> None:
    with pytest.raises(ManifestError, match=name):
        decoded(lambda document: document.pop(name))


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(ManifestError, match="format version 2"):
        decoded(put("formatVersion", value="2.0.0"))


# ------------------------------------------------------------------------------------------------- damage


def flip(path: Path, name: str) -> None:
    """Damage the packed data of an entry."""
    with zipfile.ZipFile(path) as container:
        info = container.getinfo(name)
    data = bytearray(path.read_bytes())
    at = info.header_offset + 30 + len(name) + info.compress_size // 2
    data[at] ^= 0xFF
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["manifest.json", ".store/manifest.json"])
def test_one_of_two_manifests_is_enough(tmp_path: Path, name: str) -> None:
    made = Foreign(FORMS["both"])
    flip(made.write(tmp_path / "a.jcf"), name)
    container = load(tmp_path / "a.jcf")
    try:
        assert len(container.warnings) == 1
        assert contents(view_version(container, "HEAD")) == made.steps[-1].contents
    finally:
        container.close()


@pytest.mark.parametrize("form", ["store", "no mimetype", "root"])
def test_without_a_whole_manifest_it_is_damaged(tmp_path: Path, form: str) -> None:
    made = Foreign(FORMS[form]).write(tmp_path / "a.jcf")
    flip(made, "manifest.json" if form == "root" else ".store/manifest.json")
    with pytest.raises(IntegrityError, match="manifest can't be read") as caught:
        load(made)
    assert "unzip" in caught.value.hint


def test_of_two_manifests_the_one_with_the_longer_history_counts(tmp_path: Path) -> None:
    made = Foreign(FORMS["no mimetype"])
    older = copy.deepcopy(made.document)
    del older["versionHistory"][-1]
    older["refs"]["head"] = made.ids[2]
    path = made.write(tmp_path / "a.jcf")
    with zipfile.ZipFile(path, "a") as container:
        container.writestr("manifest.json", json.dumps(older))
    opened = load(path)
    opened.close()
    assert opened.manifest is not None
    assert len(opened.manifest.versions) == 4
    assert "differ" in opened.warnings[0]
    newest = {"old": b'{"metadata":{"lastModified":"2024-01-01T00:00:00Z"}}'}
    newest["new"] = newest["old"].replace(b"2024", b"2025")
    assert newest_manifest(newest) == "new"
    assert newest_manifest({"damaged": b"{", "whole": b"{}"}) == "whole"
