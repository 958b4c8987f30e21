"""The S3 client of mountpoint-s3, as the PyTorch connector packs it (Rust over the AWS Common Runtime).

| upload  | list | range          | copy | multipart    | conditional write | delete | trees      |
|---------|------|----------------|------|--------------|-------------------|--------|------------|
| streams | yes  | `start`, `end` | yes  | every upload | no API            | yes    | none of it |

Over plain HTTP only: it trusts the system's authorities and cannot be told another one.
"""

import contextlib
import os
from unittest import mock

import s3torchconnectorclient._mountpoint_s3_client as mountpoint

from harness import MIB, case_of_plain, equal, raises, random_bytes


@contextlib.contextmanager
def client(world):
    # It takes its keys from the environment, and only from there.
    keys = {"AWS_ACCESS_KEY_ID": world.server.access_key, "AWS_SECRET_ACCESS_KEY": world.server.secret_key}
    with mock.patch.dict(os.environ, keys):
        settings = {"endpoint": world.server.endpoint, "force_path_style": True, "max_attempts": 1}
        yield mountpoint.MountpointS3Client("us-east-1", part_size=5 * MIB, **settings)


def put(store, bucket, key, body):
    stream = store.put_object(bucket, key)
    for start in range(0, len(body), 1_000_000):
        stream.write(body[start : start + 1_000_000])
    stream.close()


def get(store, *place, **span):
    return b"".join(store.get_object(*place, **span))


@case_of_plain
def streams_go_in_parts_and_come_in_ranges(world):
    bucket, body = world.bucket("mountpoint"), random_bytes(95, 17 * MIB + 7)
    with client(world) as store:
        for key, wanted in (("dir/a b+\u00e4", body[:300_000]), ("empty", b""), ("large", body)):
            put(store, bucket, key, wanted)
            equal(world.body_of(bucket, key), wanted)
            equal(get(store, bucket, key), wanted)
            equal(store.head_object(bucket, key).size, len(wanted))
        assert world.s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-4"')
        equal(get(store, bucket, "large", start=5 * MIB - 3, end=5 * MIB + 4), body[5 * MIB - 3 : 5 * MIB + 4])
        equal(get(store, bucket, "large", start=len(body) - 7, end=len(body)), body[-7:])
        store.copy_object(bucket, "large", bucket, "copy")
        equal(world.body_of(bucket, "copy"), body)
        raises(mountpoint.S3Exception, "key does not exist", get, store, bucket, "absent")
        store.delete_object(bucket, "copy")
        raises(mountpoint.S3Exception, "", store.head_object, bucket, "copy")


@case_of_plain
def listing_pages_and_prefixes_agree(world):
    bucket, keys = world.bucket("mountpoint-list"), sorted(f"{top}/{leaf:02}" for top in "abc" for leaf in range(30))
    for key in keys:
        world.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    with client(world) as store:
        pages = list(store.list_objects(bucket, max_keys=20))
        equal([entry.key for page in pages for entry in page.object_info], keys)
        equal(len(pages), 5)
        pages = list(store.list_objects(bucket, delimiter="/"))
        equal([prefix for page in pages for prefix in page.common_prefixes], ["a/", "b/", "c/"])
        pages = list(store.list_objects(bucket, prefix="b/"))
        found = [(entry.key, entry.size) for page in pages for entry in page.object_info]
        equal(found, [(key, 4) for key in keys[30:60]])
