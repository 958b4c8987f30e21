"""rclone bisync: a local folder and a bucket, changed at both sides between runs.

| change                    | at the folder | at the bucket | after the run, at both                   |
|---------------------------|---------------|---------------|------------------------------------------|
| new, changed, removed     | one of each   | one of each   | the same                                 |
| changed, to different     | yes           | yes           | both kept, as `..path1` and `..path2`    |

Times of objects are what its decisions rest on: a wrong `Last-Modified` or lost `x-amz-meta-mtime` shows here.
"""

import hashlib
import os
import time

from harness import case, equal, hashes_of, mixed_tree, random_bytes, same_tree, write_file
from tools import program

FILES = 150
AHEAD_SECONDS = 10


def environment(world):
    settings = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": world.server.endpoint,
        "ACCESS_KEY_ID": world.server.access_key,
        "SECRET_ACCESS_KEY": world.server.secret_key,
        "REGION": "us-east-1",
    }
    # An empty name means no file of settings. Debian's rclone cannot take AWS_CA_BUNDLE; RCLONE_CA_CERT is enough.
    fixed = {"RCLONE_CONFIG": "", "AWS_CA_BUNDLE": "", "RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "1"}
    return {**fixed, **{f"RCLONE_CONFIG_STAVE_{name}": value for name, value in settings.items()}}


def bisync(world, tree, bucket, *arguments, fails=False):
    """Runs it once; returns what it logged."""
    log = world.scratch / "bisync.log"
    log.unlink(missing_ok=True)
    told = ("--workdir", world.scratch / "bisync-state", "--verbose", "--log-file", log, *arguments)
    command = (program("rclone"), "bisync", tree, f"stave:{bucket}", *told)
    try:
        world.run(*command, fails=fails, environment=environment(world))
    except AssertionError as error:
        raise AssertionError(f"{error}\n{log.read_text()[-4000:]}") from None
    return log.read_text()


def change_folder(tree):
    """One new, one changed, one removed."""
    write_file(tree, "new/of folder", random_bytes("new of folder", 70_001))
    rewrite(tree, "plain/1/1/1.bin", b"changed at the folder")
    (tree / "plain/2/2/2.bin").unlink()


def rewrite(tree, name, body):
    """Writes it with a time that is later by whole seconds, however coarse the times of the file system are."""
    write_file(tree, name, body)
    later = time.time() + AHEAD_SECONDS
    os.utime(tree / name, (later, later))


def change_bucket(world, bucket):
    """One new, one changed, one removed; the referee does it, without a time of rclone's own."""
    world.s3.put_object(Bucket=bucket, Key="new/of bucket", Body=random_bytes("new of bucket", 9 << 20))
    world.s3.put_object(Bucket=bucket, Key="plain/3/3/3.bin", Body=b"changed at the bucket")
    world.s3.delete_object(Bucket=bucket, Key="plain/4/4/4.bin")


def sha256(body):
    return hashlib.sha256(body).hexdigest()


def both_are(world, tree, bucket, wanted):
    same_tree(hashes_of(tree), wanted)
    same_tree(world.hashes_in(bucket), wanted)


def tree_of(world, name):
    """Files that all have an age: a change at the bucket then has a later time than the run before it."""
    tree = mixed_tree(world.scratch / name, FILES)
    for path in tree.rglob("*"):
        if path.is_file():
            os.utime(path, (1_700_000_000, 1_700_000_000))
    return tree


@case
def changes_at_both_sides_meet(world):
    tree, bucket = tree_of(world, "bisync"), world.bucket("bisync")
    bisync(world, tree, bucket, "--resync")
    wanted = hashes_of(tree)
    both_are(world, tree, bucket, wanted)
    change_folder(tree)
    change_bucket(world, bucket)
    bisync(world, tree, bucket)
    del wanted["plain/2/2/2.bin"], wanted["plain/4/4/4.bin"]
    wanted["new/of folder"] = sha256(random_bytes("new of folder", 70_001))
    wanted["new/of bucket"] = sha256(random_bytes("new of bucket", 9 << 20))
    wanted["plain/1/1/1.bin"] = sha256(b"changed at the folder")
    wanted["plain/3/3/3.bin"] = sha256(b"changed at the bucket")
    both_are(world, tree, bucket, wanted)
    said = bisync(world, tree, bucket)
    assert "No changes found" in said, f"nothing changed, and it found something to do:\n{said}"
    both_are(world, tree, bucket, wanted)


@case
def conflict_keeps_both(world):
    tree, bucket = tree_of(world, "bisync-conflict"), world.bucket("bisync-conflict")
    bisync(world, tree, bucket, "--resync")
    wanted = hashes_of(tree)
    rewrite(tree, "plain/5/0/5.bin", b"as the folder has it")
    world.s3.put_object(Bucket=bucket, Key="plain/5/0/5.bin", Body=b"as the bucket wants it")
    bisync(world, tree, bucket)
    del wanted["plain/5/0/5.bin"]
    wanted["plain/5/0/5.bin..path1"] = sha256(b"as the folder has it")
    wanted["plain/5/0/5.bin..path2"] = sha256(b"as the bucket wants it")
    both_are(world, tree, bucket, wanted)


@case
def too_many_losses_stop_the_run(world):
    tree, bucket = tree_of(world, "bisync-losses"), world.bucket("bisync-losses")
    bisync(world, tree, bucket, "--resync")
    wanted = hashes_of(tree)
    for key in world.keys_in(bucket)[: FILES * 2 // 3]:
        world.s3.delete_object(Bucket=bucket, Key=key)
    assert "too many deletes" in bisync(world, tree, bucket, fails=True)
    same_tree(hashes_of(tree), wanted)
    equal(len(world.keys_in(bucket)), FILES - FILES * 2 // 3)
