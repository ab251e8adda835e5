"""Chunks that lie side by side become one view; the bytes stay the same, whatever the parts are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamaros_gui.storage.adjoining import join_adjoining
from tests.helpers.trees import noise

SLAB = noise(1 << 16)


@pytest.mark.parametrize("owner", [SLAB, bytearray(SLAB)])
def test_the_chunks_of_a_slab_become_one_view_of_it(owner: bytes | bytearray) -> None:
    view = memoryview(owner)
    parts = [view[at : at + 5000] for at in range(3, len(owner), 5000)]
    (joined,) = join_adjoining(parts)
    assert isinstance(joined, memoryview)
    assert joined.obj is owner
    assert joined == view[3:]


def test_what_does_not_lie_side_by_side_stays_apart() -> None:
    view, other = memoryview(bytearray(SLAB)), memoryview(bytearray(SLAB))
    parts = [view[:10], view[11:20], view[5:11], other[11:20], other[20:30], b"bytes", bytearray(b"array"), view[0:0]]
    assert [bytes(part) for part in join_adjoining(parts)] == [
        SLAB[:10], SLAB[11:20], SLAB[5:11], SLAB[11:30], b"bytes", b"array", b"",
    ]  # fmt: skip


def test_other_owners_and_formats_are_left_alone() -> None:
    words = memoryview(memoryview(bytearray(64)).cast("I"))
    strided = memoryview(bytes(range(64)))[::2]
    parts = [words[:4], words[4:8], strided[:8], strided[8:]]
    assert all(found is part for found, part in zip(join_adjoining(parts), parts, strict=True))


def test_the_slab_is_free_again_afterwards() -> None:
    owner = bytearray(SLAB)
    view = memoryview(owner)
    joined = join_adjoining([view[:10], view[10:20]])
    del view, joined
    owner.pop()  # raises BufferError while anybody looks at it


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 200), st.integers(0, 200)), max_size=20))
def test_the_bytes_are_the_same(pieces: list[tuple[int, int, int]]) -> None:
    owners = [memoryview(bytearray(SLAB[:200])), memoryview(SLAB[200:400])]
    parts = [owners[which][start:end] for which, start, end in pieces]
    assert b"".join(join_adjoining(parts)) == b"".join(parts)
