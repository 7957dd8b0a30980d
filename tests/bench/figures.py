# SPDX-License-Identifier: MIT
"""figures.py – what merging, caching, bulkheads and fairness are worth, with
real processes: each function plays one scene, asserts the promise and returns
the lines of the table (what, value)."""

import json
import time

from tests.bench import tools
from tests.sim.recording import percentile

STALE = "(dato de hace {seconds} segundos)"
SLOW_MS = 1500      # longer than all callers need to ask
HEALTHY_MS = 300
MANY = 8            # function calls that one call may have open
FRESH_S = 1.1       # TOOL_QUEUE_FRESH_MS, and a little
TURN_MS = 300       # of the target that takes one at a time


def scene_tools(services):
    """The tools that only scenes use."""
    healthy = services["healthy"]
    integer = {"type": "integer"}
    return {
        "igual": tools.definition(
            "igual", f"{healthy}/igual/${{argument:token}}?ms={SLOW_MS}",
            tool={"cache_s": 60, "stale": STALE}),
        "router": tools.definition(
            "router", f"{healthy}/router/${{argument:router}}/"
            f"${{argument:token}}?ms={HEALTHY_MS}", ("router", "token"),
            tool={"target": "router ${argument:router}"}),
        "turnos": tools.definition(
            "turnos", f"{healthy}/turnos/${{argument:token}}?ms={TURN_MS}",
            {"token": tools.STRING, "ms": integer},
            tool={"target_limit": 1, "deadline_ms": 30000})}


def question(name, token, **more):
    return tools.Question(name, {**more, "token": token}, token, {"ok"})


def ask(calls, name="pregunta"):
    """All of them speak now."""
    for call in calls:
        call.says(name, wait=False)


def asked_at(chaos):
    """{token: when the model had made the call}, monotonic seconds."""
    found = {}
    for entry in list(chaos.world.openai.log.entries):
        if entry["event"] == "called":
            token = tools.TOKEN.search(entry["arguments"])
            found[token[0] if token else None] = entry["t"]
    return found


def latencies_ms(chaos, tokens):
    """How long the model waited for the answers with these tokens."""
    asked = asked_at(chaos)
    answered = {}
    for when, output in list(chaos.outputs):
        token = tools.TOKEN.search(output)
        if token:
            answered[token[0]] = when
    return [1000 * (answered[t] - asked[t]) for t in tokens]


def hang_up(chaos, calls):
    for call in calls:
        call.hangup()
    for call in calls:
        call.gone()
    chaos.world.calls.clear()


def served(chaos, kind, since=0):
    """[(monotonic s, token)] of what the service of a kind was asked."""
    return [(when, token) for seen, when, token in chaos.report()["seen"]
            if seen == kind and when >= since]


def finish(chaos, calls):
    """Answered, judged, hung up."""
    chaos.all_answered(calls)
    ends = chaos.judge(calls)
    hang_up(chaos, calls)
    return ends


def merging(chaos):
    """All callers ask the same, then all once more."""
    token = chaos.questions.token()
    turn = chaos.turn([question("igual", token)])
    calls = chaos.place([[turn, turn] for _ in range(chaos.count)])
    lines, outputs = [], {}
    for again in (False, True):
        if again:       # an age that is worth a word
            old = chaos.outputs[-1][0] + FRESH_S
            chaos.world.until(lambda: time.monotonic() > old, "it is old")
        ask(calls)
        chaos.world.until(
            lambda: len(chaos.made(calls)) == chaos.count * (1 + again),
            "all have asked")
        chaos.all_answered(calls)
        requests = len(served(chaos, "igual"))
        given = chaos.answers(calls)
        new = [json.loads(o[0][1]) for i, o in given.items()
               if i not in outputs]
        outputs.update(given)
        aged = sum("dato de hace" in told["result"] for told in new)
        lines.append((f"{len(new)} callers ask the same"
                      f"{', again' if again else ''}: requests",
                      requests if not again else requests - 1))
        assert requests == 1, f"{requests} requests"
        if again:
            lines.append(("  of these answers, told with their age", aged))
            assert aged == len(new)
    assert sum(finish(chaos, calls).values()) == 2 * chaos.count
    return lines


def bulkheads(chaos, rounds=2):
    """Every caller asks a router of its own, and in every second round all
    ask a dead one, too."""
    waited = {False: [], True: []}      # beside a dead target or not: ms
    for number in range(2 * rounds):
        dead = bool(number % 2)
        own = [[chaos.questions.token() for _ in range(3)]
               for _ in range(chaos.count - 1)]
        scripts = []
        for n, tokens in enumerate(own):
            turns = []
            for token in tokens:
                made = [question("router", token, router=f"r{n}")]
                if dead:
                    made.insert(0, tools.Question(
                        "router", {"router": "muerto",
                                   "token": chaos.questions.token()},
                        "", {"timeout", "busy"}))
                turns.append(chaos.turn(made))
            scripts.append(turns)
        calls = chaos.place(scripts)
        for turn in range(3):
            for call in calls:
                call.says(f"t{turn}", wait=False)
                time.sleep(2 / len(calls))
            chaos.world.until(lambda: len(chaos.made(calls)) == (
                1 + dead) * (turn + 1) * len(calls), "all have asked")
        chaos.all_answered(calls)
        waited[dead] += latencies_ms(chaos, sum(own, []))
        finish(chaos, calls)
    lines = []
    for dead, label in ((False, "alone"), (True, "beside a dead target")):
        values = waited[dead]
        lines.append((f"healthy targets {label}: answer p50 / p95 / max, ms",
                      " / ".join(f"{v:.0f}" for v in (
                          percentile(values, .5), percentile(values, .95),
                          max(values)))))
    quiet, loud = waited[False], waited[True]
    # Within the noise: the middle must not leave the spread of the others.
    assert percentile(loud, .5) <= percentile(quiet, .95), lines
    # A place that waited for the dead one would have waited for its deadline.
    assert percentile(loud, .95) < percentile(quiet, .95) + \
        tools.DEADLINE_MS / 2, lines
    return lines


def fairness(chaos):
    """One call asks as many things as it may of a target that takes one at a
    time; then others ask one each."""
    singles = min(10, chaos.count - 1)
    greedy = [chaos.questions.token() for _ in range(MANY)]
    alone = [chaos.questions.token() for _ in range(singles)]
    ms = dict(ms=TURN_MS)
    scripts = [[chaos.turn([question("turnos", t, **ms) for t in greedy])]]
    scripts += [[chaos.turn([question("turnos", t, **ms)])] for t in alone]
    calls = chaos.place(scripts)
    ask(calls[:1])
    chaos.world.until(lambda: len(chaos.made(calls)) == MANY, "it has asked")
    ask(calls[1:])
    chaos.world.until(
        lambda: len(chaos.made(calls)) == MANY + singles, "all have asked")
    chaos.all_answered(calls, 60)
    order = [token for _, token in served(chaos, "turnos")]
    when = dict((token, t) for t, token in served(chaos, "turnos"))
    asked = asked_at(chaos)
    passed = [sum(asked[token] < when[other] < when[token]
                  for other in greedy) for token in alone]
    waits = latencies_ms(chaos, alone)
    last = latencies_ms(chaos, greedy[-1:])[0]
    finish(chaos, calls)
    assert len(order) == MANY + singles
    # One job of each other call at most goes first, one may just be begun.
    assert max(passed) <= 2, f"{passed} jobs of the greedy call went first"
    return [(f"one call asks {MANY}, {singles} ask one each: of the one "
             "call's jobs went before, at most", max(passed)),
            (f"  the {singles} waited, longest, ms", f"{max(waits):.0f}"),
            (f"  the last of the {MANY} waited, ms", f"{last:.0f}")]
