"""The registry of Docker (distribution 2.8) with its blobs in the store: images are pushed and pulled by its HTTP API.

| call                                | what it asks of the store                                             |
|-------------------------------------|-----------------------------------------------------------------------|
| POST, PATCH, PUT of an upload       | an upload in parts, found again by ListMultipartUploads and ListParts |
| the end of an upload                | CopyObject to the blob's place, in parts when it is large             |
| GET of a blob                       | a presigned link to the store, which the client follows               |
| lists of tags and repositories      | listings with a delimiter                                             |
| garbage collection                  | a walk over all of it, deletes of many                                |

The image is made by hand. No Docker is needed.
"""

import contextlib
import gzip
import hashlib
import http.client
import io
import json
import re
import tarfile
import urllib.parse

from harness import MIB, case_of_plain, equal, random_bytes
from tools import SECONDS_MAX, poll, program, running

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CHUNK = 3 * MIB
LARGE = 17 * MIB + 7
# Beyond this the registry copies in parts.
COPY_IN_PARTS = 8 * MIB


def digest_of(body):
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


class Registry:
    """A running registry. Speaks HTTP to it and follows where it sends."""

    def __init__(self, world, address):
        self.world, self.address = world, address

    def ask(self, method, path, body=None, headers=None):
        """Returns the answer and its body."""
        connection = http.client.HTTPConnection(self.address, timeout=SECONDS_MAX)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer, answer.read()

    def want(self, status, method, path, body=None, headers=None):
        answer, said = self.ask(method, path, body, headers)
        assert answer.status == status, f"{method} {path}: {answer.status}, {status} was wanted: {said[:500]!r}"
        return answer, said

    def begin(self, repository):
        """Begins an upload; returns where it goes on."""
        return place_of(self.want(202, "POST", f"/v2/{repository}/blobs/uploads/", b"")[0])

    def send(self, place, start, chunk):
        """One chunk; returns where it goes on."""
        span = f"{start}-{start + len(chunk) - 1}"
        headers = {"Content-Type": "application/octet-stream", "Content-Range": span}
        answer, _ = self.want(202, "PATCH", place, chunk, headers)
        equal(answer.headers["Range"], f"0-{start + len(chunk) - 1}")
        return place_of(answer)

    def finish(self, place, digest, last=b"", status=201):
        joint = "&" if "?" in place else "?"
        told = f"{place}{joint}digest={urllib.parse.quote(digest)}"
        return self.want(status, "PUT", told, last, {"Content-Type": "application/octet-stream"})

    def push_blob(self, repository, body):
        """A small blob at once, a large one in chunks."""
        place = self.begin(repository)
        for start in range(0, len(body) if len(body) > CHUNK else 0, CHUNK):
            place = self.send(place, start, body[start : start + CHUNK])
        self.finish(place, digest_of(body), b"" if len(body) > CHUNK else body)

    def push(self, repository, tag, image):
        for blob in image.blobs():
            self.push_blob(repository, blob)
        headers = {"Content-Type": MANIFEST_TYPE}
        answer, _ = self.want(201, "PUT", f"/v2/{repository}/manifests/{tag}", image.manifest, headers)
        equal(answer.headers["Docker-Content-Digest"], digest_of(image.manifest))

    def blob(self, repository, digest, method="GET"):
        """Follows the link into the store, as clients do; returns headers and body."""
        answer, _ = self.want(307, method, f"/v2/{repository}/blobs/{digest}")
        assert answer.headers["Location"].startswith(self.world.server.endpoint), answer.headers["Location"]
        status, headers, body = self.world.fetch(answer.headers["Location"], method)
        equal(status, 200)
        return headers, body

    def want_blob(self, repository, body):
        """The blob is there, with its length and every byte."""
        equal(int(self.blob(repository, digest_of(body), "HEAD")[0]["Content-Length"]), len(body))
        assert self.blob(repository, digest_of(body))[1] == body, f"{digest_of(body)}: other bytes came back"

    def manifest(self, repository, reference):
        return self.want(200, "GET", f"/v2/{repository}/manifests/{reference}", headers={"Accept": MANIFEST_TYPE})[1]

    def pull(self, repository, reference, image):
        """Everything that belongs to the image, compared byte by byte."""
        equal(self.manifest(repository, reference), image.manifest)
        for blob in image.blobs():
            self.want_blob(repository, blob)

    def names(self, path, field):
        return sorted(json.loads(self.want(200, "GET", path)[1])[field] or [])


def place_of(answer):
    """Path and query of where an answer says to go on."""
    parts = urllib.parse.urlsplit(answer.headers["Location"])
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


class Image:
    """Layers, the configuration that names them, and the manifest."""

    def __init__(self, name, sizes):
        bodies = {f"{name}/{index}": random_bytes(f"{name} {index}", size) for index, size in enumerate(sizes)}
        self.layers = [layer_of({path: body}) for path, body in bodies.items()]
        content = {"type": "layers", "diff_ids": [digest_of(gzip.decompress(layer)) for layer in self.layers]}
        self.config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": content}).encode()
        told = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": entry_of(CONFIG_TYPE, self.config),
            "layers": [entry_of(LAYER_TYPE, layer) for layer in self.layers],
        }
        self.manifest = json.dumps(told, indent=3).encode()

    def blobs(self):
        return [*self.layers, self.config]


def entry_of(kind, body):
    return {"mediaType": kind, "size": len(body), "digest": digest_of(body)}


def layer_of(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, body in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return gzip.compress(packed.getvalue(), compresslevel=1, mtime=0)


def configuration(world, bucket):
    """JSON is YAML, too."""
    store = {
        "accesskey": world.server.access_key,
        "secretkey": world.server.secret_key,
        "region": "us-east-1",
        "regionendpoint": world.server.endpoint,
        "bucket": bucket,
        "rootdirectory": "/registry",
        "chunksize": 5 * MIB,
        "multipartcopychunksize": COPY_IN_PARTS,
        "multipartcopythresholdsize": COPY_IN_PARTS,
        "secure": False,
        "v4auth": True,
    }
    # Uploads go on with another process: it must know the secret that their places are signed by.
    return {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"s3": store, "delete": {"enabled": True}, "maintenance": {"uploadpurging": {"enabled": False}}},
        "http": {"addr": "127.0.0.1:0", "secret": "known to all of them"},
    }


def config_path(world, bucket):
    path = world.scratch / f"{bucket}.yml"
    path.write_text(json.dumps(configuration(world, bucket)))
    return path


@contextlib.contextmanager
def registry(world, bucket):
    """A registry on a port that the system chose: its log says which."""
    log = world.scratch / f"{bucket}.log"
    log.unlink(missing_ok=True)
    command = [program("docker-registry"), "serve", config_path(world, bucket)]
    with running(command, log, world.environment) as process:
        try:
            yield Registry(world, poll("a registry that listens", lambda: address_in(process, log)))
        except BaseException:
            print(f"--- end of the registry's log\n{log.read_text(errors='replace')[-4000:]}---")
            raise


def address_in(process, log):
    said = log.read_text(errors="replace")
    assert process.poll() is None, f"the registry ended with {process.returncode}\n{said[-2000:]}"
    found = re.search(r"listening on (127\.0\.0\.1:\d+)", said)
    return found and found.group(1)


@case_of_plain
def image_is_pushed_and_pulled(world):
    bucket, image = world.bucket("registry"), Image("one", (1000, 2 * MIB, LARGE))
    with registry(world, bucket) as first:
        first.push("team/app", "v1", image)
        first.push("team/app", "v2", other := Image("two", (5000,)))
        first.push("team/tool", "latest", other)
    # Another process knows nothing but what is in the store.
    with registry(world, bucket) as second:
        second.pull("team/app", "v1", image)
        second.pull("team/app", digest_of(image.manifest), image)
        second.pull("team/app", "v2", other)
        equal(second.names("/v2/team/app/tags/list", "tags"), ["v1", "v2"])
        equal(second.names("/v2/_catalog", "repositories"), ["team/app", "team/tool"])
        second.want(404, "GET", "/v2/team/app/manifests/v3", headers={"Accept": MANIFEST_TYPE})
        second.want(404, "HEAD", f"/v2/team/tool/blobs/{digest_of(image.layers[0])}")
        mount = urllib.parse.urlencode({"mount": digest_of(image.layers[2]), "from": "team/app"})
        second.want(201, "POST", f"/v2/team/tool/blobs/uploads/?{mount}", b"")
        second.want_blob("team/tool", image.layers[2])


@case_of_plain
def upload_goes_on_after_a_break(world):
    bucket, body = world.bucket("registry-resumed"), random_bytes("resumed", LARGE)
    with registry(world, bucket) as first:
        place = first.begin("app")
        # Chunks that fit no part, so that the registry reads back and joins what it has.
        for start, end in ((0, 100), (100, 7 * MIB), (7 * MIB, 7 * MIB + 1)):
            place = first.send(place, start, body[start:end])
    with registry(world, bucket) as second:
        answer, _ = second.want(204, "GET", place)
        equal(answer.headers["Range"], f"0-{7 * MIB}")
        place = place_of(answer)
        place = second.send(place, 7 * MIB + 1, body[7 * MIB + 1 : 12 * MIB])
        second.finish(place, digest_of(body), body[12 * MIB :])
        second.want_blob("app", body)
    equal(world.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []), [])


@case_of_plain
def wrong_digest_and_cancelled_upload_leave_nothing(world):
    bucket, body = world.bucket("registry-refused"), random_bytes("refused", 6 * MIB)
    with registry(world, bucket) as running_one:
        place = running_one.send(running_one.begin("app"), 0, body)
        running_one.finish(place, digest_of(b"something else"), status=400)
        running_one.want(404, "HEAD", f"/v2/app/blobs/{digest_of(body)}")
        place = running_one.send(running_one.begin("app"), 0, body)
        running_one.want(204, "DELETE", place)
        running_one.want(404, "GET", place)
    equal([key for key in world.keys_in(bucket, "registry/") if "/blobs/" in key], [])
    equal(world.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []), [])


@case_of_plain
def garbage_is_collected_and_the_rest_stays(world):
    kept, gone = Image("kept", (1000, 6 * MIB)), Image("gone", (2000, 6 * MIB))
    bucket = world.bucket("registry-garbage")
    with registry(world, bucket) as before:
        before.push("app", "kept", kept)
        before.push("app", "gone", gone)
        before.want(202, "DELETE", f"/v2/app/manifests/{digest_of(gone.manifest)}")
        equal(before.names("/v2/app/tags/list", "tags"), ["kept"])
    equal(blobs_in(world, bucket), {digest_of(body) for body in bodies_of(kept) + bodies_of(gone)})
    world.run(program("docker-registry"), "garbage-collect", config_path(world, bucket))
    equal(blobs_in(world, bucket), {digest_of(body) for body in bodies_of(kept)})
    with registry(world, bucket) as after:
        after.pull("app", "kept", kept)
        after.want(404, "GET", f"/v2/app/blobs/{digest_of(gone.layers[0])}")
        after.push("app", "gone", gone)
        after.pull("app", "gone", gone)


def bodies_of(image):
    return [*image.blobs(), image.manifest]


def blobs_in(world, bucket):
    """Digests of all blobs, as the referee finds them."""
    keys = world.keys_in(bucket, "registry/docker/registry/v2/blobs/sha256/")
    return {f"sha256:{key.split('/')[-2]}" for key in keys if key.endswith("/data")}
