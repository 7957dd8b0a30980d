# SPDX-License-Identifier: MIT
"""Services that break every rule and toolworkers that are killed, under a few
calls; `make bench` does it under fifty. Everything of tests/bench/tools.py
happens once."""

import pytest

from tests.bench import run, tools

CALLS = 8
SEED = 3


@pytest.fixture
def chaos(tmp_path, request):
    with run.Chaos(tmp_path, calls=CALLS, seed=SEED) as made:
        request.node.world = made.world
        yield made
        made.world.finish()


def shares(questions, count):
    """QUESTIONS dealt out to COUNT calls."""
    return [questions[n::count] for n in range(count)]


def test_everything_that_can_go_wrong_is_answered_once_and_rightly(chaos):
    chaos.start()
    calls = chaos.place([[chaos.turn(share, run.PREAMBLE)] for share in
                         shares(chaos.questions.everything(), CALLS)])
    for call in calls:
        call.says("todo", wait=False)
    chaos.world.until(lambda: len(chaos.made(calls)) == len(chaos.asked),
                      "all questions asked")
    chaos.all_answered(calls)
    chaos.judge(calls)
    chaos.judge_services()
    chaos.keeps_secrets()


def test_while_toolworkers_are_killed_there_is_one_answer_each(chaos):
    chaos.start()
    made = run.play_round(chaos, True, 9, SEED)
    assert made.killed + made.frozen > 0
    assert made.ends["sano", "ok"] > 0
    chaos.judge_services()
