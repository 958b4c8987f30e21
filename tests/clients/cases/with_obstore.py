"""obstore, the Python face of Rust's `object_store` (which DataFusion, delta-rs and Polars stand on).

| upload | list | range                     | copy | multipart       | conditional write    | delete | trees      |
|--------|------|---------------------------|------|-----------------|----------------------|--------|------------|
| yes    | yes  | `get_range`, `get_ranges` | yes  | `use_multipart` | create, update, copy | yes    | none of it |

It normalises paths and percent-encodes what it holds unsafe in them: names are those it would make itself.
"""

import datetime

import obstore
import obstore.exceptions
import obstore.store

from harness import MIB, case, equal, raises, random_bytes

AlreadyExists, Precondition = obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError


def store_of(world, bucket, **config):
    trust = {"root_certificate": world.ca.read_bytes()} if world.ca else {"allow_http": True}
    return obstore.store.S3Store(
        bucket,
        endpoint=world.server.endpoint,
        access_key_id=world.server.access_key,
        secret_access_key=world.server.secret_key,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options=trust,
        retry_config={"max_retries": 0},
        **config,
    )


@case
def everyday_work_is_done(world):
    bucket, body = world.bucket("obstore"), random_bytes(71, 300_000)
    store = store_of(world, bucket)
    said = {"Content-Type": "text/x-test", "colour": "blue"}
    etag = obstore.put(store, "dir/a b+\u00e4", body, attributes=said)["e_tag"]
    equal(world.body_of(bucket, "dir/a b+\u00e4"), body)
    got = obstore.get(store, "dir/a b+\u00e4")
    equal((got.attributes["Content-Type"], got.attributes["colour"], got.meta["e_tag"]), ("text/x-test", "blue", etag))
    equal(bytes(got.bytes()), body)
    equal(obstore.head(store, "dir/a b+\u00e4")["size"], len(body))
    equal(bytes(obstore.get_range(store, "dir/a b+\u00e4", start=65_530, end=65_546)), body[65_530:65_546])
    spans = obstore.get_ranges(store, "dir/a b+\u00e4", starts=[0, 200_000], ends=[5, 200_007])
    equal([bytes(span) for span in spans], [body[:5], body[200_000:200_007]])
    equal(bytes(obstore.get(store, "dir/a b+\u00e4", options={"range": {"suffix": 7}}).bytes()), body[-7:])
    raises(Precondition, "", obstore.get, store, "dir/a b+\u00e4", options={"if_match": '"0"'})
    unchanged = {"options": {"if_none_match": etag}}
    raises(obstore.exceptions.NotModifiedError, "", obstore.get, store, "dir/a b+\u00e4", **unchanged)
    raises(FileNotFoundError, "", obstore.get, store, "absent")
    link = obstore.sign(store, "GET", "dir/a b+\u00e4", datetime.timedelta(minutes=1))
    equal(world.fetch(link)[2], body)
    obstore.delete(store, "dir/a b+\u00e4")
    raises(FileNotFoundError, "", obstore.head, store, "dir/a b+\u00e4")


@case
def listing_and_deleting_of_many_agree(world):
    bucket = world.bucket("obstore-many")
    store, keys = store_of(world, bucket), [f"a/{index:04}" for index in range(1100)] + ["b/c/d", "e"]
    for key in keys:
        world.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    found = [entry["path"] for page in obstore.list(store, chunk_size=100) for entry in page]
    equal(found, keys)
    found = [entry["path"] for page in obstore.list(store, "a", offset="a/1097") for entry in page]
    equal(found, ["a/1098", "a/1099"])
    page = obstore.list_with_delimiter(store)
    equal((page["common_prefixes"], [entry["path"] for entry in page["objects"]]), (["a", "b"], ["e"]))
    obstore.delete(store, keys)
    equal(world.keys_in(bucket), [])


@case
def large_bodies_go_in_parts(world):
    bucket, body = world.bucket("obstore-large"), random_bytes(72, 23 * MIB + 7)
    for checksum in ({}, {"checksum_algorithm": "SHA256"}):
        store = store_of(world, bucket, **checksum)
        obstore.put(store, "large", body, use_multipart=True, chunk_size=5 * MIB)
        assert world.s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-5"')
        equal(world.body_of(bucket, "large"), body)
        with obstore.open_writer(store, "written", buffer_size=5 * MIB) as file:
            file.write(body)
        equal(world.body_of(bucket, "written"), body)
        equal(b"".join(bytes(chunk) for chunk in obstore.get(store, "written").stream(min_chunk_size=MIB)), body)


@case
def conditions_decide_writes_copies_and_moves(world):
    bucket = world.bucket("obstore-conditions")
    store = store_of(world, bucket)
    first = obstore.put(store, "k", b"one", mode="create")
    raises(AlreadyExists, "", obstore.put, store, "k", b"two", mode="create")
    equal(world.body_of(bucket, "k"), b"one")
    obstore.put(store, "k", b"two", mode={"e_tag": first["e_tag"]})
    raises(Precondition, "", obstore.put, store, "k", b"three", mode={"e_tag": first["e_tag"]})
    equal(world.body_of(bucket, "k"), b"two")
    obstore.copy(store, "k", "copy")
    equal(world.body_of(bucket, "copy"), b"two")
    # Without overwriting, it copies as a multipart upload whose completion carries the condition.
    exclusive = store_of(world, bucket, copy_if_not_exists="multipart")
    obstore.copy(exclusive, "k", "exclusive", overwrite=False)
    raises(AlreadyExists, "", obstore.copy, exclusive, "copy", "exclusive", overwrite=False)
    obstore.rename(store, "copy", "moved")
    equal(sorted(world.keys_in(bucket)), ["exclusive", "k", "moved"])
