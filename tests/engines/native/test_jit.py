"""LLVM text into running code: what is accepted, what is freed, and threads, forks, pickles."""

from __future__ import annotations

import copy
import ctypes
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.engines.native import jit, store
from limpide.engines.native.jit import Code, assembly, make_object
from limpide.engines.native.target import Target, host
from limpide.errors import ArgumentTypeError, CompileError, LimpideError, NameKeyError

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# A call inside of the object, a table in it, and a call out of it (memset, of a size that is
# known only at run time).
WHOLE = """
@table = internal unnamed_addr constant [4 x double] [double 1.0, double 2.0, double 4.0,
  double 8.0], align 64
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
define internal double @entry_of(i64 %i) noinline {
  %p = getelementptr inbounds double, ptr @table, i64 %i
  %x = load double, ptr %p
  ret double %x
}
define double @scaled(double %x, i64 %i) {
  %s = call double @entry_of(i64 %i)
  %y = fmul double %x, %s
  ret double %y
}
define void @clear(ptr %p, i64 %n) {
  call void @llvm.memset.p0.i64(ptr %p, i8 0, i64 %n, i1 false)
  ret void
}
"""
SCALED = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_int64)
CLEAR = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)


def adding(number: int, name: str = "plus") -> str:
    return f"define i64 @{name}(i64 %x) {{\n  %y = add i64 %x, {number}\n  ret i64 %y\n}}\n"


def plus(code: Code, x: int, name: str = "plus") -> int:
    return int(ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code.address(name))(x))


def compiled(text: str, *names: str) -> Code:
    return Code(make_object(text, host()), host(), names)


def answer_of_a_fork(work: Callable[[], int]) -> int:
    """Run ``work`` in a forked child; give its answer (below 200), or 255 for a failure."""
    child = os.fork()
    if child == 0:
        answer = 255
        signal.alarm(60)  # a child that waits for ever fails
        try:
            answer = work()
        finally:
            os._exit(answer)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# What is made and loaded ----------------------------------------------------------------------


def test_functions_call_each_other_read_tables_and_call_out() -> None:
    code = compiled(WHOLE, "scaled", "clear")
    scaled = SCALED(code.address("scaled"))
    assert [scaled(1.5, i) for i in range(4)] == [1.5, 3.0, 6.0, 12.0]
    memory = (ctypes.c_uint8 * 1000)(*[7] * 1000)
    CLEAR(code.address("clear"))(ctypes.addressof(memory), 999)
    assert list(memory) == [0] * 999 + [7]


def test_the_same_text_gives_the_same_bytes() -> None:
    assert make_object(WHOLE, host()) == make_object(WHOLE, host())


def test_many_objects_with_the_same_names_live_beside_each_other() -> None:
    codes = [compiled(adding(i), "plus") for i in range(3 * jit._LINKS_A_SESSION)]
    assert [plus(code, 1000) for code in codes] == [1000 + i for i in range(len(codes))]
    kept = codes[::7]  # of each session some
    del codes
    gc.collect()
    assert [plus(code, 0) for code in kept] == list(range(0, 3 * jit._LINKS_A_SESSION, 7))


def test_an_address_is_given_for_the_names_asked_for() -> None:
    code = compiled(WHOLE, "scaled")
    with pytest.raises(NameKeyError, match=r"no function 'clear' was asked for .* only scaled"):
        code.address("clear")


def test_promotion_puts_local_arrays_into_registers() -> None:
    text = """
    define internal double @inner(double %x) alwaysinline {
      %a = alloca [2 x double]
      %second = getelementptr double, ptr %a, i64 1
      store double %x, ptr %second
      %y = load double, ptr %second
      %z = fadd double %y, 1.0
      ret double %z
    }
    define double @outer(double %x) {
      %y = call double @inner(double %x)
      ret double %y
    }
    """
    plain = assembly(text, host())
    promoted = assembly(text, host(), promote=True)
    assert "inner:" in plain
    assert "inner" not in promoted
    assert "outer:" in promoted
    instructions = [line for line in promoted.splitlines() if line.startswith("\t")]
    assert not [line for line in instructions if "sp" in line.split("#")[0].split(",")[-1]]
    for promote in (False, True):
        code = Code(make_object(text, host(), promote=promote), host(), ["outer"])
        outer = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.address("outer"))
        assert outer(0.5) == 1.5


# What LLVM refuses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("define i64 @f(i64 %x) {\n  ret i64 %nothing\n}", "use of undefined value '%nothing'"),
        ("define i64 @f(double %x) {\n  ret i64 %x\n}", "defined with type 'double'"),
        ("gibberish", "expected top-level entity"),
        ("define void @f() {\nentry:\n  br label %entry\n}", "must not have predecessors"),
        (
            "define i64 @f(i1 %c) {\n  br i1 %c, label %a, label %b\na:\n  %x = add i64 1, 1\n"
            "  br label %b\nb:\n  ret i64 %x\n}",
            "Instruction does not dominate all uses",
        ),
    ],
)
@pytest.mark.parametrize("promote", [False, True])
def test_wrong_text_is_refused(text: str, words: str, promote: bool) -> None:
    match = rf"(?s)LLVM [0-9.]+ could not compile code for .*{words}.*Use engine='reference'"
    for refuse in (make_object, assembly):
        with pytest.raises(CompileError, match=match) as caught:
            refuse(text, host(), promote=promote)
        assert isinstance(caught.value, LimpideError)
        assert isinstance(caught.value, OSError)
        assert "\n" not in str(caught.value)


def test_a_long_complaint_is_cut() -> None:
    text = "define i64 @f() {\n  ret i64 %" + "x" * 5000 + "\n}"
    with pytest.raises(CompileError) as caught:
        make_object(text, host())
    assert 500 < len(str(caught.value)) < 1000


def test_bytes_that_are_no_object_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    for data in (b"", b"no object", bytes(1000), make_object(adding(1), host())[:100]):
        with pytest.raises(CompileError, match=r"could not load code .*engine='reference'"):
            Code(data, host(), ["plus"])
    assert capfd.readouterr() == ("", "")
    assert plus(compiled(adding(2), "plus"), 40) == 42


def test_a_name_that_the_object_lacks_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CompileError, match=r"Symbols not found: \[ _?minus \]"):
        compiled(adding(1), "plus", "minus")
    assert capfd.readouterr() == ("", "")


def test_a_function_that_exists_nowhere_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    text = "declare void @limpide_nowhere()\ndefine void @f() {\n"
    with pytest.raises(CompileError, match=r"Failed to materialize symbols: .* _?f "):
        compiled(text + "  call void @limpide_nowhere()\n  ret void\n}", "f")
    assert capfd.readouterr() == ("", "")
    assert plus(compiled(adding(2), "plus"), 40) == 42


def test_a_processor_that_llvm_does_not_know_is_refused() -> None:
    nowhere = Target("pdp11-dec-unix", "", "", host().layout, 16, 16, False)
    with pytest.raises(CompileError, match=r"code for this processor \(pdp11-dec-unix\)"):
        make_object(adding(1), nowhere)


# What is freed --------------------------------------------------------------------------------


def executable(address: int) -> str | None:
    """Give the permissions of the mapping that an address lies in."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        low, high = (int(end, 16) for end in line.split()[0].split("-"))
        if low <= address < high:
            return line.split()[1]
    return None


@linux
def test_code_can_be_run_not_written_and_goes_with_its_object() -> None:
    code = compiled(adding(1), "plus")
    address = code.address("plus")
    assert executable(address) == "r-xp"
    copies = [copy.copy(code), copy.deepcopy(code)]
    del code
    gc.collect()
    assert executable(address) == "r-xp"
    assert plus(copies[0], 41) == 42
    del copies
    gc.collect()
    assert executable(address) != "r-xp"


@linux
def test_code_is_freed_without_waiting_for_another_threads_compiling() -> None:
    code = compiled(adding(1), "plus")
    address = code.address("plus")
    busy, done = threading.Event(), threading.Event()

    def compile_for_long() -> None:
        with jit._LOCK:
            busy.set()
            done.wait(60)

    thread = threading.Thread(target=compile_for_long)
    thread.start()
    busy.wait()
    del code  # must not wait here: the other thread waits for this one
    assert executable(address) == "r-xp"
    done.set()
    thread.join()
    kept = compiled(adding(2), "plus")
    assert not jit._DEAD
    assert executable(address) != "r-xp" or kept.address("plus") >> 12 == address >> 12


def test_code_that_dies_while_code_is_unloaded_is_unloaded_too() -> None:
    class Closing:
        def __init__(self, then: Callable[[], None]) -> None:
            self.close = then

    closed: list[str] = []

    def first() -> None:
        closed.append("first")
        jit._free(Closing(lambda: closed.append("second")))
        closed.append("still first")

    jit._free(Closing(first))
    assert closed == ["first", "second", "still first"]
    assert not jit._DEAD


LEVELS_OFF = """
import sys
from limpide.engines.native.jit import Code, make_object
from limpide.engines.native.target import host

def text(n):
    lines = [f"  %v{i + 1} = fmul double %v{i}, {100 * n + i}.5" for i in range(100)]
    return (f"@t = constant [8192 x double] [{', '.join(['double 1.5'] * 8192)}]\\n"
            f"define double @f{n}(double %v0) {{\\n" + "\\n".join(lines) +
            "\\n  ret double %v100\\n}")

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

count, sizes = int(sys.argv[1]), []
for n in range(count):
    code = Code(make_object(text(n), host()), host(), [f"f{n}"])
    if (n + 1) % (count // 3) == 0:
        sizes.append(resident())
print(sizes[-1] - sizes[-2])
"""


@linux
@pytest.mark.parametrize(
    ("count", "kilobytes_each"), [(90, 12), pytest.param(1002, 3, marks=pytest.mark.long)]
)
def test_memory_levels_off(count: int, kilobytes_each: int) -> None:
    # An object holds a table of 64 kB, a session that is never left 9 kB for each object, and a
    # context that all texts share their numbers: none may show in the growth of the last third.
    command = [sys.executable, "-c", LEVELS_OFF, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < kilobytes_each * count / 3


@pytest.mark.parametrize(
    "end",
    [
        "keep = code",
        "code.myself = code",
        "threading.Thread(target=forever, daemon=True).start(); time.sleep(0.05)",
        "weakref.finalize(code, print)",
    ],
)
def test_a_process_ends_quietly_with_code_loaded(end: str) -> None:
    program = f"""
import threading, time, weakref
from limpide.engines.native.jit import Code, make_object
from limpide.engines.native.target import host
text = {adding(1)!r}
code = Code(make_object(text, host()), host(), ["plus"])
def forever():
    while True:
        Code(make_object(text, host()), host(), ["plus"])
{end}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# Threads, forks, pickles ----------------------------------------------------------------------


def test_threads_compile_and_run_at_once() -> None:
    start = threading.Barrier(32)

    def work(number: int) -> int:
        start.wait()
        return sum(plus(compiled(adding(number), "plus"), i) for i in range(3))

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(work, range(32))) == [3 * i + 3 for i in range(32)]


def test_machine_code_is_not_pickled_and_a_deep_copy_is_itself() -> None:
    code = compiled(adding(1), "plus")
    assert copy.deepcopy([code])[0] is code
    with pytest.raises(ArgumentTypeError, match=r"cannot be pickled.*Pickle what it was compiled"):
        pickle.dumps(code)


@forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_runs_the_code_frees_it_and_compiles_more() -> None:
    codes = [compiled(adding(1), "plus")]

    def work() -> int:
        ran = plus(codes[0], 41)
        codes.clear()
        gc.collect()
        return ran + plus(compiled(adding(2), "plus"), 40)

    assert answer_of_a_fork(work) == 84
    assert plus(codes[0], 41) == 42  # the parent's is its own


@forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_amid_another_threads_compiling_leaves_a_child_that_can_compile() -> None:
    stop = threading.Event()

    def compile_on() -> None:
        while not stop.is_set():
            compiled(WHOLE, "scaled")

    threads = [threading.Thread(target=compile_on) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for i in range(10):
            assert answer_of_a_fork(lambda i=i: plus(compiled(adding(i), "plus"), i)) == 2 * i
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def load_and_run(data: bytes) -> int:
    return plus(Code(data, host(), ["plus"]), 41)


def test_a_spawned_process_loads_the_object() -> None:
    data = make_object(adding(1), host())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(load_and_run, (data,)) == 42


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("kind", ["network", "function"])
def test_a_fork_while_another_thread_compiles_leaves_no_lock(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    original = store.obtain

    def slow(*arguments: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            assert go.wait(60)
        return original(*arguments)

    monkeypatch.setattr(store, "obtain", slow)
    X = np.ones((5, 3))
    net, function = lp.Network([3, 4, 1], seed=0), lp.function(lambda x: lp.tanh(x) * 0.37)
    run = {"network": lambda: net.predict(X), "function": lambda: function(lp.Tensor(X))}[kind]
    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(60)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        run()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    go.set()
    thread.join()
    assert status == 0
