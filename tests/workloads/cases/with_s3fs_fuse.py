"""s3fs-fuse: a bucket as a folder of the system, by a mount in user space.

| call                     | what it asks of the store                                    |
|--------------------------|--------------------------------------------------------------|
| write, append, truncate  | the whole object again; large ones in parts and part copies  |
| rename, chmod, utime     | copy of an object onto itself or another, metadata replaced  |
| mkdir, symlink           | objects of no bytes, objects with a target for a body        |
| readdir                  | listing with a delimiter                                     |

Folders are compared through the mount, through the referee, and through a second mount, which has cached nothing.
Files are open when they are truncated: s3fs 1.90 makes zeros of one that is not, without ever asking for its bytes.
"""

import contextlib
import hashlib
import os
import pathlib
import stat
import subprocess

from harness import MIB, Skipped, case_of_plain, equal, hashes_of, mixed_tree, random_bytes, same_tree, write_file
from tools import end, fuse_is_missing, poll, program, running

FILES = 120
# All that was written is in the store when a file is closed, so that its end takes no time.
END_SECONDS_MAX = 60
LARGE = 23 * MIB + 7


@contextlib.contextmanager
def mounted(world, bucket, mount):
    """The bucket as a folder while the block runs."""
    if why := fuse_is_missing():
        raise Skipped(why)
    secret, log = world.scratch / "s3fs-secret", world.scratch / "s3fs.log"
    secret.write_text(f"{world.server.access_key}:{world.server.secret_key}")
    secret.chmod(0o600)
    mount.mkdir(exist_ok=True)
    told = {
        "passwd_file": secret,
        "url": world.server.endpoint,
        "endpoint": "us-east-1",
        "multipart_size": 5,
        "retries": 1,
        "dbglevel": "warn",
    }
    options = ",".join(["use_path_request_style", *(f"{name}={value}" for name, value in told.items())])
    with running([program("s3fs"), bucket, mount, "-f", "-o", options], log, world.environment) as process:
        poll("a mount by s3fs", lambda: is_mounted(process, mount, log))
        try:
            yield mount
        finally:
            unmount(process, mount)


def is_mounted(process, mount, log):
    if process.poll() is None:
        return os.path.ismount(mount)
    said = log.read_text(errors="replace")
    if "Operation not permitted" in said or "failed to open /dev/fuse" in said:
        raise Skipped("no FUSE here: this machine permits no mount")
    raise AssertionError(f"s3fs ended with {process.returncode}\n{said}")


def unmount(process, mount):
    """It ends by itself once nothing is mounted."""
    command = [program("fusermount", "fuse3"), "-u", str(mount)]
    subprocess.run(command, check=False)
    try:
        process.wait(END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        subprocess.run([*command, "-z"], check=False)
        end(process)
        raise AssertionError("s3fs did not end after the unmount") from None


def bodies_in(world, bucket):
    """Files as the referee reads them: without the objects that stand for folders and links."""
    return {name: digest for name, digest in world.hashes_in(bucket).items() if not name.endswith("/")}


@case_of_plain
def tree_is_written_and_read(world):
    bucket, tree = world.bucket("s3fs"), mixed_tree(world.scratch / "s3fs-tree", FILES)
    wanted = hashes_of(tree)
    with mounted(world, bucket, world.scratch / "s3fs-mount") as mount:
        world.run("cp", "-r", f"{tree}/.", mount)
        same_tree(hashes_of(mount), wanted)
    same_tree(bodies_in(world, bucket), wanted)
    write_file(tree, "by/referee", b"not written by s3fs")
    world.s3.put_object(Bucket=bucket, Key="by/referee", Body=b"not written by s3fs")
    with mounted(world, bucket, world.scratch / "s3fs-again") as mount:
        same_tree(hashes_of(mount), hashes_of(tree))
        world.run("rm", "-r", *sorted(mount.iterdir()))
        equal(list(mount.iterdir()), [])
    equal(world.keys_in(bucket), [])


@case_of_plain
def files_are_changed_in_place(world):
    bucket, wanted = world.bucket("s3fs-change"), {}
    with mounted(world, bucket, world.scratch / "s3fs-change-mount") as mount:
        for step in (write, append, truncate, overwrite_in_the_middle, rename, remove):
            step(mount, wanted)
            same_tree(hashes_of(mount), hashes_by_name(wanted))
            same_tree(bodies_in(world, bucket), hashes_by_name(wanted))
    with mounted(world, bucket, world.scratch / "s3fs-change-again") as mount:
        same_tree(hashes_of(mount), hashes_by_name(wanted))


def hashes_by_name(bodies):
    return {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()}


def write(mount, wanted):
    for name, size in {"empty": 0, "small": 1000, "dir/middle": 3 * MIB, "dir/large": LARGE, "gone": 10}.items():
        wanted[name] = random_bytes(name, size)
        write_file(mount, name, wanted[name])


def append(mount, wanted):
    for name, more in {"empty": b"first", "small": b"more", "dir/large": random_bytes("more", MIB)}.items():
        with open(mount / name, "ab") as file:
            file.write(more)
        wanted[name] += more


def truncate(mount, wanted):
    for name, size in {"small": 10, "dir/middle": MIB, "dir/large": LARGE - 6 * MIB, "empty": 4096}.items():
        with open(mount / name, "r+b") as file:
            file.truncate(size)
        wanted[name] = wanted[name][:size].ljust(size, b"\0")


def overwrite_in_the_middle(mount, wanted):
    for name, offset in {"dir/middle": 500_000, "dir/large": 11 * MIB + 3}.items():
        new = random_bytes(f"middle of {name}", 70_000)
        with open(mount / name, "r+b") as file:
            file.seek(offset)
            file.write(new)
        wanted[name] = wanted[name][:offset] + new + wanted[name][offset + len(new) :]


def rename(mount, wanted):
    for source, target in {"small": "dir/renamed", "dir/large": "large", "dir/middle": "dir/renamed"}.items():
        (mount / source).rename(mount / target)
        wanted[target] = wanted.pop(source)
    (mount / "dir").rename(mount / "folder")
    wanted["folder/renamed"] = wanted.pop("dir/renamed")


def remove(mount, wanted):
    (mount / "gone").unlink()
    del wanted["gone"]


@case_of_plain
def modes_times_and_links_stay(world):
    bucket = world.bucket("s3fs-modes")
    with mounted(world, bucket, world.scratch / "s3fs-modes-mount") as mount:
        write_file(mount, "dir/file", b"body")
        (mount / "dir/file").chmod(0o640)
        os.utime(mount / "dir/file", (1_000_000_000, 1_234_567_890))
        (mount / "dir/link").symlink_to("file")
        try:
            (mount / "dir").rmdir()
            raise AssertionError("a folder with files in it was removed")
        except OSError:
            pass
    with mounted(world, bucket, world.scratch / "s3fs-modes-again") as mount:
        told = (mount / "dir/file").stat()
        equal((stat.S_IMODE(told.st_mode), told.st_mtime), (0o640, 1_234_567_890))
        equal(os.readlink(mount / "dir/link"), "file")
        equal(pathlib.Path(mount / "dir/link").read_bytes(), b"body")
        (mount / "dir/link").unlink()
        (mount / "dir/file").unlink()
        (mount / "dir").rmdir()
    equal(world.keys_in(bucket), [])
