# SPDX-License-Identifier: MIT
"""A supervisor that stands still holds the events' socket and would swallow
every new caller: the keeper puts another in its place."""

import signal

from tests.e2e.world import GREETING


def test_a_supervisor_that_hangs_is_replaced_and_no_call_falls(world):
    world.expect("supervisor hangs, killing it", "supervisor ended by signal")
    world.allow("exited with status 0", "callworker ended")
    world.start()
    call = world.call().hears(GREETING)
    old = world.supervisor
    mark = world.service.mark()
    world.service.signal(signal.SIGSTOP, old)
    swallowed = world.call()
    world.service.wait_log("supervisor hangs, killing it", since=mark)
    world.service.wait_log("ari listing -> up", since=mark)
    assert world.supervisor != old
    swallowed.hears(GREETING)
    for each in (call, swallowed):
        each.heard_by_voice(each.says("sigo aquí"))
        each.hangup().gone()
