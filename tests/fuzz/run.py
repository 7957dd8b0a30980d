#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the fuzz targets, two at a time or as many as there are processors:
build/asan/fuzz_NAME on tests/fuzz/corpus/NAME, plus what earlier runs found
(build/fuzz/NAME). Prints a line each; a crash leaves its input in build/fuzz
and fails. Reproduce it with build/asan/fuzz_NAME INPUT."""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / "build/asan"
FOUND = REPO / "build/fuzz"
CORPUS = REPO / "tests/fuzz/corpus"
# Of inputs that are texts of many lines the interesting ones are long.
MAX_LEN = {"memory": 8192, "message": 8192, "rtp": 4096}
SLOWEST_S = 30      # of one input; a machine that stalls is no finding
MEMORY_MB = 1024


def run(target, runs, seed):
    """One target; (name, executions, seconds, features, fault or "")."""
    name = target.name.removeprefix("fuzz_")
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    done = subprocess.run(
        [target, f"-runs={runs}", f"-seed={seed}", "-print_final_stats=1",
         f"-max_len={MAX_LEN.get(name, 6000)}", f"-timeout={SLOWEST_S}",
         f"-rss_limit_mb={MEMORY_MB}", "-detect_leaks=1",
         f"-artifact_prefix={FOUND}/crash-{name}-", found, CORPUS / name],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        errors="replace", check=False,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1"})
    executed = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    features = re.findall(r"ft: (\d+)", done.stderr)
    fault = "" if done.returncode == 0 else done.stderr[-6000:]
    return (name, int(executed.group(1)) if executed else 0,
            time.monotonic() - begin, features[-1] if features else "?",
            fault)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("names", nargs="*", help="targets; all if none")
    arguments = parser.parse_args()
    targets = sorted(path for path in BUILD.glob("fuzz_*")
                     if os.access(path, os.X_OK) and not path.suffix)
    if arguments.names:
        targets = [t for t in targets
                   if t.name.removeprefix("fuzz_") in arguments.names]
    if not targets:
        sys.exit("no fuzz targets below build/asan: make fuzz")
    print(f"{'target':10} {'executions':>11} {'per s':>7} {'features':>8}")
    faults, counts = [], []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, count, seconds, features, fault in pool.map(
                lambda t: run(t, arguments.runs, arguments.seed), targets):
            print(f"{name:10} {count:11,} {count / seconds:7,.0f} "
                  f"{features:>8}{'  FAULT' if fault else ''}", flush=True)
            counts.append(count)
            if not fault and count < arguments.runs:
                fault = f"only {count} of {arguments.runs} inputs were tried"
            if fault:
                faults.append((name, fault))
    total = sum(counts)
    print(f"figure: {total:,} inputs, {len(targets)} targets, "
          f"{len(faults)} faults")
    for name, fault in faults:
        print(f"\n== {name}\n{fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
