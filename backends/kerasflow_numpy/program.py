"""Running generated code: binding it to memory, and calling it from any thread."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from operator import is_
from typing import Any

import numpy as np

from kerasflow.graph import Measurement, ShapedArray, check_inputs
from kerasflow_numpy import blas, convolution, kernels, parallel, pooling
from kerasflow_numpy.blocks import cut
from kerasflow_numpy.code import Blocks, Chunks, Code
from kerasflow_numpy.codegen import CHUNK, MODULES
from kerasflow_numpy.measure import Stopwatch
from kerasflow_numpy.storage import ALIGNMENT, CONSTANT, GIVEN, STATE, WORK, Storage

Array = np.ndarray[Any, Any]


class _Scipy:
    """`scipy.special`'s functions, imported when a program that uses one is bound."""

    def __getattr__(self, name: str) -> Any:
        import scipy.special

        return getattr(scipy.special, name)


def _memory(nbytes: int) -> Array:
    """That many bytes, aligned."""
    raw = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes]


class Context:
    """A function bound to a workspace of its own and to one set of state arrays.

    Args:
        watch: measures the function's lines.
    """

    def __init__(self, code: Code, workspace: int, watch: Stopwatch | None = None) -> None:
        self.code = code
        self.watch = watch
        self.workspace = _memory(workspace)
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
        arrays = {s.name: self._array(s) for s in self.code.storages}
        rounds = {chunks.name: self._chunks(chunks) for chunks in self.code.chunks}
        self.step = _bind(self.code, arrays, rounds, self.watch)

    def _array(self, storage: Storage) -> Array:
        return self.state[storage.index] if storage.kind == STATE else _place(storage, self.workspace)

    def _gather_arena(self, storages: list[Storage]) -> None:
        """Lay state arrays one behind the other in one flat array."""
        if storages[0].kind != STATE or len(storages) == 1:
            return
        arrays = [self.state[s.index] for s in storages]
        address = arrays[0].ctypes.data
        base = arrays[0].base
        for array in arrays:
            if array.base is not base or base is None or array.ctypes.data != address:
                break
            address += array.nbytes
        else:
            return
        flat = np.empty(sum(a.size for a in arrays), arrays[0].dtype)
        start = 0
        for storage, array in zip(storages, arrays, strict=True):
            part = flat[start : start + array.size].reshape(array.shape)
            part[...] = array
            self.state[storage.index] = part
            start += array.size

    def _flat(self, storages: list[Storage]) -> Array:
        """One flat array over storages that lie one behind the other."""
        first = self._array(storages[0])
        if len(storages) == 1:
            return first.reshape(-1)
        total = sum(s.aval.size for s in storages)
        if storages[0].kind == WORK:
            nbytes = total * first.itemsize
            return self.workspace[storages[0].offset : storages[0].offset + nbytes].view(first.dtype)
        base = first.base
        assert isinstance(base, np.ndarray)
        begin = (first.ctypes.data - base.ctypes.data) // first.itemsize
        return base.reshape(-1)[begin : begin + total]

    def _chunks(self, chunks: Chunks) -> Any:
        """The rounds of a fused update's loop; for several threads a list with the rounds of each."""
        flats = [self._flat(storages) for _, storages in chunks.arenas]
        bounds = [chunks.size * k // chunks.parts for k in range(chunks.parts + 1)]
        parts = []
        for begin, end in itertools.pairwise(bounds):
            scratch = [np.empty(min(CHUNK, end - begin), dtype) for _, dtype in chunks.scratch]
            rounds = []
            for start in range(begin, end, CHUNK):
                stop = min(start + CHUNK, end)
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
    code: Code, arrays: dict[str, Array], things: dict[str, Any], watch: Stopwatch | None
) -> Callable[..., Any]:
    """The function, with what its names stand for.

    Args:
        arrays: at fixed places. things: anything else. watch: measures its lines.
    """
    names: dict[str, Any] = {
        **dict(zip(MODULES, _MODULES, strict=True)),
        **code.objects,
        **things,
        **arrays,
    }
    for name, _, expression in code.views:
        names[name] = eval(expression, names)
    for blocks in code.blocks:
        names[blocks.name] = _runs(blocks, names, watch)
    text, used = _text(code)
    if watch is not None:
        names |= watch.names(code)
        compiled = watch.compiled(code, text)
    else:
        compiled = code.compiled = code.compiled or compile(text, "<kerasflow program>", "exec")
    exec(compiled, names)
    function: Callable[..., Any] = names["make"](**{name: _resolve(name, names) for name in used})
    return function


def _runs(
    blocks: Blocks, names: dict[str, Any], watch: Stopwatch | None
) -> list[tuple[list[tuple[Callable[..., Any], int]]]]:
    """For each thread the blocks that it runs, each a function bound to its own memory, and their numbers."""
    parts = []
    for begin, end in itertools.pairwise(blocks.count * p // blocks.parts for p in range(blocks.parts + 1)):
        workspace = _memory(blocks.workspace)
        own = {s.name: _place(s, workspace) for s in blocks.code.storages if s.kind != GIVEN}
        runs = []
        for k in range(begin, end):
            given = {s.name: cut(names[name], axis, k, blocks.count) for s, name, axis in blocks.given}
            runs.append((_bind(blocks.code, {**own, **given}, {}, watch), k))
        parts.append((runs,))
    return parts


def _text(code: Code) -> tuple[str, list[str]]:
    """The text of `make(...)`, which makes the function, and the names that it takes."""
    if code.made is None:
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
_MODULES = (np, _Scipy(), kernels, blas, parallel, convolution, pooling)
_FUNCTION = re.compile(rf"\b({'|'.join(MODULES)})\.(\w+)")
# What multiplies matrices. Left alone, BLAS takes threads of its own from half a million operations on.
_BLAS = re.compile(r"\b(parallel|convolution|np\.(matmul|einsum|linalg))\b")


class NumpyProgram:
    """A compiled graph; may be called from several threads, each call has a workspace of its own.

    Attributes:
        workspace: its size in bytes. inputs: the types that the inputs must have.
        source: the generated function, to be read.
    """

    def __init__(self, code: Code, workspace: int, inputs: Sequence[ShapedArray]) -> None:
        self.code = code
        self.workspace = workspace
        self.inputs = list(inputs)
        self.source = code.shown
        self.uses_blas = _BLAS.search(self.source) is not None
        self.contexts: list[Context] = []

    def __call__(self, state: Sequence[Array], inputs: Sequence[Array]) -> tuple[list[Any], Sequence[Array]]:
        check_inputs(self.inputs, inputs)
        try:
            context = self.contexts.pop()
        except IndexError:
            context = Context(self.code, self.workspace)
        try:
            return self._run(context, state, inputs)
        finally:
            self.contexts.append(context)

    def _run(
        self, context: Context, state: Sequence[Array], inputs: Sequence[Array]
    ) -> tuple[list[Any], Sequence[Array]]:
        if not context.holds(state):
            context.bind(state)
        alone = parallel.single_threaded_blas() if self.uses_blas else nullcontext()
        with alone, np.errstate(all="ignore"):
            outputs = context.step(*inputs)  # type: ignore[misc]
        return outputs, context.state

    def measured(self) -> Callable[..., tuple[list[Any], Sequence[Array], list[Measurement]]]:
        """The program with a clock: what it returns has as its third part what each line took. For one thread."""
        watch = Stopwatch()
        context = Context(self.code, self.workspace, watch)

        def run(
            state: Sequence[Array], inputs: Sequence[Array]
        ) -> tuple[list[Any], Sequence[Array], list[Measurement]]:
            check_inputs(self.inputs, inputs)
            watch.start()
            outputs, now = self._run(context, state, inputs)
            return outputs, now, watch.measured(self.code)

        return run
