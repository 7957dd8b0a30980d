# SPDX-License-Identifier: MIT
"""What an operator can get wrong before and while the service runs: said in
one go, with exit status 2, or survived; and where secrets may be kept."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e import ports
from tests.e2e import service as service_module
from tests.e2e.service import BINARY, BUILD, PATIENCE, REPO
from tests.e2e.world import GREETING, PERSONA, TOOL

SECRETS = ("ASTERISK_PASSWORD", "OPENAI_API_KEY")


def refuses(world, status=2):
    """It ends by itself with this status, tried once; what it said."""
    service = world.service.start()
    assert service.wait() == status
    world.status = status
    assert service.count("supervisor started pid=") <= 1
    assert not world.openai.handshakes and not world.ari.requests
    return service.text()


# What is wrong from the start

def test_all_problems_are_said_at_once_and_nothing_is_tried(world):
    said = {
        "MAX_CALLS": "many", "TIMEZONE": "America/Macondo",
        "ASTERISK_USERNAME": None, "VAD_THRESHOLD": "0,5",
        "OPENAI_REALTIME_MODEL": "gpt-4o", "FALLBACK_CONTEXT": "a b",
        "OPENAI_CA_FILE": "/nonexistent/ca.pem", "LOG_LEVEL": "loud",
        "OPENAI_REALTIME_URL": "http://127.0.0.1/v1/realtime",
        "SHOW_CALLER_NUMBER": "perhaps", "DRAIN_SECONDS": "-1"}
    world.make(**said)
    world.service.write_config(ASTERISK_PASSWORD_FILE=None,
                               OPENAI_API_KEY_FILE="/nonexistent/key")
    text = refuses(world)
    for name in (*said, *SECRETS):
        world.expect(rf"error: configuration: .*\b{name}\b")
        assert len(re.findall(rf"configuration: .*\b{name}\b", text)) == 1
    assert "key cannot be read: No such file" in text
    assert "ASTERISK_PASSWORD is not set" in text


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_that_is_nowhere_is_missed_before_the_first_call(
        world, secret):
    """Also the one that the supervisor itself may not read."""
    world.expect(f"configuration: {secret} is not set .* {secret}_FILE")
    world.make()
    world.service.write_config(**{f"{secret}_FILE": None})
    refuses(world)


@pytest.mark.parametrize("what, said", [
    ("missing", "cannot be read: No such file"),
    ("folder", "cannot be read: "),
    ("garbage", "line 2: ")])
def test_a_file_of_settings_that_is_none_is_refused(world, what, said):
    world.expect(f"configuration: .*{said}")
    world.allow("configuration: ")
    world.make()
    config = world.service.config
    if what == "garbage":
        config.write_text("ASTERISK_USERNAME=a\nthis is no setting\n")
    else:
        config.unlink()
    if what == "folder":
        config.mkdir()
    refuses(world)


@pytest.mark.parametrize("arguments", [["--unknown"], ["surplus"],
                                       ["--config"]])
def test_wrong_arguments_show_the_usage(arguments):
    run = subprocess.run([BINARY, *arguments], capture_output=True, text=True,
                         timeout=PATIENCE, env={"PATH": "/usr/bin"})
    assert run.returncode == 2
    assert "Usage: telefonista [--config FILE]" in run.stderr


def test_personas_that_are_not_there_are_refused(world):
    world.expect("PERSONA: there is no good file .*/nadie.md",
                 "PERSONA_DIR: /nonexistent: No such file")
    world.make(PERSONA="nadie")
    refuses(world)
    world.service.write_config(PERSONA="prueba", PERSONA_DIR="/nonexistent")
    world.service.log.unlink()
    world.expected.pop(0)
    refuses(world)


# What is missing

@pytest.fixture
def installed(world, monkeypatch, tmp_path):
    """A copy of the binaries, of which some can be taken away."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for path in BUILD.glob("telefonista*"):
        if path.is_file():
            shutil.copy(path, folder)
    monkeypatch.setattr(service_module, "BINARY", folder / "telefonista")
    return folder


def test_without_its_supervisor_the_keeper_says_so_and_ends(world, installed):
    (installed / "telefonista-supervisor").unlink()
    world.expect("telefonista-supervisor is neither beside this program nor")
    world.make()
    assert "No such file" in refuses(world, status=1)


def test_without_callworkers_calls_go_to_the_fallback(world, installed):
    """An upgrade that was interrupted; they are found when they are back."""
    binary = installed / "telefonista-callworker"
    away = installed / "away"
    binary.rename(away)
    world.expect("alarm=process .*callworker could not be started: No such file",
                 "goes to the fallback")
    world.make(ANSWER_TIMEOUT_MS=1000).start()
    world.service.wait_log("ari listing -> up")
    world.call().to_fallback()
    tried = world.service.count("alarm=process")
    assert tried < 12       # less and less often
    away.rename(binary)
    world.service.signal(signal.SIGHUP)
    world.until(lambda: world.openai.live, "a session")
    world.healthy()


def test_without_toolworkers_callers_are_told_the_truth(world, installed):
    (installed / "telefonista-toolworker").unlink()
    world.expect("alarm=process .*toolworker could not be started")
    world.allow("toolworker lost", "tool answered", "tool call refused")
    world.answers({"calls": [{"name": TOOL, "arguments": {
        "question": "¿Cuántos clientes hay?"}}], "then": {"reply": "No sé."}})
    definition = (REPO / f"etc/tools.d/{TOOL}.json").read_text()
    tools = world.folder / "tools.d"
    tools.mkdir()
    (tools / f"{TOOL}.json").write_text(re.sub(
        r'"deadline_ms":\s*\d+', '"deadline_ms": 2000',
        re.sub(r'\s*"timeout_argument":[^\n]*\n', "\n", definition)))
    world.start(TOOLS_DIR=tools)
    call = world.call().hears(GREETING)
    call.asks("cuántos", "No sé.")
    [output] = [e["item"]["output"]
                for e in call.session.received("conversation.item.create")
                if e["item"]["type"] == "function_call_output"]
    assert "timeout" in output and "error" in output


# What is taken or broken

def test_ports_that_others_have_are_passed_over(world):
    taken = world.closing.enter_context(contextlib.ExitStack())
    first = ports.bind_in_a_row(taken, world.rtp_first,
                                world.rtp_first + 99, 3)
    world.expect("alarm=rtp_port no RTP port is left",
                 'goes to the fallback why="no RTP port"')
    world.allow("RTP_PORT_MIN, RTP_PORT_MAX: 4 ports")
    world.start(MAX_CALLS=2, RTP_PORT_MIN=first, RTP_PORT_MAX=first + 3)
    call = world.call().hears(GREETING)     # on the last one
    world.call().to_fallback(why="no RTP port")
    call.heard_by_voice(call.says("sigo"))
    taken.close()
    world.healthy()
    call.heard_by_voice(call.says("sigo otra vez"))


BAD_PERSONAS = {
    "unknown_field": PERSONA.replace("voice:", "vioce:"),
    "no_greeting": re.sub("greeting:.*\n", "", PERSONA),
    "no_instructions": PERSONA[:PERSONA.rindex("---") + 4],
    "no_end": PERSONA.replace("---\nUsted", "Usted"),
    "latin1": PERSONA,
    "empty": "",
    "bad name": PERSONA,
}


def test_bad_persona_files_do_not_take_others_down(world):
    """Each is named; a caller who was to get one gets the default one."""
    world.make()
    folder = world.folder / "personas"
    for name, text in BAD_PERSONAS.items():
        path = folder / f"{name}.md"
        path.write_text(text.replace(GREETING, "Mala."), encoding="latin-1"
                        if name == "latin1" else "utf-8")
        world.expect(f"configuration: {path}.*: .*")
    (folder / "buena.md").write_text(PERSONA.replace(GREETING, "Soy buena."))
    world.service.start()
    world.ready()
    world.call(args=["persona=buena"]).hears("Soy buena.")
    for name in [*BAD_PERSONAS, "nadie", "../prueba", "x" * 300]:
        call = world.call(args=[f"persona={name}"]).hears(GREETING)
        call.wait_log(r"persona=prueba \(not found\)")
        call.hangup()


def test_a_bad_tool_file_does_not_take_others_down(world):
    tools = world.folder / "tools.d"
    tools.mkdir()
    shutil.copy(REPO / f"etc/tools.d/{TOOL}.json", tools)
    (tools / "mala.json").write_text('{"name": "mala"')
    world.expect(f"configuration: {tools}/mala.json")
    world.start(TOOLS_DIR=tools)
    call = world.call().hears(GREETING)
    assert [t["name"] for t in call.session.config["tools"]] == [TOOL]


def test_a_secret_that_a_tool_lacks_is_said_until_it_is_there(world):
    tools = world.folder / "tools.d"
    tools.mkdir()
    definition = json.loads(
        (REPO / f"etc/tools.d/{TOOL}.json").read_text())
    definition["executor"] = {
        "type": "http", "url": "https://crm.test/x",
        "headers": {"Authorization": "Bearer ${secret:TOOL_CRM_TOKEN}"}}
    (tools / f"{TOOL}.json").write_text(json.dumps(definition))
    said = f'configuration: tool "{TOOL}": TOOL_CRM_TOKEN is not there'
    world.expect(said)
    world.start(TOOLS_DIR=tools)
    assert world.service.count(said) == 1
    world.service.write_config(TOOLS_DIR=tools, TOOL_CRM_TOKEN="crm-0123456")
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("reading the configuration again", since=mark)
    world.healthy()
    assert world.service.count(said) == 1
    assert "crm-0123456" not in world.service.text()


def test_a_log_file_that_cannot_be_written_is_said_where_it_can_be(world):
    world.expect("supervisor.* alarm=log_file LOG_FILE_PATH cannot be opened "
                 "path=/nonexistent/a.log error=No such file")
    world.allow("alarm=log_file")
    world.start(LOG_FILE_PATH="/nonexistent/a.log")
    world.healthy()
    path = world.folder / "a.log"
    world.service.write_config(LOG_FILE_PATH=path)
    world.service.signal(signal.SIGHUP)
    world.until(path.exists, "the log where it is now")


def test_a_wrong_password_of_asterisk_is_put_right_without_a_restart(world):
    world.expect("alarm=ari_password Asterisk refuses the user")
    world.allow("ari ")
    world.make()
    password = world.folder / "asterisk_password"
    password.write_text("wrong-one\n")
    world.service.start()
    world.service.wait_log("alarm=ari_password")
    assert world.service.status is None
    password.write_text(world.ari.password + "\n")
    world.service.signal(signal.SIGHUP)
    world.ready()
    world.healthy()
    assert "wrong-one" not in world.service.text()


# Where secrets may be, and where they are not

def keep_in_environment(world):
    world.service.environment.update(world.service.secrets)
    return None


def keep_in_files(world):
    return {f"{name}_FILE": world.folder / name.lower() for name in SECRETS}


def keep_in_credentials(world):
    """As systemd does it: LoadCredential=NAME:PATH."""
    folder = world.folder / "credentials"
    folder.mkdir()
    for name, value in world.service.secrets.items():
        (folder / name).write_text(value)
    world.service.environment["CREDENTIALS_DIRECTORY"] = str(folder)
    return None


def keep_in_settings(world):
    return dict(world.service.secrets)


PLACES = [keep_in_environment, keep_in_files, keep_in_credentials,
          keep_in_settings]


@pytest.mark.parametrize("keep", PLACES, ids=lambda f: f.__name__[8:])
def test_secrets_work_from_there_and_are_seen_nowhere(world, keep):
    """Neither in what the kernel shows of any process nor in the log; and
    after SIGHUP they are known still."""
    world.make(LOG_LEVEL="debug", WARM_WORKERS=2)
    for name in SECRETS:
        del world.service.settings[f"{name}_FILE"]
    world.service.write_config(**(keep(world) or {}))
    world.service.start()
    world.ready()
    call = world.call().hears(GREETING)
    shown = {path: Path(path).read_bytes() for pid in world.service.tree()
             for path in (f"/proc/{pid}/environ", f"/proc/{pid}/cmdline")}
    assert len(shown) >= 2 * 5
    for path, text in shown.items():
        for secret in world.service.secrets.values():
            assert secret.encode() not in text, path
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("reading the configuration again", since=mark)
    world.until(lambda: len([s for s in world.openai.live if s.events_out and
                             s is not call.session]) == 2, "new spares")
    world.healthy()
    assert not world.service.find("the old one stays")


def test_no_process_leaves_its_memory_in_a_core_dump(world):
    world.start()
    for pid, role in world.service.tree().items():
        limits = Path(f"/proc/{pid}/limits").read_text()
        if role != "keeper":        # which holds no secret in its memory
            assert re.search(r"^Max core file size +0 +0 ", limits, re.M)
