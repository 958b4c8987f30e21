"""s3fs, the file system of dask and pandas (aiobotocore below it).

| upload | list | range              | copy           | multipart         | conditional write | delete | tree         |
|--------|------|--------------------|----------------|-------------------|-------------------|--------|--------------|
| yes    | yes  | `cat_file`, `seek` | yes, and parts | from `block_size` | `mode="create"`   | yes    | `put`, `get` |
"""

import errno
import hashlib

import s3fs

from harness import MIB, case, equal, hashes_of, mixed_tree, raises, random_bytes, same_tree

# Its paths end where a query begins, may not end in a slash, and `*` and `?` and `[` are patterns to it.
NOT_CARRIED = ("star*star", "question?mark", "[square]", "trailing space ")


def client(world, **options):
    trust = {"verify": str(world.ca)} if world.ca else {}
    return s3fs.S3FileSystem(
        key=world.server.access_key,
        secret=world.server.secret_key,
        endpoint_url=world.server.endpoint,
        client_kwargs={"region_name": "us-east-1", **trust},
        config_kwargs={
            # botocore presigns by SigV2 in us-east-1 unless told otherwise; Stave takes SigV4 only by default.
            "signature_version": "s3v4",
            "retries": {"total_max_attempts": 1},
            "s3": {"addressing_style": "path"},
        },
        use_listings_cache=False,
        skip_instance_cache=True,
        **options,
    )


@case
def everyday_work_is_done(world):
    files, body = client(world), random_bytes(61, 300_000)
    files.mkdir("s3fs-day")
    assert "s3fs-day" in files.ls("")
    files.pipe_file("s3fs-day/dir/a b+\u00e4", body)
    equal(world.body_of("s3fs-day", "dir/a b+\u00e4"), body)
    info = files.info("s3fs-day/dir/a b+\u00e4")
    equal((info["size"], info["ETag"]), (len(body), f'"{hashlib.md5(body).hexdigest()}"'))
    equal(files.cat_file("s3fs-day/dir/a b+\u00e4"), body)
    equal(files.cat_file("s3fs-day/dir/a b+\u00e4", start=65_530, end=65_546), body[65_530:65_546])
    equal(files.cat_file("s3fs-day/dir/a b+\u00e4", start=-7), body[-7:])
    with files.open("s3fs-day/dir/a b+\u00e4", "rb", block_size=50_000) as file:
        file.seek(123_456)
        equal(file.read(1000), body[123_456:124_456])
    files.cp_file("s3fs-day/dir/a b+\u00e4", "s3fs-day/dir/copy")
    equal(world.body_of("s3fs-day", "dir/copy"), body)
    files.mv("s3fs-day/dir/copy", "s3fs-day/dir/moved")
    equal(sorted(files.ls("s3fs-day/dir", detail=False)), ["s3fs-day/dir/a b+\u00e4", "s3fs-day/dir/moved"])
    equal(files.find("s3fs-day"), ["s3fs-day/dir/a b+\u00e4", "s3fs-day/dir/moved"])
    assert files.isdir("s3fs-day/dir") and files.isfile("s3fs-day/dir/moved") and not files.exists("s3fs-day/absent")
    files.touch("s3fs-day/empty")
    equal(files.du("s3fs-day"), 600_000)
    equal(world.fetch(files.sign("s3fs-day/dir/moved", expiration=60))[2], body)
    raises(FileNotFoundError, "", files.cat_file, "s3fs-day/absent")
    raises(FileNotFoundError, "", files.ls, "s3fs-absent-bucket")
    files.rm("s3fs-day/dir", recursive=True)
    equal(world.keys_in("s3fs-day"), ["empty"])


@case
def bucket_is_removed_with_all_in_it(world):
    files, bucket = client(world), world.bucket("s3fs-removed")
    files.pipe_file(f"{bucket}/dir/k", b"x")
    # It asks whether there are versions to remove, too.
    files.rm(bucket, recursive=True)
    raises(FileNotFoundError, "", files.ls, bucket)


@case
def change_during_a_read_is_noticed(world):
    files, bucket = client(world), world.bucket("s3fs-expired")
    files.pipe_file(f"{bucket}/k", random_bytes(64, 200_000))
    with files.open(f"{bucket}/k", "rb", block_size=50_000, cache_type="none") as file:
        equal(file.read(10), random_bytes(64, 200_000)[:10])
        files.pipe_file(f"{bucket}/k", random_bytes(65, 200_000))
        # It knows the error by its text.
        raises(s3fs.utils.FileExpired, "", file.read, 10)


@case
def large_files_go_in_parts_there_and_across(world):
    files, bucket, body = client(world), world.bucket("s3fs-large"), random_bytes(62, 16 * MIB + 7)
    with files.open(f"{bucket}/large", "wb", block_size=5 * MIB) as file:
        for start in range(0, len(body), 1_000_000):
            file.write(body[start : start + 1_000_000])
    assert "-" in world.s3.head_object(Bucket=bucket, Key="large")["ETag"]
    equal(world.body_of(bucket, "large"), body)
    with files.open(f"{bucket}/large", "ab", block_size=5 * MIB) as file:
        file.write(b"appended")
    equal(world.body_of(bucket, "large"), body + b"appended")
    files.merge(f"{bucket}/merged", [f"{bucket}/large", f"{bucket}/large"])
    equal(world.body_of(bucket, "merged"), (body + b"appended") * 2)
    files.pipe_file(f"{bucket}/piped", body, chunksize=5 * MIB)
    equal(world.body_of(bucket, "piped"), body)
    files.rm([f"{bucket}/merged", f"{bucket}/large", f"{bucket}/piped"])
    equal(world.keys_in(bucket), [])


@case
def creation_is_exclusive_on_request(world):
    files, bucket, large = client(world), world.bucket("s3fs-create"), random_bytes(63, 11 * MIB)
    files.pipe_file(f"{bucket}/k", b"one", mode="create")
    raises(OSError, f"Errno {errno.EINVAL}", files.pipe_file, f"{bucket}/k", b"two", mode="create")
    equal(world.body_of(bucket, "k"), b"one")
    # The condition of a large one is decided when its parts become one object.
    files.pipe_file(f"{bucket}/large", large, mode="create", chunksize=5 * MIB)
    in_parts = {"mode": "create", "chunksize": 5 * MIB}
    raises(OSError, f"Errno {errno.EINVAL}", files.pipe_file, f"{bucket}/large", large[1:], **in_parts)
    equal(world.body_of(bucket, "large"), large)
    files.pipe_file(f"{bucket}/k", b"two")
    equal(world.body_of(bucket, "k"), b"two")


@case
def tree_survives_put_and_get(world):
    tree = mixed_tree(world.scratch / "s3fs-tree", 200, NOT_CARRIED)
    files, back, bucket, wanted = client(world), world.scratch / "s3fs-back", world.bucket("s3fs-tree"), hashes_of(tree)
    files.put(f"{tree}/", f"{bucket}/some/prefix/", recursive=True)
    same_tree(world.hashes_in(bucket, "some/prefix/"), wanted)
    files.get(f"{bucket}/some/prefix/", f"{back}/", recursive=True)
    same_tree(hashes_of(back), wanted)
    files.rm(f"{bucket}/some", recursive=True)
    equal(world.keys_in(bucket), [])
