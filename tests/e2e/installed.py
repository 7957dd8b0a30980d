# SPDX-License-Identifier: MIT
"""installed.py – a copy of the binaries that a test can upgrade as a package
manager does: each file is replaced by rename, under processes that run.

A new version is the same code with another build id in it, so that processes
of both know that they are not of one build.
"""

import itertools
import os
import re
import shutil
import subprocess

from tests.e2e.service import BUILD

ROLES = ("", "-supervisor", "-callworker", "-toolworker")


class Installed:
    """The folder of the binaries that are to be started."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir()
        self.versions = itertools.count(1)
        for path in BUILD.glob("telefonista*"):
            if path.is_file():
                shutil.copy(path, folder)
        version = subprocess.run(
            [self.path(), "--version"], stdout=subprocess.PIPE, check=True,
            text=True).stdout.split()[1]
        self.build = version.partition("+")[2].encode()
        # What is built may be built anew while this runs.
        self.first = {role: self.path(role).read_bytes() for role in ROLES}

    def path(self, role=""):
        return self.folder / f"telefonista{role}"

    def put(self, role, content):
        """Replace one binary, at once for whoever looks."""
        new = self.folder / f"telefonista{role}.new"
        new.write_bytes(content)
        new.chmod(0o755)
        os.rename(new, self.path(role))

    def upgrade(self, *roles):
        """Another version of these roles, by default of all; its build id."""
        build = b"%0*d" % (len(self.build), next(self.versions))
        for role in roles or ROLES:
            assert self.build in self.first[role]
            self.put(role, self.first[role].replace(self.build, build))
        return build.decode()

    def breaks(self, role, text="exit 1"):
        """A version that is good for nothing: a script, whose programs are
        where the keeper's wall lets programs be."""
        for program in ("sh", "sleep"):
            shutil.copy(shutil.which(program), self.folder)
        self.put(role, f"#!{self.folder}/sh\nPATH={self.folder}\n{text}\n"
                 .encode())


def rtp_losses(call):
    """[(before, after)] where sequence numbers of what a caller heard jump."""
    packets = list(call.phone.recording.packets)
    return [(a.seq, b.seq) for a, b in zip(packets, packets[1:])
            if b.seq != (a.seq + 1) & 0xffff]


def versions(service, role):
    """{pid: build id} of the living processes of a role."""
    found = {}
    for pid in service.pids(role):
        content = open(f"/proc/{pid}/exe", "rb").read()
        match = re.search(rb"0\.1\.0\+([0-9a-z]+)", content)
        found[pid] = match[1].decode() if match else None
    return found
