# SPDX-License-Identifier: MIT
"""telefonista --check against the simulators: what is wrong is said all at
once, in an operator's words, with exit status 2, and no secret is printed."""

import json
import os
import re
import resource
import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.service import WALLS
from tests.sim.ari import AriSim
from tests.sim.mikrotik import MikrotikSim
from tests.sim.openai_realtime import OpenAISim

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / os.environ.get("TELEFONISTA_BUILD", "build")
PATIENCE = 90           # seconds; the check itself gives up after about 60


class Report:
    """What one run printed, as lists of findings."""

    def __init__(self, process):
        self.status = process.returncode
        self.text = process.stdout
        self.log = process.stderr
        found = re.findall(r"^(ok|warning|error) +(.*)$", self.text, re.M)
        self.ok, self.warnings, self.errors = (
            [text for level, text in found if level == name]
            for name in ("ok", "warning", "error"))

    def __repr__(self):
        return f"exit {self.status}\n{self.text}\n{self.log}"


class Rig:
    """The three peers, and a configuration that suits them."""

    def __init__(self, directory):
        self.directory = directory
        self.ari = AriSim().start_in_thread()
        self.ari.default_sound_s = 5    # a sentence
        self.openai = OpenAISim()
        self.openai.start_in_thread()
        self.mikrotik = MikrotikSim()
        self.mikrotik.start_in_thread()
        self.settings = {
            "ASTERISK_PORT": self.ari.port,
            "ASTERISK_USERNAME": self.ari.user,
            "ASTERISK_PASSWORD": self.ari.password,
            "OPENAI_API_KEY": self.openai.api_key,
            "OPENAI_REALTIME_URL": self.openai.url,
            "OPENAI_CA_FILE": self.openai.ca_file,
            "MIKROTIK_API_URL": self.mikrotik.ready_info()["url"],
            "PERSONA_DIR": REPO / "etc/personas",
            "TOOLS_DIR": REPO / "etc/tools.d",
        }

    def check(self, environment=None, **changes):
        file = self.directory / "telefonista.env"
        settings = {**self.settings, **changes}
        file.write_text("".join(f"{key}='{value}'\n" for key, value
                                in settings.items() if value is not None))
        file.chmod(0o600)
        report = Report(subprocess.run(
            [BUILD / "telefonista", "--config", file, "--check"],
            env={"PATH": "/usr/bin:/bin", **WALLS, **(environment or {})},
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE))
        for secret in (self.ari.password, self.openai.api_key):
            assert secret not in report.text + report.log
        return report

    def stop(self):
        self.openai.stop_thread()
        self.mikrotik.stop_thread()
        self.ari.stop()
        for simulator in (self.ari, self.openai, self.mikrotik):
            assert not simulator.violations


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.stop()


def closed_port():
    """A port on which nobody listens; kept bound, so that nobody will."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held, held.getsockname()[1]


def said(findings, *words):
    """Whether one finding has all the words."""
    return any(all(word in text for word in words) for text in findings)


def test_all_is_well(rig):
    report = rig.check()
    assert report.status == 0, report
    assert not report.errors and not report.warnings, report
    assert said(report.ok, "Asterisk", "answers at"), report
    assert said(report.ok, rig.ari.user, "may act on calls"), report
    assert said(report.ok, "chan_rtp"), report
    assert said(report.ok, "MikroTik", "answers"), report
    assert said(report.ok, "OpenAI", "key", "gpt-realtime-2.1"), report
    assert said(report.ok, "soporte", "consultar_mikrotik"), report
    assert report.text.endswith("Ready to take calls.\n")
    # It changed nothing there.
    assert not rig.ari.model.channels and not rig.ari.model.bridges


def transfer_to(endpoint, folder):
    """A folder with the sample's transfer, to a person who is there."""
    tool = json.loads((REPO / "etc/tools.d/transferir_llamada.json")
                      .read_text())
    tool["executor"]["destinations"]["persona"]["endpoint"] = endpoint
    folder.mkdir()
    (folder / "transferir_llamada.json").write_text(json.dumps(tool))
    return folder


def test_every_destination_of_a_transfer_is_told(rig, tmp_path):
    report = rig.check()
    assert said(report.ok, "transferir_llamada",
                "persona is Local/persona@telefonista-transfer"), report
    assert said(report.ok, "extension is Local/${argument:extension}@"), report
    folder = transfer_to("PJSIP/200", tmp_path / "tools.d")
    report = rig.check(TOOLS_DIR=folder)
    assert said(report.warnings, "no endpoint PJSIP/200", "persona"), report
    rig.ari.person("PJSIP/200")
    report = rig.check(TOOLS_DIR=folder)
    assert not said(report.warnings, "PJSIP/200"), report


def test_a_sound_that_asterisk_cannot_play_is_told(rig):
    """Callers hear nothing else when there is no voice for them."""
    report = rig.check()
    assert said(report.ok, "can play sound:telefonista-sin-servicio"), report
    rig.ari.sounds["telefonista-sin-servicio"] = None
    report = rig.check()
    assert report.status == 2, report
    assert said(report.errors, "FALLBACK_SOUND",
                "cannot play sound:telefonista-sin-servicio",
                "etc/asterisk/README.md"), report
    # Then the dialplan decides what they hear.
    report = rig.check(FALLBACK_CONTEXT="telefonista-fallback")
    assert report.status == 0, report
    assert said(report.warnings, "FALLBACK_SOUND", "cannot play"), report
    report = rig.check(FALLBACK_SOUND="")
    assert report.status == 0 and not said(report.warnings, "FALLBACK_SOUND")
    # Nothing is left in Asterisk.
    assert not rig.ari.model.bridges


def test_an_asterisk_that_does_not_say_is_no_error(rig):
    rig.ari.fault("POST", "/bridges/[^/]+/play", status=500)
    report = rig.check()
    assert report.status == 0, report
    assert said(report.warnings, "FALLBACK_SOUND", "chan_bridge_media"), report


def test_nobody_for_callers_who_want_a_person_is_a_warning(rig):
    report = rig.check(PERSON_DESTINATION="extension")
    assert said(report.warnings, "press 0", '"extension"'), report
    report = rig.check(PERSON_DESTINATION="nadie",
                       FALLBACK_CONTEXT="telefonista-fallback")
    assert not said(report.warnings, "press 0"), report


def test_everything_wrong_is_said_at_once(rig):
    report = rig.check(ASTERISK_USERNAME=None, MAX_CALLS="many",
                       TIMEZONE="America/Macondo", OPENAI_API_KEY=None,
                       OPENAI_REALTIME_MODEL="gpt-4o", MIKROTIK_API_URL=None)
    assert report.status == 2
    for words in (("ASTERISK_USERNAME", "not set"), ("MAX_CALLS", "many"),
                  ("TIMEZONE", "Macondo"), ("OPENAI_API_KEY", "not set"),
                  ("gpt-4o", "use gpt-realtime-2.1"),
                  ("ASTERISK_USERNAME", "ari.conf")):
        assert said(report.errors, *words), (words, report)
    assert said(report.warnings, "MIKROTIK_API_URL"), report
    # Two roles read the file; each fault is told once.
    assert len(set(report.errors)) == len(report.errors), report


def test_asterisk_is_not_running(rig):
    held, port = closed_port()
    with held:
        report = rig.check(ASTERISK_PORT=port)
    assert report.status == 2
    assert said(report.errors, f"127.0.0.1:{port}", "is it running",
                "http.conf"), report
    assert said(report.ok, "OpenAI"), report


def test_asterisk_refuses_the_password(rig):
    report = rig.check(ASTERISK_PASSWORD="wrong")
    assert report.status == 2
    assert said(report.errors, "ASTERISK_PASSWORD", "ari.conf"), report


def test_ari_user_may_only_read(rig):
    rig.ari.users["reader"] = ("secret-of-reader", True)
    report = rig.check(ASTERISK_USERNAME="reader",
                       ASTERISK_PASSWORD="secret-of-reader")
    assert report.status == 2
    assert said(report.errors, "reader", "read_only=no"), report
    assert "secret-of-reader" not in report.text + report.log


def test_modules_are_missing(rig):
    rig.ari.missing_modules |= {"chan_rtp.so", "res_ari_bridges.so"}
    report = rig.check()
    assert report.status == 2
    assert said(report.errors, "chan_rtp.so", "modules.conf"), report
    assert said(report.errors, "res_ari_bridges.so"), report
    assert len(report.errors) == 2, report


def test_password_does_not_cross_the_network(rig):
    report = rig.check(ASTERISK_HOST="192.0.2.1")
    assert report.status == 2
    assert said(report.errors, "ASTERISK_TLS"), report
    assert said(report.warnings, "was not asked"), report


def test_openai_refuses_the_key(rig):
    report = rig.check(OPENAI_API_KEY="sk-of-somebody-else")
    assert report.status == 2
    assert said(report.errors, "OPENAI_API_KEY"), report
    assert "sk-of-somebody-else" not in report.text + report.log


def test_openai_does_not_know_the_model(rig):
    report = rig.check(OPENAI_REALTIME_MODEL="gpt-realtime-9")
    assert report.status == 2
    assert said(report.warnings, "gpt-realtime-9", "not known"), report
    assert said(report.errors, "OpenAI", "gpt-realtime-9"), report


@pytest.mark.parametrize("date,status", [("2099-12-31", 0), ("2026-01-31", 2)])
def test_model_has_a_shutdown_date(rig, date, status):
    rig.openai.models["gpt-realtime-2.1"] = date
    report = rig.check()
    assert report.status == status, report
    assert said(report.errors if status else report.warnings,
                "gpt-realtime-2.1", date), report


def test_old_model_is_translated(rig):
    report = rig.check(
        OPENAI_REALTIME_MODEL="gpt-4o-realtime-preview-2024-12-17")
    assert report.status == 0, report
    assert said(report.warnings, "gpt-4o-realtime-preview-2024-12-17"), report
    assert said(report.ok, "OpenAI", "gpt-realtime-2.1"), report


def test_models_of_all_personas_are_asked_for(rig):
    personas = rig.directory / "personas"
    personas.mkdir()
    text = (REPO / "etc/personas/soporte.md").read_text()
    (personas / "soporte.md").write_text(text)
    (personas / "_llamada.md").write_text(
        (REPO / "etc/personas/_llamada.md").read_text())
    (personas / "barata.md").write_text(
        text.replace("numbers: 3241000752", "model: gpt-realtime-2.1-mini"))
    (personas / "mala.md").write_text(text.replace("language: es", "lang: es"))
    report = rig.check(PERSONA_DIR=personas)
    assert report.status == 0, report
    assert said(report.ok, "OpenAI", "gpt-realtime-2.1-mini"), report
    assert said(report.ok, "OpenAI", "gpt-realtime-2.1"), report
    assert said(report.warnings, "mala.md line 2", "lang"), report


def test_certificate_is_not_trusted(rig):
    report = rig.check(OPENAI_CA_FILE=None)
    assert report.status == 2
    assert said(report.errors, "OpenAI is not reached", "certificate"), report


def test_openai_is_not_reached(rig):
    held, port = closed_port()
    with held:
        report = rig.check(
            OPENAI_REALTIME_URL=f"wss://127.0.0.1:{port}/v1/realtime")
    assert report.status == 2
    assert said(report.errors, "OpenAI is not reached", str(port)), report
    assert said(report.ok, "Asterisk"), report


def core_limits(parent):
    """The largest core dump of a process and its children, by their names."""
    pids = [parent]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if stat.read_text().rsplit(")", 1)[1].split()[1] == str(parent):
                pids.append(int(stat.parent.name))
        except OSError:
            pass        # it has just ended
    limits = {}
    for pid in pids:
        try:
            name = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]
            text = Path(f"/proc/{pid}/limits").read_text()
        except OSError:
            continue
        limits[Path(name).name] = re.search(
            r"Max core file size +(\S+)", text)[1]
    return limits


def test_secrets_are_in_no_core_dump(rig):
    file = rig.directory / "telefonista.env"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {**rig.settings, "OPENAI_REALTIME_URL":
                    f"wss://127.0.0.1:{silent.getsockname()[1]}/v1/realtime"}
        file.write_text("".join(f"{key}='{value}'\n" for key, value
                                in settings.items()))
        file.chmod(0o600)
        process = subprocess.Popen(
            [BUILD / "telefonista", "--config", file, "--check"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_CORE, (4096, resource.RLIM_INFINITY)))
        try:
            silent.settimeout(PATIENCE)
            connection, _ = silent.accept()     # the key is loaded now
            limits = core_limits(process.pid)
            connection.close()
            process.wait(PATIENCE)
        finally:
            process.kill()
    assert limits["telefonista-voicecheck"] == "0", limits
    assert set(limits.values()) == {"0"}, limits


def test_mikrotik_service_is_down(rig):
    held, port = closed_port()
    with held:
        report = rig.check(MIKROTIK_API_URL=f"http://127.0.0.1:{port}")
    assert report.status == 0, report
    assert said(report.warnings, "MikroTik", str(port)), report


def test_secrets_come_from_the_environment_and_from_files(rig):
    key = rig.directory / "key"
    key.write_text(rig.openai.api_key + "\n")
    key.chmod(0o600)
    report = rig.check(ASTERISK_PASSWORD=None, OPENAI_API_KEY=None,
                       OPENAI_API_KEY_FILE=key,
                       environment={"ASTERISK_PASSWORD": rig.ari.password})
    assert report.status == 0, report
    report = rig.check(ASTERISK_PASSWORD=None, OPENAI_API_KEY=None,
                       environment={"ASTERISK_PASSWORD": rig.ari.password,
                                    "OPENAI_API_KEY": rig.openai.api_key})
    assert report.status == 0, report


def test_configuration_file_is_missing(rig):
    process = subprocess.run(
        [BUILD / "telefonista", "--config", rig.directory / "none.env",
         "--check"], env={"PATH": "/usr/bin:/bin", **WALLS}, capture_output=True,
        text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    report = Report(process)
    assert report.status == 2
    assert said(report.errors, "none.env", "No such file"), report


def tool_with_secret(rig, url):
    folder = rig.directory / "tools.d"
    folder.mkdir()
    definition = json.loads(
        (REPO / "etc/tools.d/consultar_mikrotik.json").read_text())
    definition["executor"] = {
        "type": "http", "url": url,
        "headers": {"Authorization": "Bearer ${secret:TOOL_CRM_TOKEN}"}}
    (folder / "consultar_mikrotik.json").write_text(json.dumps(definition))
    return folder


def test_a_secret_that_a_tool_lacks_is_named_with_its_places(rig):
    folder = tool_with_secret(rig, "https://crm.test/x")
    report = rig.check(TOOLS_DIR=folder)
    assert said(report.warnings, "consultar_mikrotik", "TOOL_CRM_TOKEN is not "
                "there", "telefonista.env", "TOOL_CRM_TOKEN_FILE",
                "credential"), report
    assert report.status == 0, report
    missing = rig.directory / "none"
    report = rig.check(TOOLS_DIR=folder, TOOL_CRM_TOKEN_FILE=missing)
    assert said(report.warnings, str(missing), "cannot be read"), report


@pytest.mark.parametrize("place", [
    "line", "environment", "file", "credential"])
def test_a_secret_that_is_there_is_not_asked_for(rig, place):
    folder = tool_with_secret(rig, "https://crm.test/x")
    value = "crm-0123456789"
    (rig.directory / "TOOL_CRM_TOKEN").write_text(value)
    (rig.directory / "TOOL_CRM_TOKEN").chmod(0o600)
    report = rig.check(**{
        "line": {"TOOL_CRM_TOKEN": value},
        "environment": {"environment": {"TOOL_CRM_TOKEN": value}},
        "file": {"TOOL_CRM_TOKEN_FILE": rig.directory / "TOOL_CRM_TOKEN"},
        "credential": {"environment": {
            "CREDENTIALS_DIRECTORY": str(rig.directory)}}}[place],
        TOOLS_DIR=folder)
    assert not said(report.warnings, "TOOL_CRM_TOKEN"), report
    assert value not in report.text + report.log


def test_a_secret_in_the_clear_is_warned_of(rig):
    folder = tool_with_secret(rig, "http://crm.test/x")
    report = rig.check(TOOLS_DIR=folder, TOOL_CRM_TOKEN="crm-0123456789")
    assert said(report.warnings, "consultar_mikrotik.json",
                "http://crm.test:80 in the clear"), report


def test_the_inventory_of_routers_is_checked(rig, tmp_path):
    inventory = tmp_path / "routers.json"
    inventory.write_text((REPO / "etc/routers.json.example").read_text())
    report = rig.check(ROUTERS_FILE=inventory,
                       TOOL_ROUTER_PASSWORD="hunter-0123")
    assert report.status == 0 and not report.warnings, report
    assert "hunter-0123" not in report.text + report.log
    assert said(report.ok, "routers: 3", "2 by REST", "1 by the binary"), report
    inventory.write_text("""{"routers": [
        {"name": "Guamal", "address": "10.0.26.1", "tls": false, "user": "u",
         "password_secret": "TOOL_ROUTER_PASSWORD"},
        {"name": "Roble", "address": "10.0.26.2", "user": "u",
         "password_secret": "hunter2"}]}""")
    report = rig.check(ROUTERS_FILE=inventory)
    assert report.status == 0, report
    assert said(report.warnings, 'router 2 ("Roble")', "password_secret"), \
        report
    assert said(report.warnings, "in the clear", "Guamal"), report
    assert said(report.warnings, 'router "Guamal"', "TOOL_ROUTER_PASSWORD is "
                "not there"), report
    assert "hunter2" not in report.text
    assert said(report.ok, "routers: 1", "1 without TLS"), report
    report = rig.check(ROUTERS_FILE=tmp_path / "nothing.json")
    assert said(report.warnings, "nothing.json", "ROUTERS_FILE"), report


def test_a_database_without_its_driver_source_file_or_secret(rig):
    report = rig.check(CUSTOMERS_DSN="Driver=NoSuch;PWD=${secret:TOOL_NO}",
                       COURSES_DSN="DSN=no-such-source")
    assert report.status == 0       # no reason to not take calls
    for words in ('consultar_cliente: the ODBC driver "NoSuch" is not inst',
                  'tool "consultar_cliente": TOOL_NO is not there',
                  'buscar_curso: there is no data source "no-such-source"',
                  'detalle_curso: there is no data source "no-such-source"'):
        assert any(words in w for w in report.warnings), (words, report)
    report = rig.check(COURSES_DSN="Driver=SQLite3;Database=/nonexistent.db",
                       CUSTOMERS_DSN="Driver=SQLite3;PWD=geheim")
    assert any("the file /nonexistent.db is not there" in w
               for w in report.warnings), report
    assert any('tool "consultar_cliente": PWD must be a secret' in w
               for w in report.warnings), report
    assert "geheim" not in report.text + report.log


def test_the_example_database_is_there(rig):
    report = rig.check(CUSTOMERS_DSN="example", COURSES_DSN="example")
    assert report.status == 0
    found = [o for o in report.ok if o.startswith("database of ")]
    assert len(found) == 5, report
    assert not any("database" in w for w in report.warnings), report


def test_a_data_source_and_a_secret_that_are_there(rig):
    (rig.directory / "odbc.ini").write_text("[ isp]\n[isp]\nDriver=SQLite3\n")
    report = rig.check({"ODBCINI": str(rig.directory / "odbc.ini"),
                        "TOOL_DB": "geheim"},
                       COURSES_DSN="DSN=isp;PWD=${secret:TOOL_DB}")
    assert any("database of buscar_curso" in o for o in report.ok), report
    assert "geheim" not in report.text + report.log


def test_pins_and_lookups_that_cannot_work_are_told(rig):
    report = rig.check(STAFF_PINS="ana:482915,luis:4711", CUSTOMER_LOOKUP="x")
    assert report.status == 0
    assert any("STAFF_PINS: entry 2 has a PIN that is not 6 to 12 digits" in w
               for w in report.warnings), report
    assert any('CUSTOMER_LOOKUP: there is no tool "x"' in w
               for w in report.warnings), report
    assert "482915" not in report.text + report.log
    assert "4711" not in report.text + report.log
    report = rig.check(CUSTOMER_LOOKUP="buscar_curso")
    assert any('"buscar_curso" must be a query with "who": "service"' in w
               for w in report.warnings), report
