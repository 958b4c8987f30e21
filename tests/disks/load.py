"""The load of the disk hunt: what is written, who reads and writes meanwhile, and who judges every answer."""

import hashlib
import http.client
import random
import re
import sys
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import support

MIB = 1 << 20
BUCKET = "disks"
BROKEN = (OSError, http.client.HTTPException)
SIZE_MAX = 64 * MIB
PART_SIZE = 5 * MIB
# Every size where something changes comes once; the rest is drawn until there is enough.
SIZES = [1, 4095, 4096, 4097, 16_383, 16_384, 16_385, 60 << 10, MIB - 1, MIB, MIB + 1, 5 * MIB + 3, 20 * MIB, SIZE_MAX]
DRAWN = [100, 4096, 16_384, 16_385, 60 << 10, 200_000, MIB - 1, MIB + 1, 3 * MIB, 9 * MIB, 33 * MIB]
DRAWN_WEIGHTS = [20, 20, 10, 10, 15, 10, 8, 8, 8, 4, 1]
LOAD_SIZES = [0, 1, 700, 4096, 16_384, 16_385, 60 << 10, 300_000, MIB + 1]
LOAD_WEIGHTS = [1, 2, 8, 8, 4, 4, 4, 2, 1]
WRITERS, READERS, KEYS_PER_WRITER = 3, 3, 60
# What one writer writes in a second at most: the hunt is for wrong answers, not for speed.
WRITER_RATE = MIB
FINDINGS_MAX = 40


class Pool:
    """Random bytes of which every body is a window: no two windows are alike, and comparing costs nothing."""

    def __init__(self, seed):
        self.bytes = random.Random(f"{seed}-pool").randbytes(SIZE_MAX + 32 * MIB)

    def draw(self, size, chance):
        return Body(self, chance.randrange(len(self.bytes) - size), size)


class Body:
    """What was written: a window of the pool."""

    def __init__(self, pool, offset, size):
        self.pool, self.offset, self.size = pool, offset, size

    def piece(self, first=0, end=None):
        end = self.size if end is None else end
        return self.pool.bytes[self.offset + first : self.offset + end]


class Key:
    """A name, the body that must be there (None: absent), and those of writes without an answer."""

    def __init__(self, name, body=None):
        self.name, self.known, self.possible = name, body, []
        self.path = f"/{BUCKET}/{name}"

    def settle(self, content):
        """Which of them the content is; that one is known from then on. Returns a finding or None."""
        for body in [self.known, *self.possible]:
            if (None if body is None else body.piece()) == content:
                self.known, self.possible = body, []
                return None
        wanted = "absent" if self.known is None else describe(self.known.piece())
        seen = "absent" if content is None else describe(content)
        return f"{self.name}: {seen}, but {wanted} was acknowledged ({len(self.possible)} possible)"


def describe(content):
    return f"{len(content)} bytes {hashlib.md5(content).hexdigest()}"


class Judge:
    """Collects what is wrong, told at once, and counts what is right."""

    def __init__(self):
        self.lock, self.findings, self.phase = threading.Lock(), [], "fill"
        self.reads = self.read_bytes = self.writes = self.written_bytes = self.refused = self.lists = 0
        self.gap, self.gap_phase = 0.0, "none"

    def find(self, text):
        with self.lock:
            self.findings.append(f"{self.phase}: {text}")
            now = time.strftime("%H:%M:%SZ", time.gmtime())
            print(f"FINDING {now} in {self.phase}: {text}", file=sys.stderr, flush=True)

    def read(self, size):
        with self.lock:
            self.reads += 1
            self.read_bytes += size

    def wrote(self, size, seconds):
        """Notes a write that took so long from the first try to its acknowledgement."""
        with self.lock:
            self.writes += 1
            self.written_bytes += size
            if seconds > self.gap:
                self.gap, self.gap_phase = seconds, self.phase

    def refuse(self):
        with self.lock:
            self.refused += 1

    def is_enough(self):
        return len(self.findings) >= FINDINGS_MAX


class Reader:
    """Reads keys and judges the answers."""

    def __init__(self, client, judge, chance):
        self.client, self.judge, self.chance = client, judge, chance

    def read(self, key):
        """Whole, a range, the end, or only the head of a body that is not being written."""
        draw = self.chance.random()
        if draw < 0.4 or key.known is None or key.known.size == 0:
            return self.read_whole(key)
        if draw < 0.5:
            return self.read_head(key)
        return self.read_range(key)

    def read_whole(self, key):
        answer = self.client.request("GET", key.path)
        if answer.status not in (200, 404):
            return self.judge.find(f"GET {key.name}: {answer.status} {answer.body[:300]!r}")
        content = answer.body if answer.status == 200 else None
        self.judge.read(len(content or b""))
        finding = key.settle(content)
        if finding:
            self.judge.find(finding)

    def read_head(self, key):
        answer = self.client.request("HEAD", key.path)
        found = (answer.status, answer.headers.get("content-length"))
        self.judge.read(0)
        if found != (200, str(key.known.size)):
            self.judge.find(f"HEAD {key.name}: {found}, not {key.known.size} bytes")

    def read_range(self, key):
        size = key.known.size
        first = self.chance.randrange(size)
        length = self.chance.choice([1, 100, 4096, 70_000, MIB, size])
        end, text = min(size, first + length), f"bytes={first}-{first + length - 1}"
        if self.chance.random() < 0.2:
            first, end, text = max(0, size - length), size, f"bytes=-{length}"
        answer = self.client.request("GET", key.path, headers={"Range": text})
        if answer.status != 206:
            return self.judge.find(f"GET {key.name} {text}: {answer.status} {answer.body[:300]!r}")
        self.judge.read(len(answer.body))
        told = answer.headers.get("content-range")
        if answer.body != key.known.piece(first, end) or told != f"bytes {first}-{end - 1}/{size}":
            self.judge.find(f"GET {key.name} {text} of {size}: {told}, {describe(answer.body)} is wrong")


class Writer:
    """Writes keys of its own until each write is acknowledged."""

    def __init__(self, client, judge, chance, halt):
        self.client, self.judge, self.chance, self.halt = client, judge, chance, halt
        self.reader = Reader(client, judge, chance)

    def write(self, key, body):
        began = time.monotonic()
        key.possible.append(body)
        while not self.send(key, body):
            self.judge.refuse()
            # Refused or unknown: the old one or the new one must be read all the same.
            self.reader.read_whole(key)
            key.possible.append(body)
            if time.monotonic() - began > support.ANSWER_SECONDS_MAX:
                self.judge.find(f"{key.name}: refused for {support.ANSWER_SECONDS_MAX} s")
                return
            self.halt.wait(0.05)
        self.judge.wrote(body.size if body else 0, time.monotonic() - began)
        key.known, key.possible = body, []

    def send(self, key, body):
        """One try; returns whether it was acknowledged."""
        if body is None:
            return self.is_taken(self.client.request("DELETE", key.path), 204, key)
        if body.size > PART_SIZE and self.chance.random() < 0.5:
            return self.upload(key, body)
        content = body.piece()
        answer = self.client.request("PUT", key.path, body=content)
        if not self.is_taken(answer, 200, key):
            return False
        if answer.headers["etag"].strip('"') != hashlib.md5(content).hexdigest():
            self.judge.find(f"PUT {key.name}: wrong ETag {answer.headers['etag']}")
        return True

    def upload(self, key, body):
        started = self.client.request("POST", key.path, [("uploads", "")])
        if not self.is_taken(started, 200, key):
            return False
        upload_id = re.search(rb"<UploadId>([^<]+)<", started.body).group(1).decode()
        listed = ""
        for number, first in enumerate(range(0, body.size, PART_SIZE), 1):
            content = body.piece(first, min(body.size, first + PART_SIZE))
            query = [("partNumber", number), ("uploadId", upload_id)]
            answer = self.client.request("PUT", key.path, query, content)
            if not self.is_taken(answer, 200, key):
                return False
            listed += f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.headers['etag']}</ETag></Part>"
        text = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        answer = self.client.request("POST", key.path, [("uploadId", upload_id)], text)
        if answer.status == 200 and b"<Error>" in answer.body:
            answer.status = 503 if b"<Code>ServiceUnavailable<" in answer.body else 500
        return self.is_taken(answer, 200, key)

    def is_taken(self, answer, status, key):
        if answer.status not in (status, 503):
            self.judge.find(f"write of {key.name}: {answer.status} {answer.body[:300]!r}")
        return answer.status == status


def list_names(client, prefix, judge):
    """Every name with that prefix; None when the listing failed."""
    names, token = [], None
    while True:
        query = [("list-type", "2"), ("prefix", prefix), ("max-keys", "500")]
        query += [("continuation-token", token)] if token else []
        answer = client.request("GET", f"/{BUCKET}", query)
        if answer.status != 200:
            return judge.find(f"listing of {prefix!r}: {answer.status} {answer.body[:300]!r}")
        judge.lists += 1
        text = answer.body.decode()
        names += [urllib.parse.unquote(name) for name in re.findall("<Key>([^<]+)</Key>", text)]
        if "<IsTruncated>true</IsTruncated>" not in text:
            return names
        token = re.search("<NextContinuationToken>([^<]+)<", text).group(1)


def check_listing(client, prefix, keys, judge):
    """A listing must name what is there, and nothing else."""
    listed = list_names(client, prefix, judge)
    if listed is None:
        return
    may = {key.name for key in keys if key.known is not None or any(key.possible)}
    must = {key.name for key in keys if key.known is not None and None not in key.possible}
    missing, extra = sorted(must - set(listed)), sorted(set(listed) - may)
    if missing or extra or listed != sorted(set(listed)):
        judge.find(f"listing of {prefix!r}: missing {missing[:5]}, extra {extra[:5]}, {len(listed)} names")


class Load:
    """Threads that read and write until they are stopped, or until the server is killed."""

    def __init__(self, server, kept, owned, judge, seed):
        self.server, self.kept, self.owned, self.judge, self.seed = server, kept, owned, judge, seed
        self.halt, self.is_killing = threading.Event(), False
        self.threads = [threading.Thread(target=self.guard, args=(self.run_reader, n)) for n in range(READERS)]
        self.threads += [threading.Thread(target=self.guard, args=(self.run_writer, n)) for n in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def guard(self, run, number):
        """A connection that breaks is a finding, unless the server is being killed."""
        while not self.halt.is_set() and not self.judge.is_enough():
            client = self.server.client()
            try:
                run(client, random.Random(f"{self.seed}-{run.__name__}-{number}-{time.monotonic()}"), number)
            except BROKEN as error:
                if self.is_killing:
                    return
                self.judge.find(f"{run.__name__}: the connection broke: {error!r}")
                self.halt.wait(1)
            except Exception as error:  # any other end is a finding
                self.judge.find(f"{run.__name__}: {error!r}")
                raise
            finally:
                client.close()

    def run_reader(self, client, chance, _):
        reader = Reader(client, self.judge, chance)
        while not self.halt.is_set() and not self.judge.is_enough():
            reader.read(chance.choice(self.kept))

    def run_writer(self, client, chance, number):
        writer = Writer(client, self.judge, chance, self.halt)
        keys, began, sent = self.owned[number], time.monotonic(), 0
        while not self.halt.is_set() and not self.judge.is_enough():
            key, draw = chance.choice(keys), chance.random()
            if draw < 0.02:
                check_listing(client, f"writer-{number}/", keys, self.judge)
            elif draw < 0.3:
                writer.reader.read(key) if not key.possible else writer.reader.read_whole(key)
            elif draw < 0.45:
                writer.write(key, None)
            else:
                size = chance.choices(LOAD_SIZES, LOAD_WEIGHTS)[0] if draw < 0.995 else chance.randrange(8 * MIB)
                writer.write(key, self.kept[0].known.pool.draw(size, chance))
                sent += size
            self.halt.wait(max(0.002, sent / WRITER_RATE - (time.monotonic() - began)))

    def stop(self):
        """Every write that began is acknowledged or counted as unknown."""
        self.halt.set()
        for thread in self.threads:
            thread.join()

    def kill_server(self):
        """Kills the server in the middle of the load."""
        self.is_killing = True
        self.server.kill()
        self.stop()


def fill(server, count_mib, pool, judge, seed):
    """Writes that many MiB in all sizes; returns the keys."""
    chance, total, keys = random.Random(f"{seed}-fill"), 0, []
    while total < count_mib * MIB:
        size = SIZES[len(keys)] if len(keys) < len(SIZES) else chance.choices(DRAWN, DRAWN_WEIGHTS)[0]
        total += size
        keys.append((Key(f"kept/{len(keys):06}-{size}"), pool.draw(size, chance)))
    share(server, keys, lambda client, pair: Writer(client, judge, chance, threading.Event()).write(*pair), judge)
    return [key for key, _ in keys]


def verify(server, keys, judge):
    """Reads every key whole, and the whole listing."""
    read_all(server, keys, judge)
    client = server.client()
    check_listing(client, "", keys, judge)
    client.close()


def read_all(server, keys, judge):
    share(server, keys, lambda client, key: Reader(client, judge, random).read_whole(key), judge)


def share(server, items, act, judge, connections=4):
    """Does it for every item over a few connections."""

    def run(start):
        client = server.client()
        for item in items[start::connections]:
            if judge.is_enough():
                break
            try:
                act(client, item)
            except BROKEN as error:
                judge.find(f"the connection broke: {error!r}")
                client.close()
        client.close()

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(run, range(connections)))
