# SPDX-License-Identifier: MIT
"""One call from ringing to hang-up: what the caller hears and what the voice
is given, bit by bit; interruptions, keys, silence, limits."""

import pytest

from tests.e2e.world import (GREETING, LIMIT_GOODBYE, SILENT_GOODBYE,
                             STILL_THERE, speech, tone)


@pytest.mark.parametrize("codec", ["ulaw", "alaw"])
def test_a_caller_is_greeted_heard_and_answered_bit_by_bit(world, codec):
    world.answers("La respuesta.")
    world.start()
    call = world.call(codec=codec)
    call.hears(GREETING)
    asked = call.asks("pregunta", "La respuesta.")
    call.heard_by_voice(asked)
    assert call.heard() == [tone(GREETING, codec),
                            tone("La respuesta.", codec)]
    call.hangup().gone(why="caller gone")
