# SPDX-License-Identifier: MIT
"""Many simulated routers in one loop, and the inventory that knows them.

    fleet = Fleet()
    fleet.add("Guamal", delay=.3)
    fleet.add("El Roble", kind="black_hole")
    with fleet:
        fleet.write_inventory(path)

Kinds: "healthy" (answers after delay), "refusing" (nobody listens),
"black_hole" (connections are taken, nothing is answered), "wrong_password".
"""

import json

from . import base
from .routeros import RouterSim
from .routeros_model import Router

PASSWORD = "s3cr3t-fleet"
USER = "telefonista"
KINDS = ("healthy", "refusing", "black_hole", "wrong_password")


class Fleet(base.Simulator):
    """Routers by name: sims, and apis of those that are not REST."""

    def __init__(self, log_file=None):
        super().__init__(log_file)
        self.sims = {}
        self.kinds = {}
        self.apis = {}
        self.groups = {}

    def add(self, name, kind="healthy", delay=0.0, api="rest", groups=()):
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r}: one of {KINDS}")
        router = Router()
        _, policies = router.users[USER]
        password = "another" if kind == "wrong_password" else PASSWORD
        router.users[USER] = (password, policies)
        sim = RouterSim(router, name=name, delay=delay)
        sim.black_hole = kind == "black_hole"
        self.sims[name], self.kinds[name] = sim, kind
        self.apis[name], self.groups[name] = api, list(groups)
        return sim

    def names(self, kind):
        return [name for name, k in self.kinds.items() if k == kind]

    def write_inventory(self, path):
        path.write_text(json.dumps({"routers": [
            sim.entry(name, self.apis[name], groups=self.groups[name])
            for name, sim in self.sims.items()]}, ensure_ascii=False))
        return path

    def most_in_flight(self):
        """At any one router, as the routers saw it."""
        return max(sim.most_in_flight for sim in self.sims.values())

    def in_flight(self):
        return sum(sim.in_flight for sim in self.sims.values())

    def commands(self):
        return sum(len(sim.commands()) for sim in self.sims.values())

    def finished(self):
        """When the last command of a router ended, monotonic seconds."""
        return max((entry["t"] for sim in self.sims.values()
                    for entry in sim.log.entries
                    if entry["event"] == "finished"), default=0.0)

    async def start(self):
        for name, sim in self.sims.items():
            sim.loop = self.loop
            await sim.start()
            if self.kinds[name] == "refusing":
                sim.refuse_tcp()

    async def stop(self):
        for sim in self.sims.values():
            await sim.stop()

    def ready_info(self):
        return {name: sim.ready_info() for name, sim in self.sims.items()}
