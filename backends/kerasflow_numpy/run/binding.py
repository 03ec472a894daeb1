"""Binding: a generated function gets the memory that its names stand for."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any

import numpy as np

from kerasflow.graph import shaped
from kerasflow_numpy.emit.code import MODULES, SHARE, Blocks, Chunks, Code
from kerasflow_numpy.plan.allocation import arrays_in, places
from kerasflow_numpy.plan.cutting import cut
from kerasflow_numpy.plan.storage import CONSTANT, EXCHANGE, GIVEN, STATE, WORK, Storage
from kerasflow_numpy.run import blas, convolution, halves, kernels, parallel, pooling
from kerasflow_numpy.run.measure import Stopwatch

Array = np.ndarray[Any, Any]


class _Scipy:
    """`scipy.special`'s functions, imported when a program that uses one is bound."""

    def __getattr__(self, name: str) -> Any:
        import scipy.special

        return getattr(scipy.special, name)


@dataclass
class Shared:
    """What a function that is a rank's shares with the other ranks.

    Attributes:
        rank: its number. shown: for each rank the bytes that it shows the others.
        new: makes arrays of bytes, for state, that all ranks see. sees: whether an array lies in such.
    """

    rank: int
    shown: list[Array]
    new: Callable[[int], Array]
    sees: Callable[[Array], bool]


class Context:
    """A function bound to a workspace and to one set of state arrays.

    Args:
        workspace: bytes. watch: measures the function's lines.
        shared: if it is one of several ranks that have the same state.
    """

    def __init__(
        self, code: Code, workspace: Array, watch: Stopwatch | None = None, shared: Shared | None = None
    ) -> None:
        self.code = code
        self.watch = watch
        self.workspace = workspace
        self.shared = shared
        self.state: list[Array] = []
        self.step: Callable[..., Any] | None = None

    def holds(self, state: Sequence[Array]) -> bool:
        """Whether these are the state arrays that the function is bound to."""
        return self.step is not None and len(state) == len(self.state) and all(map(is_, state, self.state))

    def bind(self, state: Sequence[Array]) -> None:
        """Bind to state arrays; those of a fused update are moved together if they are not yet."""
        self.step = None
        self.state = list(state)
        for chunks in self.code.chunks:
            for _, storages in chunks.arenas:
                self._gather_arena(storages)
        if self.shared is not None:
            self._share(self.shared)
        arrays = {s.name: self._array(s) for s in self.code.storages}
        rounds = {chunks.name: self._chunks(chunks) for chunks in self.code.chunks}
        self.step = _bind(self.code, self.workspace, arrays, rounds, self.watch)

    def _array(self, storage: Storage) -> Array:
        if storage.kind == STATE:
            return self.state[storage.index]
        if storage.kind == EXCHANGE:
            assert self.shared is not None
            return _place(storage, self.shared.shown[self.shared.rank])
        return _place(storage, self.workspace)

    def _share(self, shared: Shared) -> None:
        """Move state that the others read to where they see it."""
        hidden = [i for i in self.code.shared_state if not shared.sees(self.state[i])]
        if hidden:
            avals = [shaped(self.state[i]) for i in hidden]
            for i, array in zip(hidden, arrays_in(shared.new(places(avals)[1]), avals), strict=True):
                array[...] = self.state[i]
                self.state[i] = array

    def _gather_arena(self, storages: list[Storage]) -> None:
        """Lay state arrays one behind the other in one flat array."""
        if storages[0].kind != STATE or len(storages) == 1:
            return  # One alone is moved with what others read.
        arrays = [self.state[s.index] for s in storages]
        address = arrays[0].ctypes.data
        base = arrays[0].base
        seen = self.shared is None or self.shared.sees(arrays[0])
        for array in arrays:
            if not seen or array.base is not base or base is None or array.ctypes.data != address:
                break
            address += array.nbytes
        else:
            return
        size, dtype = sum(a.size for a in arrays), arrays[0].dtype
        flat = (
            np.empty(size, dtype)
            if self.shared is None
            else self.shared.new(size * dtype.itemsize).view(dtype)
        )
        start = 0
        for storage, array in zip(storages, arrays, strict=True):
            part = flat[start : start + array.size].reshape(array.shape)
            part[...] = array
            self.state[storage.index] = part
            start += array.size

    def _flat(self, storages: list[Storage], rank: int | None = None) -> Array:
        """One flat array over storages that lie one behind the other; over another rank's of what it shows."""
        first, start = storages[0], storages[0].offset
        nbytes, dtype = sum(s.aval.nbytes for s in storages), first.aval.dtype
        if first.kind == WORK:
            return self.workspace[start : start + nbytes].view(dtype)
        if first.kind == EXCHANGE:
            assert self.shared is not None
            shown = self.shared.shown[self.shared.rank if rank is None else rank]
            return shown[start : start + nbytes].view(dtype)
        array = self._array(first)
        if len(storages) == 1:
            return array.reshape(-1)
        base = array.base
        assert isinstance(base, np.ndarray)
        start = array.ctypes.data - base.ctypes.data
        return base.reshape(-1).view(np.uint8)[start : start + nbytes].view(dtype)

    def _chunks(self, chunks: Chunks) -> Any:
        """The rounds of a fused update's loop; for several threads a list with the rounds of each."""
        flats = [self._flat(storages) for _, storages in chunks.arenas]
        flats += [self._flat(storages, rank) for _, storages, rank in chunks.terms]
        bounds = [chunks.size * k // chunks.parts for k in range(chunks.parts + 1)]
        if chunks.ranks > 1:
            assert self.shared is not None
            first = self.shared.rank
            bounds = [chunks.size * k // chunks.ranks // SHARE * SHARE for k in range(chunks.ranks)]
            bounds = [*bounds, chunks.size][first : first + 2]
        arrays = [_place(storage, self.workspace) for _, storage in chunks.scratch]
        parts = []
        for k, (begin, end) in enumerate(itertools.pairwise(bounds)):
            scratch = [array[k] for array in arrays]
            rounds = []
            for start in range(begin, end, chunks.round):
                stop = min(start + chunks.round, end)
                rounds.append((*(f[start:stop] for f in flats), *(s[: stop - start] for s in scratch)))
            parts.append((rounds,))
        return parts if chunks.parts > 1 else parts[0][0]


def _place(storage: Storage, workspace: Array) -> Array:
    """A constant, or a block of a workspace as an array."""
    if storage.kind == CONSTANT:
        array: Array = storage.array
        return array
    aval = storage.aval
    block = workspace[storage.offset : storage.offset + aval.nbytes]
    return block.view(aval.dtype).reshape(aval.shape)


def _bind(
    code: Code,
    workspace: Array,
    arrays: dict[str, Array],
    things: dict[str, Any],
    watch: Stopwatch | None,
) -> Callable[..., Any]:
    """The function, with what its names stand for.

    Args:
        workspace: the memory for blocks. arrays: at fixed places. things: anything else. watch: measures its lines.
    """
    names: dict[str, Any] = {
        **dict(zip(MODULES, _MODULES, strict=True)),
        **code.objects,
        **things,
        **arrays,
    }
    text, used = _text(code)
    exec(code.derived, names)
    for blocks in code.blocks:
        names[blocks.name] = _runs(blocks, workspace, names, watch)
    if watch is not None:
        names |= watch.names(code)
        compiled = watch.compiled(code, text)
    else:
        compiled = code.compiled = code.compiled or compile(text, "<kerasflow program>", "exec")
    exec(compiled, names)
    # Taken out of what it sees: memory is free as soon as the function is gone, not when cycles are looked for.
    make = names.pop("make")
    # By position: Python looks for each argument that is given by name among all names.
    function: Callable[..., Any] = make(*[_resolve(name, names) for name in used])
    return function


def _runs(
    blocks: Blocks, workspace: Array, names: dict[str, Any], watch: Stopwatch | None
) -> list[tuple[list[tuple[Callable[..., Any], int]]]]:
    """For each thread the blocks that it runs, each a function bound to its own memory, and their numbers."""
    parts = []
    bounds = [blocks.count * k // blocks.parts for k in range(blocks.parts + 1)]
    memories = _place(blocks.scratch, workspace).reshape(blocks.parts, -1)
    for memory, (begin, end) in zip(memories, itertools.pairwise(bounds), strict=True):
        own = {s.name: _place(s, memory) for s in blocks.code.storages if s.kind != GIVEN}
        runs = []
        for k in range(begin, end):
            given = {s.name: cut(names[name], axis, k, blocks.count) for s, name, axis in blocks.given}
            runs.append((_bind(blocks.code, memory, {**own, **given}, {}, watch), k))
        parts.append((runs,))
    return parts


def _text(code: Code) -> tuple[str, list[str]]:
    """The text of `make(...)`, which makes the function, and the names that it takes; views are compiled with it."""
    if code.made is None:
        views = "".join(f"{name} = {expression}\n" for name, _, expression in code.views)
        code.derived = compile(views, "<kerasflow program>", "exec")
        # `np.add` becomes the local name `np_add`: found faster, and the text stays readable.
        text = _FUNCTION.sub(r"\1_\2", code.text)
        functions = sorted({f"{m[1]}_{m[2]}" for m in _FUNCTION.finditer(code.text)})
        names = [*functions, *(s.name for s in code.storages), *(v[0] for v in code.views), *code.objects]
        names += [c.name for c in code.chunks] + [b.name for b in code.blocks]
        words = set(re.findall(r"\w+", text))
        used = [n for n in dict.fromkeys(names) if n in words]
        body = "".join(f"    {line}\n" for line in text.splitlines())
        code.made = f"def make({', '.join(used)}):\n{body}    return {code.name}\n", used
    return code.made


def _resolve(name: str, names: dict[str, Any]) -> Any:
    """The object that a name of the generated code stands for; `np_add` is `np.add`."""
    if name in names:
        return names[name]
    root, _, rest = name.partition("_")
    return getattr(names[root], rest)


# What `MODULES` names.
_MODULES = (np, _Scipy(), kernels, blas, parallel, convolution, pooling, halves)
_FUNCTION = re.compile(rf"\b({'|'.join(MODULES)})\.(\w+)")
