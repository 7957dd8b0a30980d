# SPDX-License-Identifier: MIT
"""A new version brought in by SIGHUP under real telephones: the one Asterisk
moves the application's events from the old supervisor to the new one."""

import time

import pytest

from tests.e2e import service as service_module
from tests.e2e.installed import Installed, versions
from tests.e2e.test_upgrade import digits, reload
from tests.e2e.world import GREETING, LONG, tone


@pytest.fixture
def installed(world, monkeypatch, tmp_path):
    made = Installed(tmp_path / "bin")
    monkeypatch.setattr(service_module, "BINARY", made.path())
    return made


def test_two_upgrades_in_a_call_are_not_heard_and_lose_no_digit(
        world, installed):
    world.answers(LONG, LONG, "Sigo.")
    # The old supervisor's socket ends when its process does.
    world.ari.allowed.append(r"[Ww]eb ?[Ss]ocket (closed abruptly|read error)")
    world.start(WARM_WORKERS=2)
    before_ns = time.monotonic_ns()
    call = world.call().hears(GREETING)
    dialling = world.call().hears(GREETING)
    for n in (1, 2):
        asked = call.says("diga")
        call.begins_to_hear(LONG, ms=300)
        build = installed.upgrade()
        dialling.phone.sip.dtmf("12345678"[:4 * n], 60, 60, wait=False)
        newcomer = world.call()
        log = reload(world)
        assert "alarm=" not in log
        assert list(versions(world.service, "supervisor").values()) == [build]
        assert list(versions(world.service, "keeper").values()) == [build]
        newcomer.hears(GREETING).hangup().gone(why="caller gone")
        call.hears(LONG, asked.end_ns)
        world.until(lambda: digits(dialling) == "123412345678"[:4 + 8 * (n - 1)],
                    lambda: f"digits: {digits(dialling)}")
    # Bit by bit, and nothing in between.
    assert call.heard() == [tone(t) for t in (GREETING, LONG, LONG)]
    assert call.gap_ms(before_ns) < 200
    call.asks("y ahora", "Sigo.")
    # The name is still there: who calls now is served at the first try.
    after = world.call().rings()
    after.up().hears(GREETING)
    dialling.hangup().gone(why="caller gone")
    for each in (call, after):
        bye = each.hangup().gone(why="caller gone")
        assert '"lost":0' in bye.wait_log(r"worker says bye (.*)")[1]
