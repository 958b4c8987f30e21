"""rclone, from a wheel on PyPI that holds the program.

| upload | list | range                 | copy | multipart            | conditional write | delete | tree            |
|--------|------|-----------------------|------|----------------------|-------------------|--------|-----------------|
| yes    | yes  | `cat --offset`, mount | yes  | `--s3-upload-cutoff` | no API            | yes    | `sync`, `check` |

`--ignore-existing` looks before it writes and sends no condition: tested for what it is.
Everything runs with the provider settings that rclone has for MinIO, which are those of AWS with path style.
"""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess

from harness import KMS_KEY, MIB, Skipped, case, equal, hashes_of, mixed_tree, random_bytes, same_tree, support


def environment(world):
    settings = {
        "TYPE": "s3",
        "PROVIDER": "Minio",
        "ENDPOINT": world.server.endpoint,
        "ACCESS_KEY_ID": world.server.access_key,
        "SECRET_ACCESS_KEY": world.server.secret_key,
        "REGION": "us-east-1",
    }
    # An empty name means no file of settings.
    fixed = {"RCLONE_CONFIG": "", "RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "1"}
    return {**fixed, **{f"RCLONE_CONFIG_STAVE_{name}": value for name, value in settings.items()}}


def rclone(world, *arguments, fails=False, binary=False, stdin=b""):
    command = [world.tool("rclone"), *arguments]
    return world.run(*command, fails=fails, binary=binary, environment=environment(world), stdin=stdin)


@case
def everyday_work_is_done(world):
    source, target, body = world.scratch / "rclone-source", world.scratch / "rclone-target", random_bytes(31, 300_000)
    source.write_bytes(body)
    rclone(world, "mkdir", "stave:rclone")
    rclone(world, "copyto", source, "stave:rclone/dir/one two+\u00e4")
    equal(world.body_of("rclone", "dir/one two+\u00e4"), body)
    rclone(world, "copyto", "stave:rclone/dir/one two+\u00e4", "stave:rclone/dir/copy")
    equal(world.body_of("rclone", "dir/copy"), body)
    rclone(world, "moveto", "stave:rclone/dir/copy", "stave:rclone/dir/moved")
    listed = json.loads(rclone(world, "lsjson", "--recursive", "--hash", "stave:rclone"))
    md5 = hashlib.md5(body).hexdigest()
    found = [(entry["Path"], entry["Size"], entry["Hashes"]["md5"]) for entry in listed if not entry["IsDir"]]
    equal(sorted(found), [("dir/moved", 300_000, md5), ("dir/one two+\u00e4", 300_000, md5)])
    span = ("--offset", "70000", "--count", "9", "stave:rclone/dir/moved")
    equal(rclone(world, "cat", *span, binary=True), body[70_000:70_009])
    equal(rclone(world, "cat", "--offset", "-7", "stave:rclone/dir/moved", binary=True), body[-7:])
    rclone(world, "copyto", "stave:rclone/dir/moved", target)
    equal(target.read_bytes(), body)
    os.utime(source, (1_000_000_000, 1_000_000_000))
    rclone(world, "copyto", source, "stave:rclone/dir/one two+\u00e4")
    equal(json.loads(rclone(world, "lsjson", "stave:rclone/dir/one two+\u00e4"))[0]["ModTime"][:10], "2001-09-09")
    equal(world.fetch(rclone(world, "link", "stave:rclone/dir/moved").strip())[2], body)
    rclone(world, "deletefile", "stave:rclone/dir/moved")
    assert "object not found" in rclone(world, "deletefile", "stave:rclone/dir/moved", fails=True)
    rclone(world, "purge", "stave:rclone")
    assert "directory not found" in rclone(world, "lsf", "stave:rclone", fails=True)


@case
def settings_for_other_providers_work_too(world):
    source, bucket = mixed_tree(world.scratch / "rclone-provider", 60), world.bucket("rclone-provider")
    # With its settings for AWS it sends trailing checksums, and those over TLS only.
    for provider, version in (*([("AWS", "2")] if world.ca else []), ("Other", "1"), ("Ceph", "1")):
        there = f":s3,provider={provider},list_version={version},force_path_style=true,env_auth=true,region=us-east-1"
        place = f"{there},endpoint='{world.server.endpoint}':{bucket}/{provider}"
        rclone(world, "sync", source, place)
        rclone(world, "check", "--download", source, place)
        same_tree(world.hashes_in(bucket, f"{provider}/"), hashes_of(source))
        rclone(world, "delete", place)
        equal(world.keys_in(bucket), [])


@case
def large_file_goes_in_parts_there_and_across(world):
    source, bucket = world.scratch / "rclone-large", world.bucket("rclone-large")
    source.write_bytes(random_bytes(32, 23 * MIB + 7))
    parts = ("--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", "--s3-copy-cutoff", "6M")
    rclone(world, "copyto", *parts, source, f"stave:{bucket}/large")
    assert world.s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-5"')
    equal(world.body_of(bucket, "large"), source.read_bytes())
    rclone(world, "copyto", *parts, f"stave:{bucket}/large", f"stave:{bucket}/copy")
    assert world.s3.head_object(Bucket=bucket, Key="copy")["ETag"].endswith('-4"')
    equal(world.body_of(bucket, "copy"), source.read_bytes())
    rclone(world, "rcat", *parts, f"stave:{bucket}/piped", stdin=source.read_bytes())
    equal(world.body_of(bucket, "piped"), source.read_bytes())
    back = world.scratch / "rclone-large-back"
    rclone(world, "copyto", "--multi-thread-cutoff", "5M", "--multi-thread-streams", "4", f"stave:{bucket}/copy", back)
    equal(back.read_bytes(), source.read_bytes())


@case
def what_is_there_is_left_alone_on_request(world):
    source, bucket = world.scratch / "rclone-existing", world.bucket("rclone-existing")
    source.write_bytes(b"one")
    rclone(world, "copyto", "--ignore-existing", source, f"stave:{bucket}/k")
    source.write_bytes(b"other")
    rclone(world, "copyto", "--ignore-existing", source, f"stave:{bucket}/k")
    equal(world.body_of(bucket, "k"), b"one")


@case
def tree_survives_sync_and_check(world):
    tree = mixed_tree(world.scratch / "rclone-tree", world.tree_files)
    back, bucket, wanted = world.scratch / "rclone-back", world.bucket("rclone-tree"), hashes_of(tree)
    place = f"stave:{bucket}/some/prefix"
    rclone(world, "sync", tree, place)
    # rclone keeps a name that is no UTF-8 or has a control character by writing it another way; none is in the tree.
    same_tree(world.hashes_in(bucket, "some/prefix/"), wanted)
    rclone(world, "check", "--download", tree, place)
    rclone(world, "sync", place, f"stave:{world.bucket('rclone-across')}/there")
    same_tree(world.hashes_in("rclone-across", "there/"), wanted)
    rclone(world, "sync", place, back)
    same_tree(hashes_of(back), wanted)
    (tree / "plain/0/0/0.bin").unlink()
    (tree / "plain/1/1/1.bin").write_bytes(b"changed, and of another length")
    assert "2 differences found" in rclone(world, "check", tree, place, fails=True)
    rclone(world, "sync", tree, place)
    rclone(world, "check", tree, place)
    same_tree(world.hashes_in(bucket, "some/prefix/"), hashes_of(tree))
    world.s3.put_object(Bucket=bucket, Key="some/prefix/plain/1/1/1.bin", Body=b"CHANGED, and of another length")
    assert "1 differences found" in rclone(world, "check", "--download", tree, place, fails=True)
    rclone(world, "delete", place)
    equal(world.keys_in(bucket), [])


@case
def mounted_bucket_is_a_directory(world):
    if not os.access("/dev/fuse", os.R_OK | os.W_OK) or not shutil.which("fusermount3"):
        raise Skipped("no FUSE here: /dev/fuse and fusermount3 are needed")
    tree = mixed_tree(world.scratch / "mount-tree", 120)
    mount, bucket, wanted = world.scratch / "mount", world.bucket("rclone-mount"), hashes_of(tree)
    rclone(world, "copy", tree, f"stave:{bucket}")
    mount.mkdir()
    with mounted(world, f"stave:{bucket}", mount):
        same_tree(hashes_of(mount), wanted)
        with open(mount / f"sizes/{20 * MIB}", "rb") as file:
            file.seek(12_345_678)
            equal(file.read(10_000), random_bytes(20 * MIB, 20 * MIB)[12_345_678:12_355_678])
        (mount / "new").mkdir()
        (mount / "new/written").write_bytes(random_bytes(33, 7 * MIB))
        shutil.copyfile(mount / "sizes/65537", mount / "new/copied")
        (mount / "sizes/65536").rename(mount / "new/renamed")
        (mount / "sizes/4096").unlink()
        wanted["new/written"] = hashlib.sha256(random_bytes(33, 7 * MIB)).hexdigest()
        wanted["new/copied"] = wanted["sizes/65537"]
        wanted["new/renamed"] = wanted.pop("sizes/65536")
        del wanted["sizes/4096"]
        same_tree(hashes_of(mount), wanted)
    same_tree(world.hashes_in(bucket), wanted)


@contextlib.contextmanager
def mounted(world, remote, mount):
    """The remote as a directory. When it ends, all that was written is uploaded."""
    cache = ["--vfs-cache-mode", "writes", "--vfs-write-back", "0s", "--cache-dir", world.scratch / "mount-cache"]
    ready, log = world.scratch / "mount-ready", world.scratch / "mount.log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, open(log, "wb") as said:
        listener.bind(str(ready))
        listener.settimeout(1)
        settings = {**world.environment, **environment(world), "NOTIFY_SOCKET": str(ready)}
        command = [world.tool("rclone"), "mount", *cache, remote, mount]
        process = subprocess.Popen(command, env=settings, stdout=said, stderr=said)
        try:
            wait_until_mounted(listener, process, log)
            yield
        finally:
            if process.poll() is None:
                subprocess.run(["fusermount3", "-u", mount], check=False)
            code = process.wait(support.ANSWER_SECONDS_MAX)
        if code != 0:
            raise AssertionError(f"rclone mount: ended with {code}\n{log.read_text()}")


def wait_until_mounted(listener, process, log):
    """It tells the service manager how it is, and when the mount is there."""
    for _ in range(support.ANSWER_SECONDS_MAX):
        try:
            if b"READY=1" in listener.recv(1000):
                return
        except TimeoutError:
            if process.poll() is None:
                continue
            said = log.read_text()
            if "Operation not permitted" in said:
                raise Skipped("no FUSE here: this machine permits no mount") from None
            raise AssertionError(f"rclone mount: ended with {process.returncode}\n{said}") from None
    raise AssertionError(f"rclone mount: neither there nor ended\n{log.read_text()}")


@case
def encrypted_trees_come_back(world):
    tree = mixed_tree(world.scratch / "rclone-sealed", 60)
    (tree / "large").write_bytes(random_bytes(36, 12 * MIB))
    wanted = hashes_of(tree)
    own = ("--s3-sse-customer-algorithm", "AES256", "--s3-sse-customer-key-base64")
    own = (*own, base64.b64encode(random_bytes(37, 32)).decode())
    kms = ("--s3-server-side-encryption", "aws:kms", "--s3-sse-kms-key-id", KMS_KEY)
    for name, said in (("own", own), ("kms", kms), ("s3", ("--s3-server-side-encryption", "AES256"))):
        place, back = f"stave:rclone-sealed-{name}", world.scratch / f"rclone-sealed-{name}"
        rclone(world, "mkdir", place)
        rclone(world, "copy", "--s3-upload-cutoff", "5M", *said, tree, place)
        rclone(world, "check", "--download", *said, tree, place)
        rclone(world, "copy", *said, place, back)
        same_tree(hashes_of(back), wanted)
