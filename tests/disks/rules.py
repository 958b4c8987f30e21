"""What a start does with disks that are not as they should be, as the operator sees it: exit code, log, status."""

import random
import shutil
from concurrent.futures import ThreadPoolExecutor

import damage
import support
from load import BUCKET, MIB, Judge, Key, Pool, Writer, verify
from store import Store, disk_at, is_healed, legs_of

COUNT, PARITY = 4, 2
# Rules that are tried at once: most of the time they wait for the server to look at its disks.
WORKERS = 4
POOL = Pool("rules")
KEYS = {"STAVE_ROOT_USER": "operator", "STAVE_ROOT_PASSWORD": "the-same-on-both-stores"}


class Case:
    """A store of a few disks with some objects, stopped well: every case begins with one of its own."""

    def __init__(self, binary, root, environment=None):
        self.binary, self.root, self.judge = binary, root, Judge()
        self.root.mkdir()
        self.judge.phase = root.name
        self.store = Store(binary, root, COUNT, PARITY, self.judge)
        self.store.environment = environment or {}
        self.dirs, self.keys, self.noted = self.store.dirs, [], 0
        self.store.start()
        self.request("PUT", f"/{BUCKET}")
        self.write([1, 4096, 16_384, 16_385, 60 << 10, MIB + 1, 5 * MIB])
        self.stop()

    def request(self, method, path):
        client = self.store.server.client()
        answer = client.request(method, path)
        client.close()
        return answer

    def write(self, sizes):
        client, chance = self.store.server.client(), random.Random(len(self.keys))
        writer = Writer(client, self.judge, chance, None)
        for size in sizes:
            key = Key(f"key-{len(self.keys)}")
            writer.write(key, POOL.draw(size, chance))
            self.keys.append(key)
        client.close()

    def start(self, dirs=None):
        """Starts with these disks and reads everything; returns the status."""
        self.store.dirs = self.dirs if dirs is None else list(dirs)
        self.store.start()
        self.read()
        return self.store.status()

    def read(self):
        verify(self.store.server, self.keys, self.judge)
        self.expect(not self.judge.findings, "an answer is wrong")

    def heal(self, count, others=0):
        """Waits until that many disks are well, all of those that are expected but for so many others."""
        self.store.wait(f"{count} disks are well", lambda status: is_healed(status, count, others))
        self.read()

    def stop(self):
        self.store.server.stop()

    def refused(self, dirs, part):
        """The start must end with a complaint that says so. Nothing is written before it."""
        server = support.Server(self.binary, dirs, environment=self.store.environment, options=self.store.options)
        try:
            server.wait_until_ready()
        except RuntimeError as error:
            code, text = server.process.returncode, str(error)
            server.close()
            self.expect(code == 2 and part in text, f"ended with {code}, should be 2 and say {part!r}: {text}")
            return
        server.kill()
        self.expect(False, f"it serves, but should say {part!r}")

    def expect(self, is_right, text):
        if not is_right:
            raise SystemExit(f"disks: rule {self.root.name}: {text}")

    def expect_disk(self, place, state, part):
        found = disk_at(self.store.status(), place)
        is_right = found and found["state"] == state and part in found["reason"]
        self.expect(is_right, f"{place.name} should be {state} ({part}), but the status says {found}")

    def expect_margin(self, margin):
        self.store.wait(f"the margin is {margin}", lambda status: status["margin"] == margin)


def foreign_in_place(case):
    disk = case.dirs[1]
    shutil.rmtree(disk)
    disk.mkdir()
    (disk / "photo.jpg").write_text("precious")
    case.start()
    case.expect_disk(disk, "refused", "other files (photo.jpg)")
    case.expect_margin(1)
    case.write([MIB])
    case.stop()
    names = sorted(path.name for path in disk.iterdir())
    case.expect(names == [".stave-lock", "photo.jpg"], f"the foreign directory holds {names}")


def foreign_besides(case):
    disk = case.root / "d5"
    disk.mkdir()
    (disk / "photo.jpg").write_text("precious")
    case.start([*case.dirs, disk])
    case.expect_disk(disk, "refused", "other files (photo.jpg)")
    case.expect_margin(2)
    case.stop()


def foreign_in_new_store(case):
    dirs = [case.root / f"new{number}" for number in range(4)]
    for disk in dirs:
        disk.mkdir()
    (dirs[2] / "photo.jpg").write_text("precious")
    case.refused(dirs, "other files (photo.jpg)")
    dirs[2].rename(case.root / "elsewhere")
    case.refused(dirs, "is not there, and is not made")
    case.expect(not dirs[2].exists(), "a directory was made where others are")
    made = [disk.name for disk in dirs if (disk / "stave.disk").exists()]
    case.expect(not made, f"a refused start made disks of {made}")


def another_store_in_place(case):
    """Its root keys are others; they count no more than what else it says."""
    other = Case(case.binary, case.root / "other")
    kept = (other.dirs[1] / ".stave-credentials").read_bytes()
    case.start([case.dirs[0], other.dirs[1], *case.dirs[2:]])
    case.expect_disk(other.dirs[1], "refused", "another store")
    case.expect_margin(1)
    case.write([MIB])
    case.stop()
    case.start([*case.dirs, other.dirs[1]])
    case.expect_disk(other.dirs[1], "refused", "another store")
    case.heal(COUNT, others=1)
    case.stop()
    case.refused([*case.dirs[:2], *other.dirs[2:]], "two stores")
    case.expect((other.dirs[1] / ".stave-credentials").read_bytes() == kept, "the keys of the other store changed")
    other.start()
    other.heal(COUNT)
    other.stop()


def another_store_with_the_same_keys(case):
    other = Case(case.binary, case.root / "other", KEYS)
    shown = [case.dirs[0], other.dirs[1], *case.dirs[2:]]
    case.start(shown)
    case.expect_disk(other.dirs[1], "refused", "another store")
    case.expect_margin(1)
    case.stop()
    case.start([*case.dirs, other.dirs[1]])
    case.expect_disk(other.dirs[1], "refused", "another store")
    case.expect_margin(2)
    case.stop()
    case.refused([*case.dirs, *other.dirs], "two stores")
    other.start()
    other.heal(COUNT)
    other.stop()


def duplicate(case):
    copy = case.root / "copy"
    shutil.copytree(case.dirs[1], copy)
    case.start([copy, *case.dirs])
    case.expect_disk(copy, "refused", "copy")
    case.expect_margin(2)
    case.write([MIB])
    case.stop()


def duplicate_instead_of_original(case):
    copy = case.root / "copy"
    shutil.copytree(case.dirs[1], copy)
    case.start([case.dirs[0], copy, *case.dirs[2:]])
    case.heal(COUNT)
    case.stop()


def too_few(case):
    for disk in case.dirs[:3]:
        damage.take_away(disk)
    case.refused(case.dirs, "1 of 4 disks are there, 2 are needed")
    damage.bring_back(case.dirs[2])
    case.start()
    case.stop()
    damage.bring_back(case.dirs[0])
    damage.bring_back(case.dirs[1])
    case.start()
    case.heal(COUNT)
    case.stop()


def other_order(case):
    case.start(case.dirs[::-1])
    case.heal(COUNT)
    case.write([MIB])
    case.stop()


def named_twice(case):
    case.refused([*case.dirs, case.dirs[0]], "named twice")
    link = case.root / "link"
    link.symlink_to(case.dirs[0])
    case.refused([*case.dirs, link], "are the same directory")


def one_more(case):
    disk = case.root / "d5"
    case.start([*case.dirs, disk])
    case.expect_disk(disk, "absent", "No such file")
    case.expect(not disk.exists(), "a directory was made beside a store, where a mount may be missing")
    disk.mkdir()
    case.heal(COUNT + 1)
    case.write([MIB, 5 * MIB])
    status = case.store.status()
    case.expect(status["geometry"] == {"data": 3, "parity": 2}, f"geometry {status['geometry']}")
    case.expect(disk_at(status, disk)["segments"] > 0, "new volumes do not use the new disk")
    case.stop()
    damage.remove(case.dirs[0])
    damage.remove(case.dirs[1])
    case.start([*case.dirs, disk])
    case.stop()


def one_less(case):
    case.store.options = ("--parity", 1)
    case.start(case.dirs[:3])
    case.expect_disk(case.dirs[3], "absent", "")
    case.stop()


def blank_in_place(case):
    shutil.rmtree(case.dirs[1])
    case.dirs[1].mkdir()
    case.start()
    case.heal(COUNT)
    case.stop()


def rolled_back(case):
    shutil.copytree(case.dirs[1], case.root / "old")
    case.start()
    case.write([100, MIB, 5 * MIB])
    case.stop()
    shutil.rmtree(case.dirs[1])
    (case.root / "old").rename(case.dirs[1])
    case.start()
    case.heal(COUNT)
    case.stop()
    for disk in (case.dirs[0], case.dirs[2]):
        damage.remove(disk)
    case.start()
    case.stop()


def damaged_identity(case):
    """The disk's copy of the roster tells whose it is, else its segments; with neither it is left alone."""
    disk = case.dirs[1]
    identity = disk / "stave.disk"
    known = identity.read_bytes()
    for spoil in (lambda: identity.write_bytes(b"\xff" * 64), identity.unlink):
        for is_roster_lost in (False, True):
            spoil()
            if is_roster_lost:
                (disk / "stave.roster").unlink()
            case.start()
            case.heal(COUNT)
            case.expect(identity.read_bytes() == known, "the identity was not written again as it was")
            case.stop()
    for name in ("stave.disk", "stave.roster"):
        (disk / name).write_bytes(b"\xff" * 64)
    for segment in (disk / "volumes").iterdir():
        with open(segment, "r+b") as file:
            file.write(b"\xff" * 4096)
    case.start()
    case.expect_disk(disk, "refused", "damaged")
    case.expect_margin(1)
    case.stop()


def rosters_damaged(case):
    """One roster is not enough to believe; without any, the disks are not taken for new ones."""
    for disk in case.dirs[:2]:
        damage.flip(disk / "stave.roster", 64, random.Random(1))
    case.start()
    case.heal(COUNT)
    case.stop()
    kept = [disk / "stave.roster" for disk in case.dirs[:3]]
    for path in kept:
        path.rename(path.with_name(".roster"))
    case.refused(case.dirs, "")
    (case.dirs[3] / "stave.roster").rename(case.dirs[3] / ".roster")
    case.refused(case.dirs[::-1], "")
    for path in [*kept, case.dirs[3] / "stave.roster"]:
        case.expect(not path.exists(), "a refused start wrote a roster")
        path.with_name(".roster").rename(path)
    case.start()
    case.stop()


def legs_damaged(case):
    """Of three copies of the metadata any one is enough, whatever the others lack."""
    case.start()
    for name in ("journal", "runs", "manifest"):
        legs = legs_of(case.store.status())
        case.stop()
        case.expect(len(legs) == 3, f"{len(legs)} disks hold the metadata")
        for disk in legs[:2]:
            part = disk / name
            part.unlink() if part.is_file() else shutil.rmtree(part)
        case.start()
        case.heal(COUNT)
        case.store.wait("three disks hold the metadata", lambda status: len(legs_of(status)) == 3)
        case.write([MIB])
    case.stop()


def read_only(case):
    if not damage.freeze(case.dirs[1]):
        damage.thaw(case.dirs[1])
        return
    try:
        case.start()
        status = disk_at(case.store.status(), case.dirs[1])
        case.expect(status["state"] != "healthy", f"a read-only disk is {status}")
        case.write([MIB])
        case.stop()
    finally:
        damage.thaw(case.dirs[1])
    case.start()
    case.heal(COUNT)
    case.stop()


def read_only_is_read(case):
    """A disk that takes no writes is still read: with it the store may lose as many others as ever."""
    if not damage.freeze(case.dirs[1]):
        damage.thaw(case.dirs[1])
        return
    try:
        case.start()
        state = disk_at(case.store.status(), case.dirs[1])["state"]
        case.expect(state in ("read-only", "suspect"), f"a disk that takes no writes is {state}")
        for disk in case.dirs[2:]:
            damage.take_away(disk)
            case.store.wait(f"{disk.name} is missed", lambda status: disk_at(status, disk)["state"] != "healthy")
        case.read()
        case.stop()
        for disk in case.dirs[2:]:
            damage.bring_back(disk)
    finally:
        damage.thaw(case.dirs[1])
    case.start()
    case.heal(COUNT)
    case.stop()


def too_many_and_back(case):
    """More disks go than may be lost, then all are back: nothing stays of it."""
    case.start()
    for disk in case.dirs[1:]:
        damage.take_away(disk)
    case.store.wait("writes are refused", lambda status: not status["writable"])
    for disk in case.dirs[1:]:
        damage.bring_back(disk)
    case.heal(COUNT)
    case.write([100, MIB])
    case.stop()
    case.start()
    case.heal(COUNT)
    case.stop()


def missing_and_back(case):
    damage.take_away(case.dirs[1])
    case.start()
    case.expect_disk(case.dirs[1], "absent", "")
    case.write([MIB])
    damage.bring_back(case.dirs[1])
    case.heal(COUNT)
    case.stop()


RULES = [
    foreign_in_place,
    foreign_besides,
    foreign_in_new_store,
    another_store_in_place,
    another_store_with_the_same_keys,
    duplicate,
    duplicate_instead_of_original,
    too_few,
    other_order,
    named_twice,
    one_more,
    one_less,
    blank_in_place,
    rolled_back,
    damaged_identity,
    rosters_damaged,
    legs_damaged,
    read_only,
    read_only_is_read,
    too_many_and_back,
    missing_and_back,
]


def check_all(binary, root, names=None):
    chosen = [rule for rule in RULES if names is None or rule.__name__ in names]
    with ThreadPoolExecutor(WORKERS) as pool:
        failed = [name for name in pool.map(lambda rule: check(binary, root, rule), chosen) if name]
    if failed:
        raise SystemExit(f"disks: {len(failed)} of {len(chosen)} rules failed: {', '.join(failed)}")
    print(f"disks: {len(chosen)} rules of a start hold")


def check(binary, root, rule):
    """Returns the name of a rule that does not hold."""
    environment = KEYS if rule is another_store_with_the_same_keys else None
    case = Case(binary, root / rule.__name__, environment)
    try:
        rule(case)
    except (SystemExit, RuntimeError) as error:
        print(f"{error}\n--- end of {case.store.server.log_path}\n{case.store.server.tail(15)}", flush=True)
        return rule.__name__
    finally:
        case.store.server.process.kill()
    return None
