from __future__ import annotations

import threading

from kamaros_gui.storage.slabs import SlabPool


def test_a_buffer_is_handed_out_again_when_nobody_looks_at_it() -> None:
    pool = SlabPool(100)
    for number in range(50):
        view = pool.borrow()
        assert len(view) == 100
        view[:] = bytes([number]) * 100
        del view
    assert len(pool) == 1


def test_a_buffer_that_somebody_looks_at_is_never_handed_out() -> None:
    pool = SlabPool(10)
    held = []
    for number in range(20):
        view = pool.borrow()
        view[:] = bytes([number]) * 10
        held.append(view[number % 10 : number % 10 + 1])  # one byte of it is enough
    del view
    assert len(pool) == 20
    for number, piece in enumerate(held):
        assert bytes(piece) == bytes([number])
    nested = memoryview(held[3])
    held.clear()
    for _ in range(3):
        pool.borrow()[:] = b"x" * 10
    assert bytes(nested) == b"\x03"
    assert len(pool) == 20


def test_buffers_are_not_changed_by_the_check_for_views() -> None:
    pool = SlabPool(10)
    pool.borrow()[:] = b"0123456789"
    for _ in range(5):
        assert bytes(pool.borrow()) == b"0123456789"
    assert [len(slab) for slab in pool._slabs] == [11]


def test_views_held_and_dropped_by_other_threads() -> None:
    pool = SlabPool(64)
    failed: list[int] = []

    def read(view: memoryview, number: int) -> None:
        if any(bytes(view) != bytes([number]) * 64 for _ in range(200)):
            failed.append(number)

    threads = []
    for number in range(100):
        view = pool.borrow()
        view[:] = bytes([number]) * 64
        threads.append(threading.Thread(target=read, args=(view, number)))
        threads[-1].start()
        del view
        if number % 10 == 9:
            threads[-5].join()
    for thread in threads:
        thread.join()
    assert not failed
