"""The processor's own business in a loop: where threads meet, denormal numbers, the clock.

Answers for what differs between kinds of processors. Not for: which they are (``target``).
"""

from __future__ import annotations

from limpide.engines.native.target import Target
from limpide.engines.native.writer import I64, PTR, Value, Writer, index, module_text


def clock_name(target: Target) -> str:
    on_x86 = target.triple.startswith("x86_64")
    return "llvm.readcyclecounter" if on_x86 else "llvm.readsteadycounter"


def clock_text(target: Target) -> str:
    """Give a module whose function ``clock`` reads the clock that timed loops count by."""
    name = clock_name(target)
    body = f"  %now = call i64 @{name}()\n  ret i64 %now"
    function = f"define i64 @clock() {{\n{body}\n}}\ndeclare i64 @{name}()"
    return module_text(target, [function], [])


_BARRIER = """define internal void @meet(ptr %met, i64 %threads, ptr %barrier, ptr %yield) {
entry:
  %alone = icmp sle i64 %threads, 1
  br i1 %alone, label %end, label %come
come:
  %before = load i64, ptr %met, align 8
  %target = add i64 %before, %threads
  store i64 %target, ptr %met, align 8
  %old = atomicrmw add ptr %barrier, i64 1 acq_rel, align 8
  %can = icmp ne ptr %yield, null
  br label %look
look:
  %tries = phi i64 [ 0, %come ], [ %more, %spin ], [ 0, %rest ]
  %here = load atomic i64, ptr %barrier acquire, align 8
  %done = icmp sge i64 %here, %target
  br i1 %done, label %end, label %wait
wait:
  %many = icmp sgt i64 %tries, 2000
  %give = and i1 %many, %can
  br i1 %give, label %rest, label %spin
spin:
  %more = add i64 %tries, 1
  PAUSE
  br label %look
rest:
  %ignored = call i32 %yield()
  br label %look
end:
  ret void
}"""


def meeting(w: Writer) -> str:
    """Give the function ``meet(met, threads, barrier, yield)``: threads wait for each other."""
    return _BARRIER.replace("PAUSE", _pause(w))


def _pause(w: Writer) -> str:
    """Give the instruction that tells the processor that a thread waits."""
    if w.target.triple.startswith("x86_64"):
        w.declared["llvm.x86.sse2.pause"] = "declare void @llvm.x86.sse2.pause()"
        return "call void @llvm.x86.sse2.pause()"
    return "fence acquire"


_FLUSH_BITS = 0x8040  # of MXCSR: results that are denormal, and operands, become 0
_FLUSH_ARM = 1 << 24  # of FPCR


def flush_denormals(w: Writer) -> Value | None:
    """Have denormal numbers taken for 0, which are slow; gives the word to put back."""
    if w.target.triple.startswith(("x86_64", "i386", "i686")):
        memory = w.local(I64, 2)
        w.declared["llvm.x86.sse.stmxcsr"] = "declare void @llvm.x86.sse.stmxcsr(ptr)"
        w.declared["llvm.x86.sse.ldmxcsr"] = "declare void @llvm.x86.sse.ldmxcsr(ptr)"
        w.line(f"call void @llvm.x86.sse.stmxcsr({memory})")
        i32 = I64._replace(element="i32")
        before = w.load(i32, memory)
        changed = w.at(memory, 8, "i8")
        w.store(w.binary("or", before, index(_FLUSH_BITS)._replace(type=i32)), changed)
        w.line(f"call void @llvm.x86.sse.ldmxcsr({changed})")
        return memory
    if w.target.triple.startswith(("aarch64", "arm64")):
        w.declared["llvm.aarch64.get.fpcr"] = "declare i64 @llvm.aarch64.get.fpcr()"
        w.declared["llvm.aarch64.set.fpcr"] = "declare void @llvm.aarch64.set.fpcr(i64)"
        before = w.emit(I64, "call i64 @llvm.aarch64.get.fpcr()")
        changed = w.binary("or", before, index(_FLUSH_ARM))
        w.line(f"call void @llvm.aarch64.set.fpcr({changed})")
        return before
    return None


def restore(w: Writer, saved: Value | None) -> None:
    if saved is None:
        return
    if saved.type == PTR:
        w.line(f"call void @llvm.x86.sse.ldmxcsr({saved})")
    else:
        w.line(f"call void @llvm.aarch64.set.fpcr({saved})")
