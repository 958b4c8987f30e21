"""aws cli, as people use it: `aws s3` for the day's work, `aws s3api` for what that has no word for.

| upload | list | range   | copy | multipart          | conditional write | delete | tree   |
|--------|------|---------|------|--------------------|-------------------|--------|--------|
| yes    | yes  | `s3api` | yes  | from 8 MiB by `cp` | `s3api`           | yes    | `sync` |
"""

import json
import time

from harness import KMS_KEY, MIB, case, equal, hashes_of, mixed_tree, random_bytes, real_tree, same_tree


def aws(world, *arguments, fails=False, stdin=b""):
    # Version 1 of the cli still presigns by SigV2 unless told otherwise; Stave speaks SigV4 only.
    config = world.scratch / "aws-config"
    config.write_text("[default]\ns3 =\n    signature_version = s3v4\n    addressing_style = path\n")
    environment = {"AWS_CONFIG_FILE": str(config)}
    return world.run(world.tool("aws"), *arguments, fails=fails, environment=environment, stdin=stdin)


@case
def everyday_work_is_done(world):
    source, target = world.scratch / "cli-source", world.scratch / "cli-target"
    source.write_bytes(random_bytes(11, 20 * MIB))
    aws(world, "s3", "mb", "s3://cli-bucket")
    aws(world, "s3", "cp", source, "s3://cli-bucket/dir/large")
    aws(world, "s3", "cp", "s3://cli-bucket/dir/large", "s3://cli-bucket/dir/copy")
    aws(world, "s3", "cp", "s3://cli-bucket/dir/copy", target)
    equal(target.read_bytes(), source.read_bytes())
    assert " dir/copy" in aws(world, "s3", "ls", "--recursive", "s3://cli-bucket")
    assert "PRE dir/" in aws(world, "s3", "ls", "s3://cli-bucket")
    aws(world, "s3", "cp", "-", "s3://cli-bucket/piped", stdin=source.read_bytes())
    equal(world.body_of("cli-bucket", "piped"), source.read_bytes())
    link = aws(world, "s3", "presign", "s3://cli-bucket/dir/large").strip()
    equal(world.fetch(link)[2], source.read_bytes())
    span = ("--bucket", "cli-bucket", "--key", "dir/large", "--range", "bytes=10-19")
    aws(world, "s3api", "get-object", *span, target)
    equal(target.read_bytes(), source.read_bytes()[10:20])
    aws(world, "s3", "mv", "s3://cli-bucket/dir/copy", "s3://cli-bucket/moved")
    assert "BucketNotEmpty" in aws(world, "s3", "rb", "s3://cli-bucket", fails=True)
    aws(world, "s3", "rm", "--recursive", "s3://cli-bucket")
    aws(world, "s3", "rb", "s3://cli-bucket")
    assert "NoSuchBucket" in aws(world, "s3", "ls", "s3://cli-bucket", fails=True)


@case
def conditional_writes_are_decided(world):
    bucket, body = world.bucket("cli-conditions"), world.scratch / "cli-body"
    put = ("s3api", "put-object", "--bucket", bucket, "--key", "k", "--body", body)
    body.write_bytes(b"one")
    etag = json.loads(aws(world, *put, "--if-none-match", "*"))["ETag"]
    body.write_bytes(b"two")
    assert "PreconditionFailed" in aws(world, *put, "--if-none-match", "*", fails=True)
    equal(world.body_of(bucket, "k"), b"one")
    aws(world, *put, "--if-match", etag)
    equal(world.body_of(bucket, "k"), b"two")
    assert "PreconditionFailed" in aws(world, *put, "--if-match", etag, fails=True)


@case
def encrypted_objects_come_back(world):
    source, target, key = (world.scratch / f"cli-sealed-{name}" for name in ("source", "target", "key"))
    source.write_bytes(random_bytes(13, 20 * MIB))
    key.write_bytes(random_bytes(14, 32))
    world.bucket("cli-sealed")
    own = ("--sse-c", "AES256", "--sse-c-key", f"fileb://{key}")
    kms = ("--sse", "aws:kms", "--sse-kms-key-id", KMS_KEY)
    for name, there, back in (("own", own, own), ("kms", kms, ()), ("s3", ("--sse", "AES256"), ())):
        place = f"s3://cli-sealed/{name}"
        aws(world, "s3", "cp", "--only-show-errors", *there, source, place)
        aws(world, "s3", "cp", "--only-show-errors", *back, place, target)
        equal(target.read_bytes(), source.read_bytes())
    aws(world, "s3", "cp", "s3://cli-sealed/own", target, fails=True)
    from_own = ("--sse-c-copy-source", "AES256", "--sse-c-copy-source-key", f"fileb://{key}")
    aws(world, "s3", "cp", *from_own, *kms, "s3://cli-sealed/own", "s3://cli-sealed/copied")
    equal(world.body_of("cli-sealed", "copied"), source.read_bytes())


@case
def large_tree_survives_sync_there_and_back(world):
    tree, back = real_tree(world.scratch / "cli-tree", world.files), world.scratch / "cli-back"
    wanted = hashes_of(tree)
    equal(len(wanted), world.files)
    world.bucket("cli-tree")
    began = time.monotonic()
    aws(world, "s3", "sync", "--only-show-errors", tree, "s3://cli-tree/some/prefix")
    there = time.monotonic()
    aws(world, "s3", "sync", "--only-show-errors", "s3://cli-tree/some/prefix", back)
    print(f"    {world.files} files: {there - began:.0f} s there, {time.monotonic() - there:.0f} s back")
    same_tree(hashes_of(back), wanted)
    equal(aws(world, "s3", "sync", "--dryrun", "s3://cli-tree/some/prefix", back), "")
    aws(world, "s3", "rm", "--recursive", "--only-show-errors", "s3://cli-tree/some")
    equal(world.keys_in("cli-tree"), [])


@case
def odd_names_and_sizes_survive_sync(world):
    tree, back = mixed_tree(world.scratch / "cli-odd", 60), world.scratch / "cli-odd-back"
    wanted = hashes_of(tree)
    world.bucket("cli-odd")
    aws(world, "s3", "sync", "--only-show-errors", tree, "s3://cli-odd")
    same_tree(world.hashes_in("cli-odd"), wanted)
    aws(world, "s3", "sync", "--only-show-errors", "s3://cli-odd", back)
    same_tree(hashes_of(back), wanted)
    aws(world, "s3", "sync", "--only-show-errors", "s3://cli-odd", f"s3://{world.bucket('cli-odd-across')}/there")
    same_tree(world.hashes_in("cli-odd-across", "there/"), wanted)
    (tree / "plain/0/0/0.bin").unlink()
    (tree / "plain/1/1/1.bin").write_bytes(b"changed, and of another length")
    aws(world, "s3", "sync", "--only-show-errors", "--delete", tree, "s3://cli-odd")
    same_tree(world.hashes_in("cli-odd"), hashes_of(tree))
