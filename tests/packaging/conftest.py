# SPDX-License-Identifier: MIT
"""The installed service under a real systemd, its world simulated."""

import shutil
import subprocess

import pytest

from tests import not_run
from tests.e2e.service import BUILD, REPO, Service
from tests.e2e.world import World
from tests.not_run import (pytest_sessionfinish,  # noqa: F401
                           pytest_terminal_summary)
from tests.packaging.systemd import Systemd, Unavailable

UNIT = "telefonista.service"
LOG = "var/log/telefonista/telefonista.log"


class Unit(Service):
    """The service as systemctl starts it; its keeper is not our child."""

    def __init__(self, systemd, settings, secrets):
        self.systemd = systemd
        etc = systemd.root / "etc/telefonista"
        super().__init__(etc, settings, {})
        self.secrets = dict(secrets)
        self.log = systemd.root / LOG
        for name, value in secrets.items():
            (etc / "credentials" / name).write_text(value + "\n")

    def write_config(self, **changes):
        """Paths below the root of the inside, as the inside calls them."""
        super().write_config(**changes)
        text = self.config.read_text().replace(str(self.systemd.root), "")
        self.config.write_text(text)
        self.config.chmod(0o640)

    def start(self, *arguments):
        assert not arguments
        # A job of its own: it returns when the service says READY.
        self.systemd.ctl("start", UNIT)
        self.process = self
        return self

    @property
    def pid(self):
        inner = int(self.systemd.show(UNIT, "MainPID"))
        return self.systemd.outer_pid(inner) if inner else 0

    @property
    def status(self):
        if self.systemd.show(UNIT, "ActiveState") in ("active", "reloading"):
            return None
        return int(self.systemd.show(UNIT, "ExecMainStatus"))

    def stop(self, seconds=90):
        self.tree()
        self.systemd.ctl("stop", UNIT)
        return self.status

    def destroy(self):
        """systemd goes, and with it everything that it started."""


class InstalledWorld(World):
    """The world of tests/e2e around the installed service."""

    def __init__(self, systemd):
        super().__init__(systemd.root / "etc/telefonista")
        self.systemd = systemd

    def settings(self):
        ca = self.folder / "openai-ca.pem"
        shutil.copy(self.openai.ca_file, ca)
        ca.chmod(0o644)
        return {**super().settings(), "OPENAI_CA_FILE": ca,
                "TOOLS_DIR": "", "LOG_FILE_PATH": "/" + LOG}

    def make(self, **settings):
        personas = self.folder / "personas"
        personas.mkdir(mode=0o755)
        super().make(**settings)
        self.service = Unit(
            self.systemd, self.service.settings,
            {"ASTERISK_PASSWORD": self.ari.password,
             "OPENAI_API_KEY": self.openai.api_key})
        # What the unnamed Service() before it wrote for its own start.
        for name in ("ASTERISK_PASSWORD", "OPENAI_API_KEY"):
            (self.folder / name.lower()).unlink(missing_ok=True)
            self.service.settings.pop(f"{name}_FILE", None)
        self.service.write_config()
        for path in (personas, *personas.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)
        return self.service


def install(systemd):
    """As an operator: make install, setup.sh."""
    subprocess.run(
        ["make", "-s", "install", f"DESTDIR={systemd.root}",
         f"B={BUILD.relative_to(REPO)}", "CI=1"],
        cwd=REPO, check=True, capture_output=True, timeout=600)
    systemd.run("/usr/local/libexec/telefonista/setup.sh")
    systemd.ctl("daemon-reload")


@pytest.fixture
def systemd():
    try:
        with Systemd() as started:
            install(started)
            yield started
    except Unavailable as why:
        not_run.skip(f"no systemd of our own: {why}")


@pytest.fixture
def installed(systemd, request):
    with InstalledWorld(systemd) as made:
        request.node.world = made
        yield made
        made.finish()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    made = getattr(item, "world", None)
    if report.failed and made is not None and made.service is not None:
        report.sections += made.report()
        journal = made.systemd.run("journalctl", "-u", UNIT, "--no-pager",
                                   "-n", "60", check=False)
        report.sections.append(("journal", journal.stdout))
