#!/usr/bin/env python3
"""Instructions per event, counted by callgrind: the same on every machine for one binary.

    benches/instructions.py BINARY

runs the benchmark BINARY (benches/mapping.rs) under valgrind with few and with many repeats; the
difference leaves the start out.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FEW, MANY = 100, 1100


def instructions(binary, repeats):
    with tempfile.TemporaryDirectory() as directory:
        out = pathlib.Path(directory, "callgrind.out")
        subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", binary, "--repeat", str(repeats)],
            check=True, capture_output=True)
        return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)[1])


def main():
    if not shutil.which("valgrind"):
        print("instructions per event: skipped, valgrind is not installed")
        return
    binary = sys.argv[1]
    counted = instructions(binary, MANY) - instructions(binary, FEW)
    print(f"identify: {counted // (MANY - FEW)} instructions per event (callgrind)")


if __name__ == "__main__":
    main()
