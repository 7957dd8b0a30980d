# SPDX-License-Identifier: MIT
"""routers.py – the routers of etc/routers.json.example, simulated: the same
file with their ports and the fingerprints of their certificates."""

import json

from tests.e2e.service import REPO
from tests.sim import base
from tests.sim.routeros import RouterSim
from tests.sim.routeros_model import Router, interface
from tests.sim.tls import Authority

PASSWORD = "s3cr3t-demo"
USER = "telefonista"
EXAMPLE = REPO / "etc" / "routers.json.example"


class Routers(base.Simulator):
    """One for each of the example; how: {name: (seconds, bits per second
    down, up)} of its uplink, or None for one that never answers."""

    def __init__(self, how, log_file=None):
        super().__init__(log_file)
        self.example = json.loads(EXAMPLE.read_text())
        self.sims = {entry["name"]: self._router(entry["name"], how)
                     for entry in self.example["routers"]}

    @staticmethod
    def _router(name, how):
        seconds, down, up = how[name] or (0, 0, 0)
        router = Router(interfaces=(
            interface(1, "ether1", rx=25128, tx=8816),
            interface(2, "sfp-sfpplus1", rx=down, tx=up)))
        router.users[USER] = (PASSWORD, router.users[USER][1])
        # Traffic takes two commands.
        sim = RouterSim(router, tls=True, name=name, delay=seconds / 2)
        sim.black_hole = how[name] is None
        return sim

    def write_inventory(self, path):
        routers = []
        for entry in self.example["routers"]:
            sim = self.sims[entry["name"]]
            api = entry.get("api", self.example["defaults"]["api"])
            port = sim.rest_port if api == "rest" else sim.binary_port
            routers.append({**entry, "address": f"{sim.host}:{port}",
                            "pin_sha256": sim.fingerprint})
        path.write_text(json.dumps({**self.example, "routers": routers},
                                   ensure_ascii=False))
        return path

    @property
    def asked(self):
        """When each router was asked first, monotonic seconds."""
        return {name: sim.requests[0][0] for name, sim in self.sims.items()
                if sim.requests}

    def most_in_flight(self):
        return max(sim.most_in_flight for sim in self.sims.values())

    async def start(self):
        authority = Authority(self.directory())
        for sim in self.sims.values():
            sim.authority, sim.loop = authority, self.loop
            await sim.start()

    async def stop(self):
        for sim in self.sims.values():
            self.violations += sim.violations
            await sim.stop()

    def ready_info(self):
        return {name: sim.ready_info() for name, sim in self.sims.items()}
