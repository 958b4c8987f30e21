"""pgBackRest: backups of a PostgreSQL that goes on working, with its log (WAL) archived segment by segment.

```text
pgbench load -> full backup -> writes -> named point -> writes -> incremental backup -> writes -> crash
      restore to the end of the log: tables as before the crash
      restore to the named point:    tables as they were then
```

Over TLS, for it knows nothing else. PostgreSQL refuses to be root, so all of it runs as Debian's user `postgres` then.
No port is taken: the databases listen on sockets below the scratch directory only.
"""

import contextlib
import json
import os
import pathlib
import pwd
import shutil
import tempfile

from harness import case_of_tls, equal
from tools import host_and_port, poll, program

SCALE = 3
TRANSACTIONS = 400
TABLES = ("pgbench_accounts", "pgbench_branches", "pgbench_history", "pgbench_tellers")
POINT = "before_the_mistake"
USER = "postgres"


def server_program(name):
    """Debian keeps the programs of the database itself out of PATH."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    assert found, f"{name} is not here: apt-get install postgresql"
    return found[-1]


class Databases:
    """A directory of clusters and the configuration of their backups; commands run in it as nobody special."""

    def __init__(self, world, directory, bucket):
        self.world, self.directory = world, directory
        self.config = directory / "pgbackrest.conf"
        self.config.write_text(configuration(world, directory, bucket))
        self.config.chmod(0o600)
        self.prefix = []
        if os.getuid() == 0:
            user = pwd.getpwnam(USER)
            for path in (directory, self.config):
                os.chown(path, user.pw_uid, user.pw_gid)
            self.prefix = ["setpriv", f"--reuid={USER}", f"--regid={user.pw_gid}", "--clear-groups"]

    def run(self, *command, **named):
        environment = {"HOME": str(self.directory), "PGHOST": str(self.directory), "PGUSER": "tester"}
        return self.world.run(*self.prefix, "env", "-C", self.directory, *command, environment=environment, **named)

    def backrest(self, *arguments):
        return self.run(program("pgbackrest"), f"--config={self.config}", "--stanza=main", *arguments)

    def query(self, text):
        told = ("-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", text)
        return self.run(program("psql", "postgresql"), *told)

    def pgbench(self, *arguments):
        return self.run(program("pgbench", "postgresql"), *arguments, "postgres")

    def create(self):
        """A cluster with checksums of its pages, which the backups verify."""
        told = ("--username=tester", "--auth=trust", "--data-checksums", "--no-sync", "--locale=C", "--encoding=UTF8")
        self.run(server_program("initdb"), *told, self.directory / "main")
        archive = f"{program('pgbackrest')} --config={self.config} --stanza=main archive-push %p"
        settings = {
            "archive_mode": "on",
            "archive_command": f"'{archive}'",
            "listen_addresses": "''",
            "unix_socket_directories": f"'{self.directory}'",
            "max_wal_size": "512MB",
            "fsync": "off",
            "log_min_messages": "warning",
        }
        with open(self.directory / "main/postgresql.conf", "a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    @contextlib.contextmanager
    def running(self, name):
        """The cluster of that name, from when it takes writes until the block ends; then it is crashed."""
        log, control = self.directory / f"{name}.log", server_program("pg_ctl")
        data = self.directory / name
        try:
            self.run(control, "-D", data, "-l", log, "-w", "-t", "100", "start")
            poll("the end of recovery", lambda: self.query("SELECT pg_is_in_recovery()").strip() == "f")
            yield
        except BaseException:
            print(log.read_text(errors="replace")[-4000:] if log.exists() else "the database has no log")
            raise
        finally:
            if (data / "postmaster.pid").exists():
                self.run(control, "-D", data, "-m", "immediate", "-w", "stop")

    def hashes(self):
        """Of every table: how many rows, and a hash over all of them in order."""
        text = "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {} t"
        return {table: self.query(text.format(table)).strip() for table in TABLES}

    def restore(self, name, *arguments):
        (self.directory / name).mkdir(mode=0o700)
        if self.prefix:
            shutil.chown(self.directory / name, USER, USER)
        self.backrest(f"--pg1-path={self.directory / name}", *arguments, "restore")


def configuration(world, directory, bucket):
    host, port = host_and_port(world)
    settings = {
        "repo1-type": "s3",
        "repo1-path": "/backups",
        "repo1-s3-bucket": bucket,
        "repo1-s3-region": "us-east-1",
        "repo1-s3-uri-style": "path",
        "repo1-s3-key": world.server.access_key,
        "repo1-s3-key-secret": world.server.secret_key,
        "repo1-s3-endpoint": host,
        "repo1-storage-port": port,
        # It finds no addresses in certificates, and `localhost` may be another address first.
        "repo1-storage-verify-tls": "n",
        "repo1-bundle": "y",
        "repo1-retention-full": "1",
        "start-fast": "y",
        "compress-type": "lz4",
        "process-max": "2",
        "archive-timeout": "60",
        "log-level-console": "warn",
        "log-level-file": "off",
        "lock-path": directory / "lock",
        "spool-path": directory / "spool",
    }
    main = {"pg1-path": directory / "main", "pg1-socket-path": directory, "pg1-user": "tester"}
    return text_of("global", settings) + text_of("main", main)


def text_of(section, settings):
    return f"[{section}]\n" + "".join(f"{name}={value}\n" for name, value in settings.items())


def work(databases):
    databases.pgbench("-n", "-c", "4", "-t", str(TRANSACTIONS))


def live_through_a_day(databases):
    """Two backups and writes around them; returns the tables at the named point and at the crash."""
    with databases.running("main"):
        databases.pgbench("-i", "-q", "-s", str(SCALE))
        databases.backrest("stanza-create")
        databases.backrest("check")
        databases.backrest("--type=full", "backup")
        work(databases)
        at_point = databases.hashes()
        databases.query(f"SELECT pg_create_restore_point('{POINT}')")
        work(databases)
        databases.query("DELETE FROM pgbench_accounts WHERE aid % 3 = 0")
        databases.backrest("--type=incr", "backup")
        work(databases)
        at_crash = databases.hashes()
        # Waits until all that was written so far is in the archive.
        databases.backrest("check")
        return at_point, at_crash


def tables_of(databases, name, *arguments):
    databases.restore(name, *arguments)
    with databases.running(name):
        return databases.hashes()


@case_of_tls
def database_is_restored_to_its_end_and_to_a_point(world):
    bucket = world.bucket("pgbackrest")
    # Names of sockets are short, and another user is to reach it: beside the scratch directory, not in it.
    with tempfile.TemporaryDirectory(prefix="stave-pg-") as directory:
        databases = Databases(world, pathlib.Path(directory), bucket)
        databases.create()
        at_point, at_crash = live_through_a_day(databases)
        assert all(at_point[table] != at_crash[table] for table in TABLES), "nothing happened between the two"
        told = json.loads(databases.backrest("info", "--output=json"))[0]
        equal((told["status"]["message"], [backup["type"] for backup in told["backup"]]), ("ok", ["full", "incr"]))
        databases.backrest("verify")
        equal(tables_of(databases, "end", "--archive-mode=off"), at_crash)
        point = ("--archive-mode=off", "--type=name", f"--target={POINT}", "--target-action=promote")
        first = told["backup"][0]["label"]
        equal(tables_of(databases, "point", *point, f"--set={first}"), at_point)
        expire_all_but_a_new_backup(world, databases, bucket)


def expire_all_but_a_new_backup(world, databases, bucket):
    """One full backup is to be kept: a new one makes the old ones go, and their log with them."""
    # Names of backups begin with the year.
    old = set(world.keys_in(bucket, "backups/backup/main/2"))
    with databases.running("main"):
        databases.backrest("--type=full", "backup")
    kept = json.loads(databases.backrest("info", "--output=json"))[0]["backup"]
    equal([backup["type"] for backup in kept], ["full"])
    assert old and not old & set(world.keys_in(bucket)), "expired backups are still there"
    databases.backrest("verify")
