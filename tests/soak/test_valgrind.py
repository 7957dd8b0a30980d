# SPDX-License-Identifier: MIT
"""One whole call, with a tool and a goodbye, all of whose processes run in
valgrind's memcheck: no error, nothing lost, no descriptor left open. Nothing
is suppressed: the libraries are as clean as we are."""

import re

import pytest

from tests.e2e import service as service_module
from tests.e2e.test_call_control import HANG_UP, hanging_up
from tests.e2e.world import GREETING, TOOL

QUESTION = {"question": "¿Cuántos clientes hay?"}
# Of the kernel's descriptors those that the keeper has until it is gone: its
# memory, its signals, the supervisor's binary and the one that was good.
KEEPERS_OWN = 4
SLOW_S = 90
# A process that is not heard for two seconds is killed, and they are twenty
# times slower in there: they go before others. Where that is not allowed they
# have to be fast enough by themselves.
WRAPPER = """#!/bin/sh
{{ echo -15 >/proc/self/autogroup; }} 2>/dev/null
renice -n -10 -p $$ >/dev/null 2>&1
exec valgrind --trace-children=yes --leak-check=full --track-fds=yes \\
	--show-leak-kinds=definite,indirect,possible --log-file={out}/%p.log \\
	{binary} "$@"
"""


@pytest.fixture
def reports(world, monkeypatch):
    """The folder of valgrind's reports, one per process."""
    out = world.folder / "valgrind"
    out.mkdir()
    wrapper = world.folder / "in-valgrind"
    wrapper.write_text(WRAPPER.format(out=out, binary=service_module.BINARY))
    wrapper.chmod(0o755)
    monkeypatch.setattr(service_module, "BINARY", wrapper)
    # Valgrind makes system calls of its own.
    monkeypatch.setitem(service_module.WALLS, "SANDBOX", "off")
    return out


def role(report):
    return re.search(r"Command: \S*/telefonista-?(\w*)", report)[1] or "keeper"


def problems(report):
    """What valgrind has to say of one process, in its own words."""
    found = [line for line in re.findall(
        r"ERROR SUMMARY: .*|(?:definitely|indirectly|possibly) lost: .*",
        report) if not re.search(r": 0 (errors|bytes)", line)]
    # Our own only: "<inherited from parent>" comes with the wrapper.
    opened = re.findall(r"(Open (?:file descriptor|AF_\w+ socket) \d+:.*)\n"
                        r"==\d+==    at ", report)
    if len(opened) > (KEEPERS_OWN if role(report) == "keeper" else 0):
        found += opened
    return found


@pytest.mark.long
def test_a_whole_call_leaves_no_memory_and_no_descriptor(world, reports):
    world.allow(".")        # of a machine that is too slow for valgrind
    world.script(turns=[
        {"preamble": "Ya miro.", "calls": [
            {"name": TOOL, "arguments": QUESTION}],
         "then": {"reply": "Son doce."}}, hanging_up("Que le vaya bien.")])
    world.make(AUDIO_PRIORITY="no", MAX_CALLS=2)
    persona = world.folder / "personas/prueba.md"
    persona.write_text(persona.read_text().replace(
        f"tools: {TOOL}\n", f"tools: {TOOL}, {HANG_UP}\n"))
    service = world.service.start()
    service.wait_log("ari listing -> up", SLOW_S)
    service.wait_log("-> warm", SLOW_S)
    call = world.call().hears(GREETING, seconds=SLOW_S)
    call.says("cuántos")
    call.hears("Son doce.", seconds=SLOW_S)
    call.says("gracias")
    call.hears("Que le vaya bien.", seconds=SLOW_S)
    call.phone.wait_for("ended", SLOW_S)
    call.gone(why="voice hung up")
    assert service.stop(SLOW_S) == 0
    texts = [path.read_text(errors="replace")
             for path in reports.glob("*.log")]
    found = {}
    for text in texts:
        found.setdefault(role(text), []).extend(problems(text))
    print("\n" + "\n".join(f"{name}: {sum(role(t) == name for t in texts)} "
                           f"processes, {what or 'nothing'}"
                           for name, what in sorted(found.items())))
    assert found == {"keeper": [], "supervisor": [], "callworker": [],
                     "toolworker": []}, "\n".join(
        text for text in texts if problems(text))
    print(f"figure: {len(texts)} processes, no error, nothing lost, no "
          "descriptor left open")
