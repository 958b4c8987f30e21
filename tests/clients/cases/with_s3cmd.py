"""s3cmd.

| upload | list | range                   | copy | multipart                   | conditional write | delete | tree   |
|--------|------|-------------------------|------|-----------------------------|-------------------|--------|--------|
| yes    | yes  | `get --continue` (tail) | yes  | parts of 5 MiB, copy of 6   | no API            | yes    | `sync` |

Whatever it copies, it asks for the ACL of, and `info` asks for every property of a bucket: what Stave does not serve
it answers with 501, which s3cmd takes for "has none".
"""

from harness import MIB, asks_for_more, case, equal, hashes_of, mixed_tree, random_bytes, same_tree


def s3cmd(world, *arguments, fails=False, stdin=b""):
    config = world.scratch / "s3cfg"
    secure = bool(world.ca)
    config.write_text(
        f"[default]\naccess_key = {world.server.access_key}\nsecret_key = {world.server.secret_key}\n"
        f"host_base = {world.server.host}\nhost_bucket = {world.server.host}\nbucket_location = us-east-1\n"
        f"use_https = {secure}\ncheck_ssl_certificate = True\nca_certs_file = {world.ca or ''}\n"
        "multipart_chunk_size_mb = 5\nmultipart_copy_chunk_size_mb = 6\nmax_retries = 1\nprogress_meter = False\n"
    )
    return world.run(world.tool("python"), world.tool("s3cmd"), "-c", config, *arguments, fails=fails, stdin=stdin)


@case
@asks_for_more
def everyday_work_is_done(world):
    source, target, body = world.scratch / "s3cmd-source", world.scratch / "s3cmd-target", random_bytes(41, 300_000)
    source.write_bytes(body)
    s3cmd(world, "mb", "s3://s3cmd")
    assert "s3://s3cmd" in s3cmd(world, "ls")
    said = ("--add-header", "x-amz-meta-colour:blue", "--mime-type", "text/x-test")
    s3cmd(world, "put", *said, source, "s3://s3cmd/dir/a b")
    equal(world.body_of("s3cmd", "dir/a b"), body)
    head = world.s3.head_object(Bucket="s3cmd", Key="dir/a b")
    equal((head["ContentType"], head["Metadata"]["colour"]), ("text/x-test", "blue"))
    s3cmd(world, "cp", "s3://s3cmd/dir/a b", "s3://s3cmd/dir/copy")
    equal(world.body_of("s3cmd", "dir/copy"), body)
    s3cmd(world, "mv", "s3://s3cmd/dir/copy", "s3://s3cmd/dir/moved")
    lines = s3cmd(world, "ls", "s3://s3cmd/dir/").splitlines()
    found = [line.split(maxsplit=3)[2:] for line in lines]
    equal(found, [["300000", "s3://s3cmd/dir/a b"], ["300000", "s3://s3cmd/dir/moved"]])
    assert "DIR  s3://s3cmd/dir/" in s3cmd(world, "ls", "s3://s3cmd")
    info = s3cmd(world, "info", "s3://s3cmd/dir/moved")
    assert "File size: 300000" in info and "text/x-test" in info, info
    assert "Location:  us-east-1" in s3cmd(world, "info", "s3://s3cmd")
    target.write_bytes(body[:123_456])
    s3cmd(world, "get", "--continue", "s3://s3cmd/dir/moved", target)
    equal(target.read_bytes(), body)
    equal(s3cmd(world, "du", "s3://s3cmd").split()[:2], ["600000", "2"])
    s3cmd(world, "modify", "--add-header", "cache-control:max-age=7", "s3://s3cmd/dir/moved")
    equal(world.s3.head_object(Bucket="s3cmd", Key="dir/moved")["CacheControl"], "max-age=7")
    equal(world.body_of("s3cmd", "dir/moved"), body)
    s3cmd(world, "del", "s3://s3cmd/dir/a b")
    equal(world.keys_in("s3cmd"), ["dir/moved"])
    assert "BucketNotEmpty" in s3cmd(world, "rb", "s3://s3cmd", fails=True)
    s3cmd(world, "del", "--recursive", "--force", "s3://s3cmd")
    s3cmd(world, "rb", "s3://s3cmd")
    assert "NoSuchBucket" in s3cmd(world, "ls", "s3://s3cmd", fails=True)


@case
@asks_for_more
def large_file_goes_in_parts_there_and_across(world):
    source, target = world.scratch / "s3cmd-large", world.scratch / "s3cmd-large-back"
    bucket = world.bucket("s3cmd-large")
    source.write_bytes(random_bytes(42, 23 * MIB + 7))
    s3cmd(world, "put", source, f"s3://{bucket}/large")
    assert world.s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-5"')
    equal(world.body_of(bucket, "large"), source.read_bytes())
    s3cmd(world, "put", "-", f"s3://{bucket}/piped", stdin=source.read_bytes())
    equal(world.body_of(bucket, "piped"), source.read_bytes())
    s3cmd(world, "cp", f"s3://{bucket}/large", f"s3://{bucket}/copy")
    assert world.s3.head_object(Bucket=bucket, Key="copy")["ETag"].endswith('-4"')
    equal(world.body_of(bucket, "copy"), source.read_bytes())
    s3cmd(world, "get", f"s3://{bucket}/copy", target)
    equal(target.read_bytes(), source.read_bytes())
    upload = world.s3.create_multipart_upload(Bucket=bucket, Key="left")["UploadId"]
    assert upload in s3cmd(world, "multipart", f"s3://{bucket}")
    s3cmd(world, "abortmp", f"s3://{bucket}/left", upload)
    assert "Uploads" not in world.s3.list_multipart_uploads(Bucket=bucket)


@case
@asks_for_more
def tree_survives_sync_there_and_back(world):
    tree = mixed_tree(world.scratch / "s3cmd-tree", world.tree_files)
    back, bucket, wanted = world.scratch / "s3cmd-back", world.bucket("s3cmd-tree"), hashes_of(tree)
    place = f"s3://{bucket}/some/prefix/"
    back.mkdir()
    s3cmd(world, "sync", "--quiet", f"{tree}/", place)
    same_tree(world.hashes_in(bucket, "some/prefix/"), wanted)
    s3cmd(world, "sync", "--quiet", place, f"s3://{world.bucket('s3cmd-across')}/there/")
    same_tree(world.hashes_in("s3cmd-across", "there/"), wanted)
    s3cmd(world, "sync", "--quiet", place, f"{back}/")
    same_tree(hashes_of(back), wanted)
    (tree / "plain/0/0/0.bin").unlink()
    (tree / "plain/1/1/1.bin").write_bytes(b"changed, and of another length")
    planned = s3cmd(world, "sync", "--dry-run", "--delete-removed", f"{tree}/", place)
    equal(sorted(line.split(":")[0] for line in planned.splitlines() if ": " in line), ["delete", "upload"])
    s3cmd(world, "sync", "--quiet", "--delete-removed", f"{tree}/", place)
    same_tree(world.hashes_in(bucket, "some/prefix/"), hashes_of(tree))
    s3cmd(world, "del", "--quiet", "--recursive", "--force", f"s3://{bucket}/some/")
    equal(world.keys_in(bucket), [])
