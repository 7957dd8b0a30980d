# SPDX-License-Identifier: MIT
"""Fifty calls that talk, and the same with tools that ask services which
break every rule while toolworkers are killed: in turns, on the same machine.
Asserts that every function call gets its one right answer, and that playout
is no worse; before, shows merging, caching, bulkheads and fairness as figures.
Takes about five minutes and most of two cores.

    python3 -m tests.bench [--calls 50] [--rounds 4] [--seconds 15] [--seed N]
"""

import argparse
import collections
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import compare, figures, run
from tests.e2e.service import REPO

KEPT = REPO / "build" / "bench"     # logs of a run that failed


def say(text):
    print(text, flush=True)


def table(lines):
    """Aligned; a value is a text or a number."""
    width = max(len(str(what)) for what, *_ in lines)
    for what, *values in lines:
        say(f"  {what:<{width}}  " + "".join(f"{v!s:>14}" for v in values))


def play(chaos, options):
    """The rounds, in turns; without tools first."""
    chaos.give_way()
    rounds = []
    for number in range(2 * options.rounds):
        with_tools = bool(number % 2)
        made = run.play_round(chaos, with_tools, options.seconds,
                              options.seed + number)
        rounds.append(made)
        say(f"round {number + 1} of {2 * options.rounds}, "
            f"{'tools   ' if with_tools else 'no tools'}: late p99 "
            f"{statistics.median(made.late_p99_ms):.2f} ms, "
            f"{sum(made.ends.values())} function calls, "
            f"{made.killed} toolworkers killed, {made.frozen} frozen")
    return rounds


def show_answers(rounds):
    ends = sum((r.ends for r in rounds), collections.Counter())
    names = collections.defaultdict(dict)
    for (name, status), number in sorted(ends.items()):
        names[name][status] = number
    say(f"\n{sum(ends.values())} function calls, one answer each:")
    table([(name, ", ".join(f"{status} {n}" for status, n in sorted(
        statuses.items(), key=lambda item: -item[1])))
        for name, statuses in sorted(names.items())])


def show_playout(rounds):
    """Whether none is worse."""
    verdicts = compare.verdicts(rounds)
    say("\nPlayout, mean over rounds of the median call:")
    table([("", "no tools", "tools", "noise", "chance"), *(
        (what, f"{statistics.mean(v.without):.2f}",
         f"{statistics.mean(v.with_tools):.2f}", f"{v.noise:.2f}",
         f"{v.chance:.2f}" + (" WORSE" if v.worse else ""))
        for what, v in verdicts)])
    return not any(v.worse for _, v in verdicts)


def with_chaos(options, play_it, **how):
    with tempfile.TemporaryDirectory(prefix="tbench-") as folder:
        with run.Chaos(Path(folder), calls=options.calls, seed=options.seed,
                       strict=False, **how) as chaos:
            try:
                chaos.start()
                result = play_it(chaos)
                chaos.judge_services()
                chaos.world.finish()
            except Exception:
                say(f"failed; logs are in {chaos.keep(KEPT)}")
                raise
            return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=4,
                        help="with tools and without; 0: figures only")
    parser.add_argument("--seconds", type=float, default=15, help="of a round")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begin, good = time.monotonic(), True
    say("Merging, caching, bulkheads, fairness:")
    table(with_chaos(
        options, lambda chaos: figures.merging(chaos) +
        figures.bulkheads(chaos) + figures.fairness(chaos),
        define=figures.scene_tools))
    if options.rounds:
        say("")
        rounds = with_chaos(options, lambda chaos: play(chaos, options))
        show_answers(rounds)
        good = show_playout(rounds)
    say(f"\n{time.monotonic() - begin:.0f} s; every answer was right" + (
        "." if good else ", but playout is worse with tools."))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
