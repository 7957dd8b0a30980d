# SPDX-License-Identifier: MIT
"""What a simulated router knows and can do, apart from how it is asked:
menus of records, queries, users with policies, and three commands.

Every value is a string, as in RouterOS.  A failure is a Trap with the words
and the category of the real one.
"""

import asyncio

POLICIES = frozenset({"read", "write", "test", "api", "rest-api"})


class Trap(Exception):
    """A command's failure: message and category (API manual)."""

    def __init__(self, message, category=None, status=400):
        super().__init__(message)
        self.message = message
        self.category = category
        self.status = status        # of REST


def no_such(name):
    return Trap(f"no such command or directory ({name})", 0)


def interface(number, name, kind="ether", rx=0, tx=0, **fields):
    """A record of /interface, and its traffic in bits per second."""
    record = {".id": f"*{number:X}", "name": name, "type": kind,
              "mtu": "1500", "running": "true", "disabled": "false",
              "rx-byte": "0", "tx-byte": "0", **fields}
    if kind == "ether":
        record.setdefault("default-name", name)
    return record, (rx, tx)


def default_menus():
    """A small tower of a provider."""
    return {
        "/system/resource": {
            "uptime": "1w2d7h44m20s", "version": "7.19.4 (stable)",
            "board-name": "CCR2004-1G-12S+2XS", "cpu-load": "7",
            "free-memory": "3221225472", "total-memory": "4294967296",
            "cpu": "ARM64", "platform": "MikroTik"},
        "/system/identity": {"name": "Guamal"},
        "/system/health": [
            {".id": "*D", "name": "cpu-temperature", "value": "47",
             "type": "C"},
            {".id": "*E", "name": "fan1-speed", "value": "4200",
             "type": "RPM"}],
        "/interface": [],
        "/ppp/active": [
            {".id": "*80000001", "name": "jperez", "service": "pppoe",
             "caller-id": "00:00:5E:00:53:AA", "address": "100.64.0.5",
             "uptime": "1h2m3s", "comment": "Juan Pérez, El Roble"},
            {".id": "*80000002", "name": "office-l2tp", "service": "l2tp",
             "caller-id": "203.0.113.9", "address": "100.64.0.6",
             "uptime": "3w2d20h12m20s"}],
        "/ip/dhcp-server/lease": [
            {".id": "*1", "address": "192.0.2.10",
             "active-address": "192.0.2.10",
             "mac-address": "00:00:5E:00:53:01",
             "active-mac-address": "00:00:5E:00:53:01",
             "host-name": "laptop", "status": "bound", "server": "lan"},
            {".id": "*3", "address": "192.0.2.12",
             "mac-address": "00:00:5E:00:53:03",
             "comment": "Impresora de Ñáñez", "status": "waiting",
             "server": "lan", "last-seen": "never"}],
        "/ip/hotspot/active": [
            {".id": "*A", "user": "visita7", "address": "10.5.50.7",
             "mac-address": "00:00:5E:00:53:07", "uptime": "12m5s"}],
        "/ip/route": [
            {".id": "*1", "dst-address": "0.0.0.0/0", "gateway": "10.0.0.1",
             "distance": "1", "active": "true", "check-gateway": "ping"},
            {".id": "*2", "dst-address": "0.0.0.0/0", "gateway": "10.0.1.1",
             "distance": "2", "comment": "respaldo"},
            {".id": "*3", "dst-address": "10.0.0.0/24",
             "gateway": "bridge", "distance": "0", "active": "true"}],
        "/ip/address": [
            {".id": "*1", "address": "10.0.0.111/24", "interface": "ether2",
             "network": "10.0.0.0", "disabled": "false"}],
        "/ip/arp": [],
        "/log": [
            {".id": "*1A2", "time": "2026-11-20 06:12:01",
             "topics": "system,info,account", "message": "user logged in"},
            {".id": "*1A3", "time": "2026-11-20 06:12:09",
             "topics": "interface,warning", "message": "sfp1 link down"},
            {".id": "*1A4", "time": "2026-11-20 06:13:00",
             "topics": "system,error,critical",
             "message": "login failure for user admin via ssh"}],
    }


DEFAULT_INTERFACES = (
    interface(1, "ether1", rx=25128, tx=8816),
    interface(2, "sfp-sfpplus1", rx=2_400_000_000, tx=310_000_000,
              comment="Fibra a Medellín"),
    interface(3, "sfp-sfpplus2", running="false"),
    interface(4, "bridge", "bridge", rx=1000, tx=1000),
    interface(0xF00012, "<pppoe-jperez>", "pppoe-in", rx=5_000_000,
              tx=100_000, dynamic="true"),
)


def proplist(record, names):
    if not names:
        return dict(record)
    wanted = names.split(",")
    return {k: v for k, v in record.items() if k in wanted}


def _operate(stack, word):
    """A query word that begins with '#': operations on what is there."""
    for sign in word[1:]:
        if sign == "!":
            stack.append(not stack.pop())
        elif sign in "&|":
            right, left = stack.pop(), stack.pop()
            stack.append((left and right) if sign == "&" else left or right)
        else:
            raise Trap(f"unknown query operation {sign}", 1)


def _compare(record, word):
    if word.startswith("-"):
        return word[1:] not in record
    sign = word[0] if word[0] in "<>=" else "="
    name, is_pair, value = word.lstrip("<>=").partition("=")
    if not is_pair:
        return name in record
    if name not in record:
        return False
    have = record[name]
    if sign == "=":
        return have == value
    pair = (int(have), int(value)) if (have + value).isdigit() else \
        (have, value)
    return pair[0] < pair[1] if sign == "<" else pair[0] > pair[1]


def matches(record, queries):
    """Whether RECORD fits query words, without their '?' (API manual)."""
    stack = []
    for word in queries:
        if word.startswith("#"):
            _operate(stack, word)
        else:
            stack.append(_compare(record, word))
    return all(stack)


class Router:
    """The records and the commands.  Times are in seconds."""

    def __init__(self, menus=None, interfaces=DEFAULT_INTERFACES,
                 users=None, probe=0.01):
        self.menus = default_menus()
        self.traffic = {}
        self.set_interfaces(interfaces)
        self.menus.update(menus or {})
        # name: (password, policies)
        self.users = users or {"telefonista": ("s3cr3t-router", POLICIES)}
        self.hosts = {}         # address: [µs or None, …], of ping
        self.probe = probe      # between two probes
        self.disabled = set()   # menus that this version has not

    def set_interfaces(self, interfaces):
        self.menus["/interface"] = [record for record, _ in interfaces]
        self.traffic = {record["name"]: rates for record, rates in interfaces}

    # Records

    def records(self, menu):
        if menu not in self.menus or menu in self.disabled:
            raise no_such(menu.rpartition("/")[2])
        value = self.menus[menu]
        return value if isinstance(value, list) else [value]

    def is_single(self, menu):
        return isinstance(self.menus.get(menu), dict)

    def find(self, menu, key):
        """A record by .id or name."""
        for record in self.records(menu):
            if key in (record.get(".id"), record.get("name")):
                return record
        if key.startswith("*"):
            raise Trap("no such item", 0, status=404)
        raise no_such(key)

    # Commands

    def demand(self, user, policy):
        if policy not in self.users[user][1]:
            raise Trap("not enough permissions (9)", status=500)

    async def run(self, user, menu, verb, attributes, queries=()):
        """Yields what a command answers; its end may carry {"ret"}."""
        path = f"{menu}/{verb}" if menu else f"/{verb}"
        if path in ("/ping", "/tool/ping"):
            self.demand(user, "test")
            async for record in self._ping(attributes):
                yield record
            return
        records = self.records(menu)
        if verb == "print":
            self.demand(user, "read")
            for record in self._print(records, attributes, queries):
                yield record
        elif path == "/interface/monitor-traffic":
            self.demand(user, "read")
            async for record in self._monitor(records, attributes):
                yield record
        else:
            self._change(user, menu, verb, records, attributes)

    def _print(self, records, attributes, queries):
        found = [r for r in records if matches(r, queries)]
        if "count-only" in attributes:
            return [{"ret": str(len(found))}]
        return [proplist(r, attributes.get(".proplist")) for r in found]

    def _change(self, user, menu, verb, records, attributes):
        if verb not in ("set", "remove") or menu == "/interface":
            raise no_such(verb)
        self.demand(user, "write")
        if self.is_single(menu):
            records[0].update(attributes)
            return
        record = self.find(menu, attributes.pop(".id", ""))
        if verb == "set":
            record.update(attributes)
        else:
            records.remove(record)

    async def _monitor(self, records, attributes):
        names = attributes.get("interface", "").split(",")
        known = {record["name"] for record in records}
        if not set(names) <= known:
            raise Trap("input does not match any value of interface", 1)
        seconds = int(attributes.get("duration", "0s").rstrip("s"))
        sections = 1 if "once" in attributes else seconds
        section = 0
        while sections == 0 or section < sections:
            for name in names:
                rx, tx = self.traffic.get(name, (0, 0))
                record = {"name": name, "rx-bits-per-second": str(rx),
                          "rx-packets-per-second": str(rx // 8000),
                          "tx-bits-per-second": str(tx)}
                if "once" not in attributes:
                    record[".section"] = str(section)
                yield proplist(record, attributes.get(".proplist"))
            section += 1
            if "once" not in attributes:
                await asyncio.sleep(1)

    async def _ping(self, attributes):
        address = attributes.get("address", "")
        if not address:
            raise Trap("missing value for argument address", 1)
        count = int(attributes.get("count", "0"))
        script = self.hosts.get(address, [551, 521, 542])
        times = []
        sent = 0
        while count == 0 or sent < count:
            time = script[sent % len(script)]
            record = {"seq": str(sent), "host": address}
            sent += 1
            if time is None:
                record["status"] = "timeout"
            else:
                times.append(time)
                record.update({"size": "56", "ttl": "64",
                               "time": f"{time}us"})
            loss = 100 * (sent - len(times)) // sent
            record.update({"sent": str(sent), "received": str(len(times)),
                           "packet-loss": str(loss)})
            if times:
                record.update({
                    "min-rtt": f"{min(times)}us", "max-rtt": f"{max(times)}us",
                    "avg-rtt": f"{sum(times) // len(times)}us"})
            yield record
            await asyncio.sleep(self.probe)
