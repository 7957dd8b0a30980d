# SPDX-License-Identifier: MIT
"""Calls while everything breaks: callworkers, supervisors and toolworkers are
killed and hang, sessions and connections are cut, Asterisk restarts, people
hang up. A call that nobody meant to end goes on, and when all are over the
service holds what it held before the first.

    python3 -m tests.soak [--calls 2000] [--rounds 10] [--at-once 20]
                          [--seed N]
"""

import argparse
import collections
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.service import REPO
from tests.soak import breaker, run

KEPT = REPO / "build" / "soak"      # the log of a run that failed


def say(text):
    print(text, flush=True)


def show_round(number, made):
    values = " ".join(f"{v:>6}" for v in made.holdings.line())
    ends = ", ".join(f"{end} {n}" for end, n in made.outcomes.most_common())
    say(f"{number:>5} {made.calls:>6} {made.seconds:>6.0f} {values}   "
        f"{len(made.hits)} faults; {ends}; {made.answers} answers, "
        f"{made.repeated} asked again")
    for out, kind in made.lost:
        say(f"      {out.end}: {out.number} {out.call} doing {out.what!r} "
            f"after {kind}: {out.detail}")


def show_causes(soak):
    """What every fault cost."""
    times, hit, cost = (collections.Counter() for _ in range(3))
    for made in soak.rounds:
        for each in made.hits:
            times[each.kind] += 1
            hit[each.kind] += len(each.callers)
        cost.update(kind for _, kind in made.lost)
    say(f"\n  {'fault':<18}{'times':>7}{'calls hit':>11}{'lost':>6}")
    for kind in [*breaker.WEIGHTS, "nothing"]:
        if times[kind] or cost[kind]:
            say(f"  {kind:<18}{times[kind]:>7}{hit[kind]:>11}{cost[kind]:>6}")
    say(f"  {'all':<18}{sum(times.values()):>7}{sum(hit.values()):>11}"
        f"{sum(cost.values()):>6}")


def show_log(soak):
    story = soak.story.read()
    say("\nAlarms: " + (", ".join(f"{name} {n}" for name, n in
                                  story.alarms.most_common()) or "none"))
    say("Warnings and errors in the log, most frequent first:")
    for text, number in story.complaints.most_common(40):
        say(f"  {number:>6}  {text[:150]}")


def play(soak, options):
    """The rounds. In the second half of them supervisors live, so that what
    one of them gathers in many calls is seen."""
    say("round  calls seconds  keeper: pss, rss, own  supervisor: the same "
        "(kB, idle)")
    say("    0      0      0 " + " ".join(
        f"{v:>6}" for v in soak.idle[0].line()))
    for number in range(options.rounds):
        share = options.calls // options.rounds + (
            number < options.calls % options.rounds)
        without = () if number < (options.rounds + 1) // 2 else \
            breaker.OF_SUPERVISOR
        show_round(number + 1, soak.play(share, without))


def soak(options):
    """What went wrong, in words; [] if nothing."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tsoak-") as folder:
        with run.Soak(Path(folder), seed=options.seed,
                      at_once=options.at_once) as made:
            try:
                play(made.start(), options)
                show_causes(made)
                show_log(made)
                problems = made.problems()
                for problem in problems[:50]:
                    say(f"PROBLEM {problem}")
                made.finish()
            except BaseException:
                say(f"failed; logs are in {made.chaos.keep(KEPT)}")
                raise
            if problems:
                made.chaos.keep(KEPT)
    hits = [hit for made_round in made.rounds for hit in made_round.hits]
    say(f"\nfigure: {options.calls} calls in {time.monotonic() - begin:.0f} s, "
        f"seed {options.seed}, {len(hits)} faults of "
        f"{len({hit.kind for hit in hits})} kinds that hit "
        f"{sum(len(hit.callers) for hit in hits)} calls: " + (
            f"{len(problems)} problems, logs in {KEPT}"
            if problems else "nothing lost, nothing left"))
    return problems


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    return 1 if soak(parser.parse_args()) else 0


if __name__ == "__main__":
    sys.exit(main())
