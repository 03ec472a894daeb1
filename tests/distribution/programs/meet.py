"""All that a group does, on each rank; then, as `sys.argv` says, ranks that do different things."""

import sys

import ml_dtypes
import numpy as np

from kerasflow.errors import RankError
from kerasflow.groups import in_group
from kerasflow.groups.mpi import MPI, SMALL

group = MPI()
rank, size = group.rank, group.size


def check_sums() -> None:
    """Large and small ones; the terms are added in the order of the ranks, half-precision ones in float32."""
    for dtype in ("f4", "f8", "i8", "c8", "f2", ml_dtypes.bfloat16):
        for count in (3, SMALL // 4):
            terms = [np.random.default_rng(i).normal(size=count).astype(dtype) * 100 for i in range(size)]
            wide = np.dtype("f4") if np.dtype(dtype).itemsize == 2 else np.dtype(dtype)
            total = terms[0].astype(wide)
            for term in terms[1:]:
                total = total + term.astype(wide)
            outs = [
                np.empty(count, dtype),
                np.empty((), np.int64),
                np.empty((0, 2), dtype),
                np.empty((), dtype),
            ]
            given = [terms[rank], np.array(rank), np.empty((0, 2), dtype), np.array(1, dtype)]
            group.all_reduce(given, outs)
            np.testing.assert_array_equal(outs[0], total.astype(dtype))
            assert outs[1] == sum(range(size)) and outs[3] == size
            turned = np.asfortranarray(np.stack([terms[rank]] * 2))  # not in one piece, and its own result
            group.all_reduce([turned], [turned])
            np.testing.assert_array_equal(turned[1], total.astype(dtype))


def check_joins() -> None:
    sizes = (2, 0, 5, 1)[:size]
    for axis in range(3):
        shape = [3, 4, 2]
        shape[axis] = sum(sizes)
        whole = np.arange(np.prod(shape)).reshape(shape)
        begin = sum(sizes[:rank])
        out = np.empty_like(whole)
        group.all_gather(np.take(whole, range(begin, begin + sizes[rank]), axis), axis, sizes, out)
        np.testing.assert_array_equal(out, whole)
    group.all_gather(np.empty((0, 3)), 0, (0,) * size, np.empty((0, 3)))


def check_messages() -> None:
    assert group.exchange(b"x" * rank) == [b"x" * i for i in range(size)]
    assert group.broadcast(b"from %d" % rank) == b"from 0"
    group.barrier()
    before = group.messages, group.bytes
    group.all_reduce([np.ones(4), np.ones(3, "f4")], [np.empty(4), np.empty(3, "f4")])
    assert group.messages - before[0] == 2  # one for each dtype
    assert 32 + 12 <= group.bytes - before[1] < 100


def other_things(what: str) -> None:
    """Raises on every rank, or ends."""
    numbers = np.ones(10 + rank * (what == "sizes"))
    if what == "kinds" and rank == 1:
        group.barrier()
    elif what != "early" or rank:
        group.all_reduce([numbers], [numbers])


check_sums()
check_joins()
check_messages()
with in_group(group):
    if rank == 0:
        print(f"{size} ranks, {group.neighbours} on these processors")
for what in sys.argv[1:]:
    try:
        other_things(what)
        group.end()
    except RankError as error:
        print(f"rank {rank}: {error}", flush=True)
        group.abort(5)
