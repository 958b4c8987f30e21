"""minio-py, the MinIO client library for Python.

| upload | list   | range              | copy | multipart        | conditional write | delete | trees      |
|--------|--------|--------------------|------|------------------|-------------------|--------|------------|
| yes    | V1, V2 | `offset`, `length` | yes  | from `part_size` | no API            | yes    | none of it |

Copies do carry conditions, about their source.
"""

import datetime
import hashlib
import io

import minio
import minio.commonconfig
import minio.deleteobjects
import minio.sse
import urllib3

from harness import KMS_KEY, MIB, case, case_of_tls, equal, raises, random_bytes, support

CopySource, ComposeSource = minio.commonconfig.CopySource, minio.commonconfig.ComposeSource


def client(world, secret_key=None):
    trust = {"ca_certs": str(world.ca), "cert_reqs": "CERT_REQUIRED"} if world.ca else {}
    pool = urllib3.PoolManager(timeout=support.ANSWER_SECONDS_MAX, retries=False, **trust)
    keys = {"access_key": world.server.access_key, "secret_key": secret_key or world.server.secret_key}
    # No region: it then asks the server where a bucket is, as most of its users do.
    return minio.Minio(world.server.host, secure=bool(world.ca), http_client=pool, **keys)


def read(answer):
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


@case
def everyday_work_is_done(world):
    store, bucket, body = client(world), "minio-py", random_bytes(51, 300_000)
    store.make_bucket(bucket)
    assert store.bucket_exists(bucket) and not store.bucket_exists("minio-py-absent")
    assert bucket in [entry.name for entry in store.list_buckets()]
    raises(minio.S3Error, "BucketAlreadyOwnedByYou", store.make_bucket, bucket)
    put = store.put_object(bucket, "dir/a b+\u00e4", io.BytesIO(body), len(body), "text/x-test", {"colour": "blue"})
    equal(put.etag, hashlib.md5(body).hexdigest())
    stat = store.stat_object(bucket, "dir/a b+\u00e4")
    found = (stat.size, stat.etag, stat.content_type, stat.metadata["x-amz-meta-colour"])
    equal(found, (len(body), put.etag, "text/x-test", "blue"))
    equal(world.body_of(bucket, "dir/a b+\u00e4"), body)
    equal(read(store.get_object(bucket, "dir/a b+\u00e4")), body)
    equal(read(store.get_object(bucket, "dir/a b+\u00e4", offset=65_530, length=16)), body[65_530:65_546])
    equal(read(store.get_object(bucket, "dir/a b+\u00e4", offset=299_990)), body[-10:])
    raises(minio.S3Error, "InvalidRange", store.get_object, bucket, "dir/a b+\u00e4", offset=300_000, length=1)
    raises(minio.S3Error, "NoSuchKey", store.get_object, bucket, "absent")
    raises(minio.S3Error, "NoSuchKey", store.stat_object, bucket, "absent")
    raises(minio.S3Error, "NoSuchBucket", store.put_object, "minio-py-absent", "k", io.BytesIO(b""), 0)
    store.remove_object(bucket, "dir/a b+\u00e4")
    raises(minio.S3Error, "NoSuchKey", store.get_object, bucket, "dir/a b+\u00e4")
    store.remove_bucket(bucket)
    raises(minio.S3Error, "NoSuchBucket", lambda: list(store.list_objects(bucket)))


@case
def listing_and_deleting_of_many_agree(world):
    store, bucket = client(world), world.bucket("minio-py-many")
    keys = sorted([f"a/{index:03}" for index in range(120)] + ["a&b<c>", "b \u6f22", "c/d/e"])
    for key in keys:
        store.put_object(bucket, key, io.BytesIO(key.encode()), len(key.encode()))
    for is_version_1 in (False, True):
        listed = store.list_objects(bucket, recursive=True, use_api_v1=is_version_1)
        equal([(entry.object_name, entry.size) for entry in listed], [(key, len(key.encode())) for key in keys])
        found = [(entry.object_name, entry.is_dir) for entry in store.list_objects(bucket, use_api_v1=is_version_1)]
        equal(sorted(found), [("a&b<c>", False), ("a/", True), ("b \u6f22", False), ("c/", True)])
        found = [entry.object_name for entry in store.list_objects(bucket, "a/11", use_api_v1=is_version_1)]
        equal(found, [f"a/11{index}" for index in range(10)])
    found = [entry.object_name for entry in store.list_objects(bucket, "a/", start_after="a/117")]
    equal(found, ["a/118", "a/119"])
    errors = store.remove_objects(bucket, [minio.deleteobjects.DeleteObject(key) for key in keys])
    equal(list(errors), [])
    equal(world.keys_in(bucket), [])


@case
def large_streams_go_in_parts_and_objects_are_composed(world):
    store, bucket, body = client(world), world.bucket("minio-py-large"), random_bytes(52, 16 * MIB + 7)
    put = store.put_object(bucket, "known", io.BytesIO(body), len(body), part_size=5 * MIB)
    assert put.etag.endswith("-4"), put.etag
    equal(world.body_of(bucket, "known"), body)
    store.put_object(bucket, "unknown", io.BytesIO(body), -1, part_size=6 * MIB)
    equal(world.body_of(bucket, "unknown"), body)
    sources = [ComposeSource(bucket, "known", offset=1, length=6 * MIB), ComposeSource(bucket, "unknown")]
    store.compose_object(bucket, "composed", sources)
    equal(world.body_of(bucket, "composed"), body[1 : 6 * MIB + 1] + body)
    file = world.scratch / "minio-py-file"
    store.fget_object(bucket, "composed", str(file))
    equal(file.read_bytes(), body[1 : 6 * MIB + 1] + body)
    store.fput_object(bucket, "from-file", str(file))
    equal(world.body_of(bucket, "from-file"), file.read_bytes())


@case
def copies_keep_replace_and_are_conditional(world):
    store, bucket, body = client(world), world.bucket("minio-py-copies"), random_bytes(53, 100_000)
    etag = store.put_object(bucket, "a b", io.BytesIO(body), len(body), "text/a", {"m": "1"}).etag
    equal(store.copy_object(bucket, "kept", CopySource(bucket, "a b")).etag, etag)
    stat = store.stat_object(bucket, "kept")
    equal((stat.content_type, stat.metadata["x-amz-meta-m"]), ("text/a", "1"))
    changed = {"metadata": {"n": "2", "Content-Type": "text/b"}, "metadata_directive": "REPLACE"}
    store.copy_object(bucket, "replaced", CopySource(bucket, "a b"), **changed)
    stat = store.stat_object(bucket, "replaced")
    equal((stat.content_type, stat.metadata["x-amz-meta-n"], "x-amz-meta-m" in stat.metadata), ("text/b", "2", False))
    equal(world.body_of(bucket, "replaced"), body)
    source = CopySource(bucket, "a b", match_etag="0" * 32)
    raises(minio.S3Error, "PreconditionFailed", store.copy_object, bucket, "x", source)
    source = CopySource(bucket, "a b", not_match_etag=etag)
    raises(minio.S3Error, "PreconditionFailed", store.copy_object, bucket, "x", source)
    store.copy_object(bucket, "matched", CopySource(bucket, "a b", match_etag=etag))
    equal(sorted(world.keys_in(bucket)), ["a b", "kept", "matched", "replaced"])


@case
def presigned_links_and_wrong_keys(world):
    store, bucket = client(world), world.bucket("minio-py-links")
    minute = datetime.timedelta(minutes=1)
    equal(world.fetch(store.presigned_put_object(bucket, "a b", expires=minute), "PUT", b"by link")[0], 200)
    equal(world.fetch(store.presigned_get_object(bucket, "a b", expires=minute))[::2], (200, b"by link"))
    answer = {"response_headers": {"response-content-type": "text/x-other"}, "expires": minute}
    equal(world.fetch(store.presigned_get_object(bucket, "a b", **answer))[1]["content-type"], "text/x-other")
    wrong = client(world, secret_key="wrong" * 8)
    raises(minio.S3Error, "SignatureDoesNotMatch", wrong.list_buckets)


@case_of_tls
def encrypted_objects_come_back(world):
    store, bucket, body = client(world), world.bucket("minio-py-sealed"), random_bytes(57, 12 * MIB)
    own = minio.sse.SseCustomerKey(random_bytes(58, 32))
    for name, sse in (("own", own), ("kms", minio.sse.SseKMS(KMS_KEY, {"team": "blue"})), ("s3", minio.sse.SseS3())):
        store.put_object(bucket, name, io.BytesIO(body), len(body), sse=sse, part_size=5 * MIB)
        reading = {"ssec": own} if name == "own" else {}
        equal(read(store.get_object(bucket, name, **reading)), body)
        equal(read(store.get_object(bucket, name, offset=5 * MIB - 3, length=9, **reading)), body[5 * MIB - 3 :][:9])
    raises(minio.S3Error, "InvalidRequest", store.get_object, bucket, "own")
    store.copy_object(bucket, "copied", CopySource(bucket, "own", ssec=own), sse=minio.sse.SseS3())
    equal(world.body_of(bucket, "copied"), body)
