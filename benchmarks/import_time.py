"""What ``import limpide`` costs beyond NumPy: at most 50 ms, and no other package.

Run: python benchmarks/import_time.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from measure import machine

CODE = "import time, numpy; t = time.perf_counter(); import limpide; print(time.perf_counter() - t)"
USE = CODE.replace("; print", "; limpide.Network; limpide.function; print")


def main() -> None:
    print(machine())
    for name, code in (("import limpide", CODE), ("… and Network, function", USE)):
        times = [
            float(subprocess.run([sys.executable, "-c", code], stdout=-1, check=True).stdout)
            for _ in range(11)
        ]
        print(
            f"{name}: {statistics.median(times) * 1e3:.1f} ms beyond numpy "
            f"({min(times) * 1e3:.1f} to {max(times) * 1e3:.1f}), asked: at most 50 for the import"
        )


if __name__ == "__main__":
    main()
