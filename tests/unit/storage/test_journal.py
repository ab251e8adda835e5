from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from kamaros_gui.base.errors import ArchiveInUseError, StorageError
from kamaros_gui.storage.journal import Journal, journal_path, read_journal
from kamaros_gui.storage.local import LocalAdapter
from tests.helpers.program import PROJECT, environment

HOLD = """
import sys
import zlib
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.storage.journal import Journal
journal = Journal.acquire(LocalAdapter(), sys.argv[1])
journal.restart({"pid": __import__("os").getpid(), "host": "here"})
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def archive(tmp_path: Path) -> str:
    return str(tmp_path / "a.jcf")


def holder(archive: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, archive],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        cwd=PROJECT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate(timeout=30)


def test_records_are_read_by_anybody_while_the_lock_is_held(archive: str) -> None:
    assert read_journal(LocalAdapter(), archive) == []
    journal = Journal.acquire(LocalAdapter(), archive)
    assert journal.leftover == []
    records = [{"pid": 1}, {"position": 1 << 40, "name": "żółć\n"}, {}]
    for record in records:
        journal.append(record)
    assert read_journal(LocalAdapter(), archive) == records
    journal.restart({"again": True})
    journal.append({"synced": True}, sync=True)
    assert read_journal(LocalAdapter(), archive) == [{"again": True}, {"synced": True}]
    journal.remove()
    assert not os.path.lexists(journal_path(archive))
    assert read_journal(LocalAdapter(), archive) == []


def test_the_lock_keeps_other_journals_of_this_process_out(archive: str) -> None:
    journal = Journal.acquire(LocalAdapter(), archive)
    journal.append({"pid": 4711, "host": "here"})
    open_before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ArchiveInUseError, match="in use by process 4711 on here") as caught:
        Journal.acquire(LocalAdapter(), archive)
    assert caught.value.hint
    assert len(os.listdir("/proc/self/fd")) == open_before
    journal.remove()
    Journal.acquire(LocalAdapter(), archive).remove()


@pytest.mark.parametrize("first", [b"", b"garbage\n", b"00000000 {}\n"])
def test_an_owner_that_has_not_written_its_name_yet(archive: str, first: bytes) -> None:
    journal = Journal.acquire(LocalAdapter(), archive)
    Path(journal.path).write_bytes(first)
    with pytest.raises(ArchiveInUseError, match="another program"):
        Journal.acquire(LocalAdapter(), archive)
    journal.close()


def test_another_process_holds_it_until_it_dies(archive: str) -> None:
    process = holder(archive)
    try:
        with pytest.raises(ArchiveInUseError, match=f"process {process.pid} on here"):
            Journal.acquire(LocalAdapter(), archive)
    finally:
        end(process)
    journal = Journal.acquire(LocalAdapter(), archive)
    assert journal.leftover == [{"pid": process.pid, "host": "here"}]
    journal.close()
    again = Journal.acquire(LocalAdapter(), archive)  # closed, not removed: the records stay for a recovery
    assert again.leftover == journal.leftover
    again.remove()


def test_a_torn_or_damaged_line_ends_the_journal(archive: str) -> None:
    journal = Journal.acquire(LocalAdapter(), archive)
    for number in range(3):
        journal.append({"number": number})
    journal.close()
    whole = Path(journal.path).read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in range(len(whole) + 1):
        Path(journal.path).write_bytes(whole[:cut])
        complete = whole[:cut].count(b"\n")
        assert read_journal(LocalAdapter(), archive) == [{"number": number} for number in range(complete)]
    for damaged in (
        whole.replace(b'"number":1', b'"number":7'),
        lines[0] + b"\n" + lines[2],
        lines[0] + b"zzzzzzzz {}\n" + lines[2],
        lines[0] + b"\xff\xfe\x00\n" + lines[2],
        lines[0] + b"00000000 \n" + lines[2],  # the checksum of nothing is right, but nothing is no record
        lines[0] + b"%08x [1]\n" % zlib.crc32(b"[1]") + lines[2],
    ):
        Path(journal.path).write_bytes(damaged)
        assert read_journal(LocalAdapter(), archive) == [{"number": 0}]
        taken = Journal.acquire(LocalAdapter(), archive)
        assert taken.leftover == [{"number": 0}]
        taken.close()


def test_a_journal_removed_between_open_and_lock_is_not_taken(archive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The former owner unlinks while we wait: what we locked has no name any more; such a lock keeps nobody out."""
    import filelock

    former = Journal.acquire(LocalAdapter(), archive)
    lock = filelock.lock_descriptor
    calls = 0

    def remove_first(fd: int, *, blocking: bool) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            former.remove()
        return lock(fd, blocking=blocking)

    monkeypatch.setattr(filelock, "lock_descriptor", remove_first)
    journal = Journal.acquire(LocalAdapter(), archive)
    assert calls == 2
    assert os.path.samestat(os.fstat(journal._file.fileno()), os.stat(journal.path))
    with pytest.raises(ArchiveInUseError):
        Journal.acquire(LocalAdapter(), archive)
    journal.remove()


def test_a_name_that_keeps_vanishing_is_given_up(archive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    lock = filelock.lock_descriptor
    open_before = len(os.listdir("/proc/self/fd"))

    def unlinking(fd: int, *, blocking: bool) -> bool:
        os.unlink(journal_path(archive))
        return lock(fd, blocking=blocking)

    monkeypatch.setattr(filelock, "lock_descriptor", unlinking)
    with pytest.raises(ArchiveInUseError, match="in use by"):
        Journal.acquire(LocalAdapter(), archive)
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_a_journal_removed_twice_leaves_the_next_one_alone(archive: str) -> None:
    journal = Journal.acquire(LocalAdapter(), archive)
    journal.remove()
    following = Journal.acquire(LocalAdapter(), archive)
    journal.remove()
    journal.close()
    assert os.path.lexists(following.path)
    following.remove()


def test_a_journal_whose_file_was_deleted_is_removed_without_complaint(archive: str) -> None:
    journal = Journal.acquire(LocalAdapter(), archive)
    os.unlink(journal.path)
    journal.remove()
    Journal.acquire(LocalAdapter(), archive).remove()


def test_a_journal_that_cannot_be_made_or_read(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no file or folder"):
        Journal.acquire(LocalAdapter(), str(tmp_path / "none" / "a.jcf"))
    os.mkdir(tmp_path / "b.jcf.journal")
    for attempt in (Journal.acquire, read_journal):
        with pytest.raises(StorageError, match="Is a directory"):
            attempt(LocalAdapter(), str(tmp_path / "b.jcf"))
