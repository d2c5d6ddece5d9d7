"""LLVM text made into machine code, loaded into this process, and freed when nothing uses it.

Answers for: verified text, object bytes, addresses, memory, threads, fork. Not for: what is
computed (the other files of this room), or keeping objects on disk (``cache``).
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import NoReturn
from weakref import finalize

import llvmlite.binding as llvm

from limpide.engines.native.target import Target
from limpide.errors import ArgumentTypeError, CompileError, NameKeyError
from limpide.memory import check_room

_LEVEL = 2  # of code generation; higher levels gave no faster loops, lower ones slower code
_LINKS_A_SESSION = 32  # see _Linker
_WORDS_AT_MOST = 500  # characters of LLVM's own message that are shown
_PROMOTIONS_AT_MOST = 128  # llvmlite 0.50 never frees 84 kB of what each run of passes needs

# One lock around every call into LLVM. llvmlite has its own, but this one is also taken before a
# fork, so that no child inherits LLVM in the midst of another thread's work, locked for ever.
_LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )

_DEAD: deque[llvm.ResourceTracker] = deque()  # code that nothing uses, not yet unloaded
_promoted = 0  # modules of this process, see promotes


def make_object(text: str, target: Target, *, promote: bool = False) -> bytes:
    """Give the object file that LLVM makes of a module's text.

    The text is always verified. The object is position independent, of the small code model:
    calls and tables inside it are reached relative to the instruction, and what it calls outside
    (``memset``) through stubs that the linker lays beside it, however far away that is.

    Parameters
    ----------
    text
        A whole module.
    target
        The processor to make code for.
    promote
        Whether to inline what is marked ``alwaysinline`` and to turn local arrays into registers
        first, for tiny graphs. Otherwise no pass changes the text.

    Raises
    ------
    CompileError
        When LLVM does not accept the text.

    Examples
    --------
    >>> from limpide.engines.native.target import host
    >>> text = "define i64 @twice(i64 %x) {\\n  %y = add i64 %x, %x\\n  ret i64 %y\\n}"
    >>> type(make_object(text, host()))
    <class 'bytes'>
    """
    _check_room()
    with _llvm("compile", target), _module(text, target, promote) as module, _fewer_passes():
        made: bytes = _machine(target).emit_object(module)
        return made


def assembly(text: str, target: Target, *, promote: bool = False) -> str:
    """Give the instructions that ``make_object`` makes of a module's text, to be read.

    Raises
    ------
    CompileError
        When LLVM does not accept the text.

    Examples
    --------
    >>> from limpide.engines.native.target import host
    >>> text = "define i64 @twice(i64 %x) {\\n  %y = add i64 %x, %x\\n  ret i64 %y\\n}"
    >>> "twice:" in assembly(text, host())
    True
    """
    with _llvm("compile", target), _module(text, target, promote) as module, _fewer_passes():
        made: str = _machine(target).emit_assembly(module)
        return made


class Code:
    """Machine code in this process, for as long as this object lives.

    Addresses are valid until then: whoever calls one holds the ``Code``. A forked child has the
    code too; another process does not, and nothing of it can be pickled. A deep copy is the same
    object, since code never changes.

    Parameters
    ----------
    data
        What ``make_object`` gave, on this processor.
    target
        The processor.
    names
        The functions whose addresses will be asked for.

    Raises
    ------
    CompileError
        When the bytes are no object for this system, lack one of the names, need a function that
        does not exist, or when the system allows no executable memory.

    Examples
    --------
    >>> import ctypes
    >>> from limpide.engines.native.target import host
    >>> text = "define i64 @twice(i64 %x) {\\n  %y = add i64 %x, %x\\n  ret i64 %y\\n}"
    >>> code = Code(make_object(text, host()), host(), ["twice"])
    >>> ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code.address("twice"))(21)
    42
    """

    def __init__(self, data: bytes, target: Target, names: Sequence[str]) -> None:
        _check_room()
        with _llvm("load", target):
            tracker = _LINKER.link(data, target, names)
            self._addresses: dict[str, int] = {name: tracker[name] for name in names}
            finalize(self, _free, tracker).atexit = False  # the process takes its memory with it

    def address(self, name: str) -> int:
        """Give where a function starts."""
        if name not in self._addresses:
            raise NameKeyError(
                f"no function {name!r} was asked for when this code was loaded, only "
                f"{', '.join(self._addresses)}. Name it in Code(data, target, names)."
            )
        return self._addresses[name]

    def __copy__(self) -> Code:
        return self

    def __deepcopy__(self, memo: object) -> Code:
        return self

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError(
            "machine code cannot be pickled: it belongs to one process and one processor. "
            "Pickle what it was compiled from, and compile again."
        )


class _Linker:
    """LLVM's sessions (LLJIT with JITLink), each of which links a number of objects.

    A session for each object would take half a millisecond and 160 kB each; one session for all
    would keep 9 kB for every object that it ever linked (its JITDylib is never removed). So a
    session is left after some links, and goes when the last object that it linked goes: the
    trackers own it together. JITLink lays each object out in one piece, so that the small code
    model always reaches, and answers a bad object with an error where MCJIT ends the process.
    """

    def __init__(self) -> None:
        self._session: llvm.LLJIT | None = None
        self._target: Target | None = None
        self._links = 0

    def link(self, data: bytes, target: Target, names: Sequence[str]) -> llvm.ResourceTracker:
        if self._session is None or self._links == _LINKS_A_SESSION or self._target != target:
            self.leave()
            self._session = llvm.create_lljit_compiler(
                _machine(target),
                use_jit_link=True,
                suppress_errors=True,  # they are raised, not also printed
            )
            self._target = target
        library = llvm.JITLibraryBuilder().add_object_img(data).add_current_process()
        for name in names:
            library.export_symbol(name)
        self._links += 1
        try:
            return library.link(self._session, f"limpide{self._links}")
        except BaseException:
            self.leave()  # with whatever of the object it had begun to load
            raise

    def leave(self) -> None:
        """Give the session up to those that use it."""
        session, self._session, self._links = self._session, None, 0
        if session is not None:
            session.close()


_LINKER = _Linker()


def _check_room() -> None:
    """Refuse where memory is short: LLVM would end the process."""
    check_room(_ROOM, "Compiling", "Close other programs, or use engine='reference'.")


_ROOM = 64 << 20  # bytes, more than code for any usual network takes


@contextmanager
def _llvm(doing: str, target: Target) -> Iterator[None]:
    """Take the lock, unload what died meanwhile, and turn LLVM's errors into limpide's."""
    with _LOCK:
        _unload()
        try:
            yield
        except (RuntimeError, ValueError, OSError) as error:
            raise _error(doing, target, str(error)) from error


def _error(doing: str, target: Target, words: str) -> CompileError:
    said = " ".join(words.split())
    if len(said) > _WORDS_AT_MOST:
        said = f"{said[:_WORDS_AT_MOST]} …"
    version = ".".join(map(str, llvm.llvm_version_info))
    return CompileError(
        f"LLVM {version} could not {doing} code for {target.cpu or 'this processor'} "
        f"({target.triple}): {said}. Use engine='reference', and report this message."
    )


# Passes of code generation that make these texts no faster (addresses stand in them as they are to
# be) and take a third of the time. LLVM ends the process at an option that it does not know.
_IDLE = ("disable-lsr", "disable-cgp") if llvm.llvm_version_info[0] in (20, 21, 22) else ()


@contextmanager
def _fewer_passes() -> Iterator[None]:
    """Leave passes out for now: others in this process that use LLVM keep theirs."""
    for name in _IDLE:
        llvm.set_option("limpide", f"-{name}=true")
    try:
        yield
    finally:
        for name in _IDLE:
            llvm.set_option("limpide", f"-{name}=false")


@lru_cache(maxsize=4)
def _machine(target: Target) -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = target.triple
    if os.name == "nt":  # llvmlite's way for code that is not written to a file
        triple += "-elf"
    return llvm.Target.from_triple(triple).create_target_machine(
        target.cpu, target.features, _LEVEL, reloc="pic", codemodel="small", jit=True
    )


@contextmanager
def _module(text: str, target: Target, promote: bool) -> Iterator[llvm.ModuleRef]:
    """Parse and verify; everything that LLVM made for it is freed afterwards."""
    # A context of its own: the global one would keep every type and constant for ever.
    with llvm.create_context() as context, llvm.parse_assembly(text, context) as module:
        module.verify()
        if promote:
            _promote(module, target)
        yield module


def promotes() -> bool:
    """Tell whether this process may still promote: each time costs memory for good."""
    return _promoted < _PROMOTIONS_AT_MOST


def _promote(module: llvm.ModuleRef, target: Target) -> None:
    """Inline what asks for it, unroll short loops, and turn local arrays into registers."""
    global _promoted
    _promoted += 1
    with (
        llvm.create_pipeline_tuning_options(speed_level=1) as options,
        llvm.create_pass_builder(_machine(target), options) as builder,
    ):
        options.loop_vectorization = options.slp_vectorization = False
        with builder.getModulePassManager() as passes:
            passes.run(module, builder)
        module.verify()


def _free(tracker: llvm.ResourceTracker) -> None:
    """Have code unloaded: now, or by whoever holds the lock, or by who takes it next.

    The garbage collector calls this in any thread at any moment, so it must wait for nothing.
    """
    _DEAD.append(tracker)
    if _LOCK.acquire(blocking=False):
        try:
            _unload()
        finally:
            _LOCK.release()


def _unload() -> None:
    # Unloading may set off the garbage collector, which comes here again: look and take in one.
    with suppress(IndexError):
        while True:
            tracker = _DEAD.popleft()
            with suppress(RuntimeError):  # it stays loaded, then: nobody can do anything about it
                tracker.close()
