# SPDX-License-Identifier: MIT
"""Real PostgreSQL and MariaDB servers in a temporary folder: no service, no
port, an unprivileged user, unix sockets only.

    servers(tmp_path_factory)       two that all workers of xdist share
    PostgreSQL(folder), MariaDB(folder)     one of a test's own, to be killed
"""

import fcntl
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg2
import pymysql

from tests.e2e.test_toolworker import REPO

PATIENCE = 60
NOBODY = 65534
USER = "voz"
PASSWORD = "cl4ve;con=signos'y\"mas @[?]"   # what connection strings stumble over
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
ADMIN = "admin"
ADMIN_PASSWORD = "adm1n"


def unprivileged():
    """In the child: root may not run either server."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def run(command, text=""):
    """A command of a server's, which must succeed."""
    done = subprocess.run(
        command, input=text, text=True, capture_output=True,
        preexec_fn=unprivileged, cwd="/", timeout=PATIENCE,
        env=ENVIRONMENT)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def make_folder():
    """One that the unprivileged user owns; /tmp keeps socket paths short."""
    folder = Path(tempfile.mkdtemp(prefix="telefonista-db."))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        # Our processes, though root's, have no capability to pass by modes.
        folder.chmod(0o755)
    return folder


class Server:
    """A started server, its data in a folder of its own."""

    def __init__(self, template, folder):
        """Starts on a copy of TEMPLATE in FOLDER."""
        self.folder = folder
        self.data = folder / f"{self.name}.data"
        run(["cp", "-R", str(template), str(self.data)])
        self.start()

    def start(self):
        """Again, after it was killed."""
        self.process = subprocess.Popen(
            self.command(), preexec_fn=unprivileged, cwd="/",
            stdin=subprocess.DEVNULL, start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=open(self.folder / f"{self.name}.log", "ab"),
            env=ENVIRONMENT)
        self.wait()

    def wait(self):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.connect().close()
            except (psycopg2.OperationalError, pymysql.Error):
                assert self.process.poll() is None and \
                    time.monotonic() < end, self.log()
            time.sleep(.05)

    def log(self):
        return (self.folder / f"{self.name}.log").read_text()

    def sql(self, text):
        """The rows of a statement of the administrator's."""
        connection = self.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(text)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
            return [tuple(row) for row in rows]
        finally:
            connection.close()

    def kill(self):
        """At once, with all that it has started."""
        self.signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder)

    def freeze(self, on=True):
        """The whole group: connections stay, nobody answers."""
        self.signal(signal.SIGSTOP if on else signal.SIGCONT)
        end = time.monotonic() + PATIENCE
        while on and not self.is_frozen():
            assert time.monotonic() < end, "it does not stop"
            time.sleep(.01)
            self.signal(signal.SIGSTOP)     # those begun meanwhile

    def is_frozen(self):
        """Whether each thread has taken notice of the signal, or has ended
        and waits for its parent, who has."""
        stats = [stat.read_text() for pid in self.pids()
                 for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
        return all(stat.rpartition(")")[2].split()[0] in "TZ"
                   for stat in stats)

    def signal(self, number):
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def pids(self):
        """Of the server and its children; PostgreSQL's are sessions."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            except FileNotFoundError:
                continue
            todo += [int(child) for child in text.split()]
        return found


class PostgreSQL(Server):
    name = "PostgreSQL"

    @staticmethod
    def programs(folder):
        """The system's, or from the package that install-deps.sh has left
        in .cache, unpacked."""
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        if not found:
            [package] = glob.glob(str(REPO / ".cache/postgresql/*.deb"))
            subprocess.run(["dpkg-deb", "-x", package, folder / "programs"],
                           check=True)
            found = glob.glob(
                f"{folder}/programs/usr/lib/postgresql/*/bin/postgres")
        return Path(found[-1]).parent

    @classmethod
    def prepare(cls, folder):
        """A template of the data folder."""
        programs = cls.programs(folder)
        (folder / "programs.path").write_text(str(programs))
        data = folder / "PostgreSQL.template"
        run([str(programs / "initdb"), "-D", str(data), "-U", "postgres",
             "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust", "--no-sync",
             "--no-instructions"])
        quoted = PASSWORD.replace("'", "''")
        run([str(programs / "postgres"), "--single", "-D", str(data),
             "postgres"], "".join(line + "\n" for line in (
                 f"CREATE ROLE {USER} LOGIN PASSWORD '{quoted}'",
                 f"CREATE ROLE {ADMIN} SUPERUSER LOGIN PASSWORD "
                 f"'{ADMIN_PASSWORD}'")))
        rules = data / "pg_hba.conf"
        rules.write_text("local all all scram-sha-256\n")
        with open(data / "postgresql.conf", "a") as settings:
            settings.write("fsync = off\nlisten_addresses = ''\n"
                           "shared_buffers = 16MB\nmax_connections = 50\n")
        return data

    def command(self):
        programs = (self.folder / "programs.path").read_text()
        return [f"{programs}/postgres", "-D", str(self.data), "-k",
                str(self.folder)]

    def connect(self):
        return psycopg2.connect(host=str(self.folder), user=ADMIN,
                                password=ADMIN_PASSWORD, dbname="postgres")

    def kill(self):
        """Also the piece of System V memory, which outlives all processes."""
        lines = (self.data / "postmaster.pid").read_text().split("\n")
        super().kill()
        subprocess.run(["ipcrm", "-m", lines[6].split()[1]],
                       stderr=subprocess.DEVNULL)

    def may_write(self):
        """Whether the toolworker's user could, left alone."""
        connection = psycopg2.connect(host=str(self.folder), user=USER,
                                      password=PASSWORD, dbname="postgres")
        cursor = connection.cursor()
        cursor.execute("UPDATE personas SET deuda = deuda + 1 WHERE id = 1")
        connection.rollback()
        connection.close()
        return cursor.rowcount == 1

    def dsn(self):
        return (f"Driver=PostgreSQL Unicode;Server={self.folder};Port=5432;"
                f"Database=postgres;UID={USER};PWD=${{secret:TOOL_DB}}")

    def busy(self):
        """How many queries of the toolworker's user run."""
        return self.sql(f"SELECT count(*) FROM pg_stat_activity WHERE usename "
                        f"= '{USER}' AND state = 'active'")[0][0]


class MariaDB(Server):
    name = "MariaDB"
    options = ["--innodb-buffer-pool-size=8M", "--innodb-log-file-size=8M",
               "--innodb-flush-log-at-trx-commit=0",
               "--key-buffer-size=1M", "--skip-log-bin"]

    @classmethod
    def prepare(cls, folder):
        data = folder / "MariaDB.template"
        run(["mkdir", "-p", str(data / "mysql")])
        quoted = PASSWORD.replace("'", "''")
        tables = "".join((Path("/usr/share/mysql") / name).read_text() for name
                         in ("mysql_system_tables.sql",
                             "mysql_performance_tables.sql",
                             "mysql_system_tables_data.sql"))
        run(["mariadbd", "--no-defaults", "--bootstrap", f"--datadir={data}",
             *cls.options],
            "create database if not exists mysql;\nuse mysql;\n" + tables +
            "create database prueba character set utf8mb4;\n"
            "flush privileges;\n"
            f"create user {USER}@localhost identified by '{quoted}';\n"
            f"grant all on prueba.* to {USER}@localhost;\n"
            f"create user {ADMIN}@localhost identified by "
            f"'{ADMIN_PASSWORD}';\n"
            f"grant all on *.* to {ADMIN}@localhost;\n")
        return data

    def command(self):
        return ["mariadbd", "--no-defaults", f"--datadir={self.data}",
                f"--socket={self.folder}/my.sock", "--skip-networking",
                f"--pid-file={self.folder}/my.pid", *self.options]

    def connect(self):
        return pymysql.connect(unix_socket=f"{self.folder}/my.sock",
                               user=ADMIN, password=ADMIN_PASSWORD,
                               database="prueba", charset="utf8mb4")

    def may_write(self):
        """Whether the toolworker's user could, left alone."""
        with pymysql.connect(
                unix_socket=f"{self.folder}/my.sock", user=USER,
                password=PASSWORD, database="prueba") as connection:
            return connection.cursor().execute(
                "UPDATE personas SET deuda = deuda + 1 WHERE id = 1") == 1

    def dsn(self):
        return (f"Driver=MariaDB Unicode;SOCKET={self.folder}/my.sock;"
                f"Server=localhost;Database=prueba;UID={USER};"
                "PWD=${secret:TOOL_DB}")

    def busy(self):
        return self.sql("SELECT count(*) FROM information_schema.processlist "
                        f"WHERE user = '{USER}' AND command = 'Execute'"
                        )[0][0]


# Of the shared servers: STATE FOLDER PID... in order, or else in ten seconds.
ENDING = """
rm -f "$1"; folder=$2; shift 2
kill -QUIT "$@"
for n in $(seq 100); do kill -0 "$@" || break; sleep .1; done
kill -KILL "$@"; rm -rf "$folder"
"""
KINDS = {"PostgreSQL": PostgreSQL, "MariaDB": MariaDB}


class Shared:
    """The servers of one run of pytest, whichever of its processes came
    first to start them. Each holds a lock while it uses them; what ends them
    is a process that waits for all those locks to go, also when pytest is
    killed."""

    def __init__(self, base, fill):
        self.base, self.fill = base, fill
        with open(base / "databases.start", "w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            self._users = open(base / "databases.users", "w")
            fcntl.flock(self._users, fcntl.LOCK_SH)
            state = base / "databases.json"
            if not state.exists():
                state.write_text(json.dumps(self._start()))
            self.folder = Path(json.loads(state.read_text())["folder"])

    def _start(self):
        folder = make_folder()
        started = []
        try:
            for kind in KINDS.values():
                template = kind.prepare(folder)
                server = kind(template, folder)
                started.append(server.process.pid)
                self.fill(server, server.name)
        finally:
            subprocess.Popen(
                ["flock", "-x", self.base / "databases.users", "sh", "-c",
                 ENDING, "sh", self.base / "databases.json", folder,
                 *map(str, started)], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True)
        return {"folder": str(folder)}

    def server(self, name):
        """To be asked; not to be killed."""
        server = object.__new__(KINDS[name])
        server.folder = self.folder
        return server

    def template(self, name):
        return self.folder / f"{name}.template"

    def own(self, name):
        """One that the test may do anything to."""
        folder = make_folder()
        shutil.copy(self.folder / "programs.path", folder)
        return KINDS[name](self.template(name), folder)
