"""What a start does with disks that are not as they should be, as the operator sees it: exit code, log, status."""

import shutil
import subprocess

import damage
import support
from load import BUCKET, Judge, Key, Pool, Writer, verify
from store import Store, disk_at

COUNT, PARITY = 4, 2


class Case:
    """A store of a few disks with some objects, stopped well; every case begins with one of its own."""

    def __init__(self, binary, root, name):
        self.binary, self.root = binary, root / name
        self.root.mkdir()
        self.judge = Judge()
        self.judge.phase = f"rule {name}"
        self.store = Store(binary, self.root, COUNT, PARITY, self.judge)
        self.dirs = self.store.dirs
        pool = Pool(name)
        self.keys = [Key(f"key-{number}") for number in range(20)]
        server = self.store.start()
        client = server.client()
        client.request("PUT", f"/{BUCKET}")
        for number, key in enumerate(self.keys):
            Writer(client, self.judge, support.random, None).write(key, pool.draw(1 + number * 20_000, support.random))
        client.close()
        server.stop()

    def serve(self, dirs=None):
        """Starts with those disks; everything must be read. Returns the status and what the log said meanwhile."""
        self.store.dirs = self.dirs if dirs is None else dirs
        known = len(self.log())
        server = self.store.start()
        verify(server, self.keys, self.judge)
        self.check(not self.judge.findings, "a wrong answer")
        return self.store.status(), self.log()[known:]
