"""Reading one file through the engine into an open file: slow readers, readers that leave, cancels, damage."""

from __future__ import annotations

import array
import fcntl
import hashlib
import io
import os
import select
import socket
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.errors import (
    AbortError,
    ArchiveError,
    DiskFullError,
    IntegrityError,
    NotFoundError,
    StorageError,
    VersionNotFoundError,
)
from kamaros_gui.jobs import JobRunner, JobState, ReadReport, ReadRequest, SaveRequest
from tests.helpers.archives import open_files
from tests.helpers.trees import noise, text, write

MIB = 1 << 20
LARGE = text(9 * MIB + 17, 3)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two versions of a folder with a large, a small and an empty file."""
    place = tmp_path_factory.mktemp("reading")
    path = str(place / "a.jcf")
    runner = JobRunner(JCFConfig(workers=2))
    for content in (b"first", b"second"):
        write(place / "d" / "large", LARGE)
        write(place / "d" / "small", content)
        write(place / "d" / "empty")
        os.utime(place / "d" / "large", ns=(10**18, 10**18))
        runner.submit(SaveRequest(archive=path, paths=(str(place / "d"),))).future.result(60)
    runner.close()
    return path


@pytest.fixture
def runner() -> Iterator[JobRunner]:
    made = JobRunner(JCFConfig(workers=1))
    yield made
    made.close()


@pytest.fixture
def pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The two ends of a pipe, both raw."""
    reading, writing = os.pipe()
    ends = os.fdopen(reading, "rb", 0), os.fdopen(writing, "wb", 0)
    yield cast("tuple[BinaryIO, BinaryIO]", ends)
    for end in ends:
        end.close()


def read(runner: JobRunner, request: ReadRequest) -> ReadReport:
    report = runner.submit(request).future.result(60)
    assert isinstance(report, ReadReport)
    return report


def waiting_in(reading: BinaryIO) -> int:
    """Return how many bytes a pipe holds."""
    held = array.array("i", [0])
    fcntl.ioctl(reading, termios.FIONREAD, held)
    return held[0]


def rest_of(reading: BinaryIO, digest: Any) -> int:
    """Read to the end of a pipe into *digest*; return how many bytes came."""
    total = 0
    while chunk := reading.read(1 << 16):
        digest.update(chunk)
        total += len(chunk)
    return total


@pytest.mark.parametrize(
    ("path", "version", "content"),
    [
        ("d/small", "HEAD", b"second"),
        ("d/small", "HEAD~1", b"first"),
        ("d/empty", "HEAD", b""),
        ("d/large", "HEAD~1", LARGE),
    ],
)
def test_a_file_of_any_version_comes_out_as_it_was(
    runner: JobRunner, archive: str, path: str, version: str, content: bytes
) -> None:
    output = io.BytesIO(b"stays")
    output.seek(0, io.SEEK_END)
    report = read(runner, ReadRequest(archive=archive, path=path, output=output, version=version))
    assert output.getvalue() == b"stays" + content
    assert (report.path, report.bytes_out, report.complete) == (path, len(content), True)
    [snapshot] = runner.snapshots()
    assert snapshot.state is JobState.DONE
    assert (snapshot.progress.bytes_done, snapshot.progress.permille) == (len(content), 1000)
    assert open_files(os.path.dirname(archive)) == []


@pytest.mark.parametrize("buffering", [0, -1])
def test_a_file_on_disk_is_written(runner: JobRunner, archive: str, tmp_path: Path, buffering: int) -> None:
    with open(tmp_path / "out", "wb", buffering) as output:
        read(runner, ReadRequest(archive=archive, path="d/large", output=cast("BinaryIO", output)))
    assert (tmp_path / "out").read_bytes() == LARGE


class Narrow(io.RawIOBase):
    """Takes a few bytes at a time, as a raw file may."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.taken += bytes(data)[:1000]
        return min(1000, len(data))


class Silent:
    """Takes everything and does not say so."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def write(self, data: Any) -> None:
        self.taken += data


@pytest.mark.parametrize("kind", [Narrow, Silent])
def test_files_that_take_less_or_do_not_tell(runner: JobRunner, archive: str, kind: type[Any]) -> None:
    output = kind()
    read(runner, ReadRequest(archive=archive, path="d/large", output=output))
    assert bytes(output.taken) == LARGE


def test_a_pipe_gets_everything_at_the_pace_of_its_reader(
    runner: JobRunner, archive: str, pipe: tuple[BinaryIO, BinaryIO]
) -> None:
    reading, writing = pipe
    job = runner.submit(ReadRequest(archive=archive, path="d/large", output=writing))
    digest = hashlib.sha256(reading.read(1))
    # The pipe holds 64 KiB; what was written beyond that would have to have been read.
    assert job.snapshot().progress.bytes_done <= 1 * MIB
    ended = threading.Thread(target=lambda: (job.future.result(60), writing.close()))
    ended.start()
    assert rest_of(reading, digest) == len(LARGE) - 1
    ended.join()
    assert digest.digest() == hashlib.sha256(LARGE).digest()


def test_a_pipe_that_never_waits_gets_everything(
    runner: JobRunner, archive: str, pipe: tuple[BinaryIO, BinaryIO]
) -> None:
    reading, writing = pipe
    os.set_blocking(writing.fileno(), False)
    job = runner.submit(ReadRequest(archive=archive, path="d/large", output=writing))
    ended = threading.Thread(target=lambda: (job.future.result(60), writing.close()))
    ended.start()
    digest = hashlib.sha256()
    assert rest_of(reading, digest) == len(LARGE)
    ended.join()
    assert digest.digest() == hashlib.sha256(LARGE).digest()


def test_a_socket_gets_everything(runner: JobRunner, archive: str) -> None:
    left, right = socket.socketpair()
    with left, right, left.makefile("wb", 0) as writing, right.makefile("rb", 0) as reading:
        job = runner.submit(ReadRequest(archive=archive, path="d/large", output=cast("BinaryIO", writing)))
        ended = threading.Thread(target=lambda: (job.future.result(60), left.shutdown(socket.SHUT_WR)))
        ended.start()
        digest = hashlib.sha256()
        assert rest_of(cast("BinaryIO", reading), digest) == len(LARGE)
        ended.join()
    assert digest.digest() == hashlib.sha256(LARGE).digest()


def test_a_reader_that_leaves_is_no_error(runner: JobRunner, archive: str, pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reading, writing = pipe
    job = runner.submit(ReadRequest(archive=archive, path="d/large", output=writing))
    assert reading.read(1)
    reading.close()
    report = job.future.result(60)
    assert isinstance(report, ReadReport)
    assert not report.complete
    assert report.bytes_out < len(LARGE)
    assert open_files(os.path.dirname(archive)) == []


def test_a_cancel_does_not_wait_for_a_reader_that_takes_nothing(
    runner: JobRunner, archive: str, pipe: tuple[BinaryIO, BinaryIO]
) -> None:
    reading, writing = pipe
    job = runner.submit(ReadRequest(archive=archive, path="d/large", output=writing))
    while waiting_in(reading) < 65536:
        os.sched_yield()
    assert len(reading.read(10_000)) == 10_000  # now there is room again, but not for a whole chunk
    started = time.monotonic()
    runner.cancel(job.id)
    with pytest.raises(AbortError):
        job.future.result(60)
    assert time.monotonic() - started < 1  # the bound is 100 ms; a busy machine gets some more
    assert job.state is JobState.CANCELLED
    assert job.snapshot().outcome == "Cancelled: the archive is unchanged."
    assert open_files(os.path.dirname(archive)) == []


class Reluctant(io.RawIOBase):
    """Says that it has room, and never takes anything."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.asked = threading.Event()

    def fileno(self) -> int:
        return self._number

    def write(self, _data: Any) -> None:
        self.asked.set()


def test_a_cancel_counts_although_only_the_last_chunk_is_left(
    runner: JobRunner, archive: str, pipe: tuple[BinaryIO, BinaryIO]
) -> None:
    output = Reluctant(pipe[1].fileno())
    job = runner.submit(ReadRequest(archive=archive, path="d/small", output=cast("BinaryIO", output)))
    assert output.asked.wait(60)
    runner.cancel(job.id)
    with pytest.raises(AbortError):
        job.future.result(60)
    assert job.state is JobState.CANCELLED


def test_a_pause_holds_it(runner: JobRunner, archive: str, pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reading, writing = pipe
    job = runner.submit(ReadRequest(archive=archive, path="d/large", output=writing))
    total = len(reading.read(1))
    runner.pause(job.id)
    while select.select([reading], [], [], 0.3)[0]:
        total += len(reading.read(1 << 16))
    assert total <= 1 * MIB
    assert job.state is JobState.PAUSED
    runner.resume(job.id)
    ended = threading.Thread(target=lambda: (job.future.result(60), writing.close()))
    ended.start()
    assert total + rest_of(reading, hashlib.sha256()) == len(LARGE)
    ended.join()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_told(runner: JobRunner, archive: str) -> None:
    with open("/dev/full", "wb", 0) as output, pytest.raises(DiskFullError, match="can't be written"):
        read(runner, ReadRequest(archive=archive, path="d/small", output=cast("BinaryIO", output)))


def test_an_output_that_fails_is_told(runner: JobRunner, archive: str) -> None:
    class Broken(io.RawIOBase):
        def write(self, data: Any) -> int:
            raise OSError("it broke")

    with pytest.raises(StorageError, match="it broke"):
        read(runner, ReadRequest(archive=archive, path="d/small", output=cast("BinaryIO", Broken())))
    assert open_files(os.path.dirname(archive)) == []


def test_what_is_not_there_is_told_and_nothing_is_written(runner: JobRunner, archive: str) -> None:
    output = io.BytesIO()
    for path, version, kind in (
        ("d/none", "HEAD", NotFoundError),
        ("d/small", "nope", VersionNotFoundError),
        ("d", "HEAD", ArchiveError),
    ):
        with pytest.raises(kind):
            read(runner, ReadRequest(archive=archive, path=path, output=output, version=version))
    with pytest.raises(NotFoundError):
        read(runner, ReadRequest(archive=archive + "x", path="p", output=output))
    assert output.getvalue() == b""


def test_damage_is_an_error_although_bytes_came_out(runner: JobRunner, tmp_path: Path) -> None:
    content = noise(3 * MIB)
    write(tmp_path / "d" / "file", content)
    archive = tmp_path / "a.jcf"
    config = JCFConfig(workers=1, codec="store")
    runner.submit(SaveRequest(archive=str(archive), paths=(str(tmp_path / "d"),), config=config)).future.result(60)
    data = bytearray(archive.read_bytes())
    data[2 * MIB] ^= 1
    archive.write_bytes(data)
    with pytest.raises(IntegrityError):
        read(runner, ReadRequest(archive=str(archive), path="d/file", output=io.BytesIO()))
    assert open_files(tmp_path) == []
