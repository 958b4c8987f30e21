"""A server on several disks, its status, and what the kernel says of it."""

import json
import os
import pathlib
import subprocess
import time

import support

TICKS = os.sysconf("SC_CLK_TCK")
# A server that makes no progress for so long is stuck; healing tells whole members, which are large in large stores.
PROGRESS_SECONDS_MAX = 60
PROGRESS_SECONDS_PER_MIB = 0.04
POLL_SECONDS = 0.25


class Store:
    """Disks below one root, and the server that serves them; killed and started again under the same keys."""

    def __init__(self, binary, root, count, parity, judge):
        self.binary, self.root, self.judge = binary, pathlib.Path(root), judge
        self.dirs = [self.root / f"d{number}" for number in range(1, count + 1)]
        self.options = () if parity is None else ("--parity", parity)
        self.server, self.keys, self.environment = None, None, {}
        self.patience = PROGRESS_SECONDS_MAX

    def start(self):
        server = support.Server(self.binary, self.dirs, environment=self.environment, options=self.options)
        self.server = server.wait_until_ready()
        keys = (self.server.access_key, self.server.secret_key)
        if self.keys not in (None, keys):
            self.judge.find("the server made other root keys at a later start")
        self.keys = keys
        return self.server

    def expect_mib(self, mib):
        """So many will be stored."""
        self.patience = PROGRESS_SECONDS_MAX + mib * PROGRESS_SECONDS_PER_MIB

    def log(self):
        return self.server.log_path.read_text(errors="replace")

    def status(self):
        """What `stave admin status --json` says."""
        command = [self.binary, "admin", "status", "--json", "--endpoint", self.server.endpoint]
        keys = {"STAVE_ROOT_USER": self.keys[0], "STAVE_ROOT_PASSWORD": self.keys[1]}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **keys})
        if done.returncode not in (0, 1, 2):
            raise RuntimeError(f"admin status: {done.returncode} {done.stderr}")
        return json.loads(done.stdout)

    def wait(self, what, is_done):
        """Polls the status until it is so; a status that stays the same for long is a finding. Returns seconds."""
        began = moved = time.monotonic()
        last = None
        while True:
            status = self.status()
            if is_done(status):
                return time.monotonic() - began
            seen = (status["repair"]["rebuilt_bytes"], status["margin"], disk_states(status))
            moved, last = (moved, last) if seen == last else (time.monotonic(), seen)
            if time.monotonic() - moved > self.patience or self.judge.is_enough():
                status["metrics"] = None
                self.judge.find(f"stuck: waiting until {what}: {summary(status)}\n{json.dumps(status)}")
                return time.monotonic() - began
            time.sleep(POLL_SECONDS)

    def wait_until_healed(self):
        return self.wait("redundancy is back", lambda status: is_healed(status, len(self.dirs)))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.server.pid()}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def io_bytes(self):
        """Bytes that the process read and wrote by system calls, sockets included."""
        lines = pathlib.Path(f"/proc/{self.server.pid()}/io").read_text().splitlines()
        values = dict(line.split(": ") for line in lines)
        return int(values["rchar"]) + int(values["wchar"])


def disk_at(status, place):
    """The disk at a place; the worst state counts when several are told."""
    found = [disk for disk in status["disks"] if disk["place"] == str(place)]
    return next((disk for disk in found if disk["state"] != "healthy"), found[0] if found else None)


def legs_of(status):
    """The disks that hold a copy of the metadata."""
    return [pathlib.Path(disk["place"]) for disk in status["disks"] if disk["has_metadata"]]


def disk_states(status):
    return [(disk["place"], disk["disk_id"], disk["state"]) for disk in status["disks"]]


def is_healed(status, count, others=0):
    healthy = [disk for disk in status["disks"] if disk["state"] == "healthy"]
    is_whole = status["margin"] == status["margin_full"] and status["repair"]["volumes_left"] == 0
    return is_whole and len(healthy) == count == len(status["disks"]) - others


def summary(status):
    geometry, repair = status["geometry"], status["repair"]
    unwell = [f"{pathlib.Path(d['place']).name} {d['state']}" for d in status["disks"] if d["state"] != "healthy"]
    rot = sum(disk["rot"] for disk in status["disks"])
    return (
        f"{geometry['data']}+{geometry['parity']}, margin {status['margin']} of {status['margin_full']}, "
        f"{repair['volumes_left']} volumes to heal, {rot} rot, {', '.join(unwell) or 'all disks healthy'}"
        + ("" if status["writable"] else ", NOT WRITABLE")
    )
