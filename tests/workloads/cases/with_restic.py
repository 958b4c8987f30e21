"""restic: encrypted, deduplicating backups of a tree.

init, backup, change, backup, check --read-data, restore of both, forget --prune, check, restore. Over plain HTTP its
client (minio-go) signs every chunk of its bodies.
"""

import concurrent.futures
import json
import shutil

from harness import MIB, case_of_plain, equal, hashes_of, mixed_tree, random_bytes, same_tree, write_file
from tools import keys, program, restart

FILES = 2000
BIG = ("big/one", "big/two")


def restic(world, place, *arguments, **named):
    """Runs restic on the repository at that place of the server."""
    told = {
        **keys(world),
        "RESTIC_REPOSITORY": f"s3:{world.server.endpoint}/{place}",
        "RESTIC_PASSWORD": "not a secret",
        "RESTIC_CACHE_DIR": str(world.scratch / "restic-cache"),
    }
    return world.run(program("restic"), *arguments, environment=told, **named)


def back_up(world, place, tree, *arguments):
    """Backs the tree up; returns what restic tells at its end."""
    said = restic(world, place, "backup", "--json", *arguments, tree).splitlines()
    return next(line for line in map(json.loads, said) if line["message_type"] == "summary")


def restored(world, place, snapshot, tree):
    """Hashes of the tree as a snapshot has it."""
    target = world.scratch / "restic-restored"
    restic(world, place, "restore", "--target", target, snapshot)
    found = hashes_of(target / str(tree).lstrip("/"))
    shutil.rmtree(target)
    return found


def check(world, place):
    """Reads every byte of the repository. restic decrypts and hashes all of it."""
    said = restic(world, place, "check", "--read-data")
    assert "no errors were found" in said, said


def change(tree):
    """One big file changed in its middle, some small ones changed, added, removed, and a folder renamed."""
    big = bytearray((tree / BIG[0]).read_bytes())
    big[10 * MIB : 11 * MIB] = random_bytes("new middle", MIB)
    (tree / BIG[0]).write_bytes(big)
    for index in range(20):
        write_file(tree, f"added/{index}", random_bytes(f"added {index}", 1000 * index))
        write_file(tree, f"odd/star*star-{index}", b"added beside odd names")
    shutil.rmtree(tree / "plain/3")
    (tree / "plain/4").rename(tree / "plain/renamed")
    (tree / BIG[1]).unlink()


def bytes_in(world, bucket, prefix):
    pages = world.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return sum(entry["Size"] for page in pages for entry in page.get("Contents", []))


@case_of_plain
def two_backups_are_checked_restored_and_pruned(world):
    tree, bucket = mixed_tree(world.scratch / "restic-tree", FILES), world.bucket("restic")
    place = f"{bucket}/some/repository"
    for name in BIG:
        write_file(tree, name, random_bytes(name, 32 * MIB))
    before = hashes_of(tree)
    restic(world, place, "init")
    first = back_up(world, place, tree)
    equal((first["files_new"], first["total_files_processed"]), (len(before), len(before)))
    change(tree)
    after = hashes_of(tree)
    restart(world)
    second = back_up(world, place, tree)
    kept = sum(before.get(name) == digest for name, digest in after.items())
    equal((second["files_unmodified"], second["files_changed"]), (kept, 1))
    assert second["data_added"] < first["data_added"] / 10, f"nothing deduplicated: {second}"
    equal(len(json.loads(restic(world, place, "snapshots", "--json"))), 2)
    check(world, place)
    same_tree(restored(world, place, first["snapshot_id"], tree), before)
    same_tree(restored(world, place, second["snapshot_id"], tree), after)
    full = bytes_in(world, bucket, "some/repository/data/")
    restic(world, place, "forget", "--keep-last", "1", "--prune")
    pruned = bytes_in(world, bucket, "some/repository/data/")
    assert pruned < full - 30 * MIB, f"{full} bytes before, {pruned} after the prune"
    check(world, place)
    same_tree(restored(world, place, "latest", tree), after)
    equal(world.keys_in(bucket, "some/repository/locks/"), [])


@case_of_plain
def hosts_back_up_into_one_repository_at_once(world):
    bucket = world.bucket("restic-hosts")
    place = f"{bucket}/repository"
    trees = [mixed_tree(world.scratch / f"restic-host-{number}", 100 + number) for number in range(3)]
    restic(world, place, "init")
    with concurrent.futures.ThreadPoolExecutor(len(trees)) as pool:
        told = list(pool.map(lambda tree: back_up(world, place, tree, "--host", tree.name), trees))
    check(world, place)
    for tree, summary in zip(trees, told):
        same_tree(restored(world, place, summary["snapshot_id"], tree), hashes_of(tree))
    # That check can fail, too. The largest pack holds no trees, for which it would ask again and again.
    packs = world.s3.list_objects_v2(Bucket=bucket, Prefix="repository/data/")["Contents"]
    world.s3.delete_object(Bucket=bucket, Key=max(packs, key=lambda pack: pack["Size"])["Key"])
    assert "does not exist" in restic(world, place, "check", fails=True)
