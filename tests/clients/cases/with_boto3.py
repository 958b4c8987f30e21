"""boto3, the most used library, and with it what every other client stands on.

| upload | list | range | copy | multipart | conditional write | delete |
|--------|------|-------|------|-----------|-------------------|--------|
| yes    | yes  | yes   | yes  | yes       | yes               | yes    |
"""

import base64
import hashlib
import io
import re
import socket

import boto3.s3.transfer
import botocore.exceptions

from harness import DOMAIN, KMS_KEY, KMS_SECRET, MIB, case, case_of_tls, equal, keys_of, raises, random_bytes, refused, support


@case
def health_and_metrics_answer_without_keys(world):
    for name in ("live", "ready", "cluster"):
        equal(world.fetch(f"{world.server.endpoint}/minio/health/{name}")[0], 200)
    status, _, body = world.fetch(f"{world.server.endpoint}/metrics")
    equal(status, 200)
    assert b"# TYPE " in body, body[:300]


@case
def every_answer_has_a_request_id(world):
    _, headers, body = world.fetch(f"{world.server.endpoint}/nobody")
    assert headers["x-amz-request-id"], headers
    assert headers["x-amz-request-id"] in body.decode(), body


@case
def buckets_are_created_listed_and_deleted(world):
    name = world.bucket("lifecycle-of-bucket")
    assert name in [bucket["Name"] for bucket in world.s3.list_buckets()["Buckets"]]
    world.s3.head_bucket(Bucket=name)
    equal(world.s3.get_bucket_location(Bucket=name)["LocationConstraint"], None)
    refused("BucketAlreadyOwnedByYou", world.s3.create_bucket, Bucket=name)
    world.s3.put_object(Bucket=name, Key="k", Body=b"x")
    refused("BucketNotEmpty", world.s3.delete_bucket, Bucket=name)
    world.s3.delete_object(Bucket=name, Key="k")
    world.s3.delete_bucket(Bucket=name)
    refused(404, world.s3.head_bucket, Bucket=name)
    refused("NoSuchBucket", world.s3.list_objects_v2, Bucket=name)


@case
def object_comes_back_with_all_that_was_said_of_it(world):
    bucket, body = world.bucket("plain-object"), random_bytes(1, 100_000)
    said = {
        "ContentType": "text/x-test",
        "CacheControl": "max-age=5",
        "ContentDisposition": 'attachment; filename="a.txt"',
        "ContentEncoding": "identity",
        "ContentLanguage": "de",
        "Metadata": {"colour": "blue", "empty": ""},
    }
    put = world.s3.put_object(Bucket=bucket, Key="a", Body=body, **said)
    equal(put["ETag"], f'"{hashlib.md5(body).hexdigest()}"')
    got = world.s3.get_object(Bucket=bucket, Key="a")
    equal(got["Body"].read(), body)
    head = world.s3.head_object(Bucket=bucket, Key="a")
    for answer in (got, head):
        equal({name: answer[name] for name in said}, said)
        equal((answer["ETag"], answer["ContentLength"]), (put["ETag"], len(body)))
    refused("NoSuchKey", world.s3.get_object, Bucket=bucket, Key="b")
    refused(404, world.s3.head_object, Bucket=bucket, Key="b")
    world.s3.delete_object(Bucket=bucket, Key="a")
    refused("NoSuchKey", world.s3.get_object, Bucket=bucket, Key="a")
    world.s3.delete_object(Bucket=bucket, Key="a")


@case
def sizes_around_every_boundary_come_back(world):
    bucket = world.bucket("sizes")
    edges = [0, 1, 4095, 4096, 4097, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 9 * MIB]
    for size in edges:
        world.s3.put_object(Bucket=bucket, Key=f"{size}", Body=random_bytes(size, size))
    for size in edges:
        equal(world.s3.get_object(Bucket=bucket, Key=f"{size}")["Body"].read(), random_bytes(size, size))


@case
def overwrite_replaces_the_whole_object(world):
    bucket = world.bucket("overwrite")
    for size in (200_000, 10, 70_000, 0, 3):
        world.s3.put_object(Bucket=bucket, Key="k", Body=random_bytes(size, size))
        equal(world.s3.get_object(Bucket=bucket, Key="k")["Body"].read(), random_bytes(size, size))
    equal(keys_of(world.s3.list_objects_v2(Bucket=bucket)), ["k"])


@case
def odd_keys_are_kept_as_they_are(world):
    bucket = world.bucket("odd-keys")
    keys = ["a/b", "a/b/c", "a//b", "a b", "a+b", "a%2Fb", "a&b=c?d#e", "ä/ö-\u6f22", ".", "..", "a/../b", "/", "~"]
    keys += ["'\"<>&", "k" * 1024, "\u6f22" * 341, "trailing/", "\U0001f600", "a\tb"]
    for key in keys:
        world.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in keys:
        equal(world.s3.get_object(Bucket=bucket, Key=key)["Body"].read(), key.encode())
    wanted = sorted(keys, key=lambda key: key.encode())
    equal(keys_of(world.s3.list_objects_v2(Bucket=bucket)), wanted)
    equal(keys_of(world.s3.list_objects(Bucket=bucket)), wanted)
    refused("KeyTooLongError", world.s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"")


@case
def ranges_are_exact(world):
    bucket, body = world.bucket("ranges"), random_bytes(2, 300_000)
    world.s3.put_object(Bucket=bucket, Key="k", Body=body)
    spans = {
        "bytes=0-0": body[:1],
        "bytes=5-9": body[5:10],
        "bytes=65530-65545": body[65530:65546],
        "bytes=299999-": body[-1:],
        "bytes=-7": body[-7:],
        "bytes=-999999": body,
        "bytes=100-999999": body[100:],
    }
    for text, wanted in spans.items():
        got = world.s3.get_object(Bucket=bucket, Key="k", Range=text)
        equal(got["ResponseMetadata"]["HTTPStatusCode"], 206)
        equal(got["Body"].read(), wanted)
        assert re.fullmatch(r"bytes \d+-\d+/300000", got["ContentRange"]), got["ContentRange"]
    refused("InvalidRange", world.s3.get_object, Bucket=bucket, Key="k", Range="bytes=300000-")


@case
def listing_pages_prefixes_and_delimiters_agree(world):
    bucket = world.bucket("listing")
    keys = sorted(f"{top}/{middle}/{leaf}" for top in "abc" for middle in range(7) for leaf in range(9))
    for key in keys:
        world.s3.put_object(Bucket=bucket, Key=key, Body=b"")
    for operation in ("list_objects_v2", "list_objects"):
        pages = world.s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 10})
        equal([key for page in pages for key in keys_of(page)], keys)
        pages = world.s3.get_paginator(operation).paginate(
            Bucket=bucket, Prefix="b/", Delimiter="/", PaginationConfig={"PageSize": 2}
        )
        found = [prefix["Prefix"] for page in pages for prefix in page.get("CommonPrefixes", [])]
        equal(found, [f"b/{middle}/" for middle in range(7)])
    page = world.s3.list_objects_v2(Bucket=bucket, StartAfter="c/6/6")
    equal(keys_of(page), ["c/6/7", "c/6/8"])
    page = world.s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    equal((page["KeyCount"], page["IsTruncated"]), (0, False))
    equal(keys_of(world.s3.list_objects_v2(Bucket=bucket, Prefix="nothing")), [])


@case
def conditions_decide_reads_and_writes(world):
    bucket = world.bucket("conditions")
    etag = world.s3.put_object(Bucket=bucket, Key="k", Body=b"one", IfNoneMatch="*")["ETag"]
    refused("PreconditionFailed", world.s3.put_object, Bucket=bucket, Key="k", Body=b"two", IfNoneMatch="*")
    other = '"00000000000000000000000000000000"'
    refused("PreconditionFailed", world.s3.put_object, Bucket=bucket, Key="k", Body=b"two", IfMatch=other)
    refused("NoSuchKey", world.s3.put_object, Bucket=bucket, Key="absent", Body=b"two", IfMatch=other)
    equal(world.s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read(), b"one")
    refused(304, world.s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag)
    refused("PreconditionFailed", world.s3.get_object, Bucket=bucket, Key="k", IfMatch=other)
    modified = world.s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    refused(304, world.s3.get_object, Bucket=bucket, Key="k", IfModifiedSince=modified)
    refused(412, world.s3.head_object, Bucket=bucket, Key="k", IfUnmodifiedSince=modified.replace(year=2000))
    second = world.s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfMatch=etag)["ETag"]
    equal(world.s3.get_object(Bucket=bucket, Key="k", IfMatch=second)["Body"].read(), b"two")


@case
def copy_keeps_or_replaces_what_was_said(world):
    bucket, body = world.bucket("copies"), random_bytes(3, 150_000)
    world.bucket("copies-elsewhere")
    world.s3.put_object(Bucket=bucket, Key="a b+ä", Body=body, ContentType="text/a", Metadata={"m": "1"})
    source = {"Bucket": bucket, "Key": "a b+ä"}
    world.s3.copy_object(CopySource=source, Bucket="copies-elsewhere", Key="kept")
    got = world.s3.get_object(Bucket="copies-elsewhere", Key="kept")
    equal((got["Body"].read(), got["ContentType"], got["Metadata"]), (body, "text/a", {"m": "1"}))
    replace = {"MetadataDirective": "REPLACE", "ContentType": "text/b", "Metadata": {"n": "2"}}
    world.s3.copy_object(CopySource=source, Bucket=bucket, Key="a b+ä", **replace)
    got = world.s3.get_object(Bucket=bucket, Key="a b+ä")
    equal((got["Body"].read(), got["ContentType"], got["Metadata"]), (body, "text/b", {"n": "2"}))
    refused("InvalidRequest", world.s3.copy_object, CopySource=source, Bucket=bucket, Key="a b+ä")
    absent, other = {"Bucket": bucket, "Key": "absent"}, '"1"'
    refused("NoSuchKey", world.s3.copy_object, CopySource=absent, Bucket=bucket, Key="x")
    into_x = {"CopySource": source, "Bucket": bucket, "Key": "x"}
    refused("PreconditionFailed", world.s3.copy_object, **into_x, CopySourceIfMatch=other)


@case
def parts_become_one_object(world):
    bucket = world.bucket("multipart")
    bodies = {1: random_bytes(4, 5 * MIB), 2: random_bytes(5, 5 * MIB + 1), 7: random_bytes(6, 99)}
    upload = {"Bucket": bucket, "Key": "big"}
    created = world.s3.create_multipart_upload(**upload, ContentType="text/big", Metadata={"m": "1"})
    upload["UploadId"] = created["UploadId"]
    etags = {n: world.s3.upload_part(**upload, PartNumber=n, Body=body)["ETag"] for n, body in bodies.items()}
    listed = world.s3.list_parts(**upload)["Parts"]
    found = [(part["PartNumber"], part["Size"], part["ETag"]) for part in listed]
    equal(found, [(n, len(b), etags[n]) for n, b in bodies.items()])
    uploads = world.s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    equal([(entry["Key"], entry["UploadId"]) for entry in uploads], [("big", upload["UploadId"])])
    refused("NoSuchKey", world.s3.get_object, Bucket=bucket, Key="big")
    parts = {"Parts": [{"PartNumber": n, "ETag": etags[n]} for n in bodies]}
    done = world.s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    digest = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies.values())).hexdigest()
    equal(done["ETag"], f'"{digest}-3"')
    got = world.s3.get_object(Bucket=bucket, Key="big")
    whole = b"".join(bodies.values())
    equal((got["Body"].read(), got["ContentType"], got["Metadata"]), (whole, "text/big", {"m": "1"}))
    span = world.s3.get_object(Bucket=bucket, Key="big", Range=f"bytes={5 * MIB - 3}-{5 * MIB + 3}")["Body"].read()
    equal(span, whole[5 * MIB - 3 : 5 * MIB + 4])
    assert "Uploads" not in world.s3.list_multipart_uploads(Bucket=bucket)


@case
def aborted_or_wrong_uploads_leave_nothing(world):
    bucket = world.bucket("aborted")
    upload = {"Bucket": bucket, "Key": "k"}
    upload["UploadId"] = world.s3.create_multipart_upload(**upload)["UploadId"]
    small = world.s3.upload_part(**upload, PartNumber=1, Body=b"small")["ETag"]
    last = world.s3.upload_part(**upload, PartNumber=2, Body=b"last")["ETag"]
    parts = [{"PartNumber": 1, "ETag": small}, {"PartNumber": 2, "ETag": last}]
    complete = world.s3.complete_multipart_upload
    refused("EntityTooSmall", complete, **upload, MultipartUpload={"Parts": parts})
    wrong = [{"PartNumber": 1, "ETag": last}]
    refused("InvalidPart", complete, **upload, MultipartUpload={"Parts": wrong})
    refused("InvalidPartOrder", complete, **upload, MultipartUpload={"Parts": parts[::-1]})
    world.s3.abort_multipart_upload(**upload)
    refused("NoSuchUpload", world.s3.list_parts, **upload)
    refused("NoSuchUpload", complete, **upload, MultipartUpload={"Parts": parts})
    equal(keys_of(world.s3.list_objects_v2(Bucket=bucket)), [])
    world.s3.delete_bucket(Bucket=bucket)


@case
def transfer_manager_moves_large_files(world):
    bucket, body = world.bucket("transfer"), random_bytes(8, 40 * MIB + 12345)
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)
    world.s3.upload_fileobj(io.BytesIO(body), bucket, "big", Config=config)
    found = io.BytesIO()
    world.s3.download_fileobj(bucket, "big", found, Config=config)
    equal(hashlib.sha256(found.getvalue()).hexdigest(), hashlib.sha256(body).hexdigest())
    world.s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copy", Config=config)
    found = world.s3.get_object(Bucket=bucket, Key="copy")["Body"].read()
    equal(hashlib.sha256(found).hexdigest(), hashlib.sha256(body).hexdigest())


@case
def presigned_links_work_until_they_expire_or_change(world):
    bucket = world.bucket("presigned")

    def link(operation, key, seconds=60):
        return world.s3.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds)

    equal(world.fetch(link("put_object", "a b/ä"), "PUT", b"by link")[0], 200)
    equal(world.fetch(link("get_object", "a b/ä"))[::2], (200, b"by link"))
    equal(world.fetch(link("head_object", "a b/ä"), "HEAD")[0], 200)
    url = link("get_object", "a b/ä")
    equal(world.fetch(url.replace("presigned/", "presigned/other-"))[0], 403)
    equal(world.fetch(url.replace("Expires=60", "Expires=6000"))[0], 403)
    equal(world.fetch(url[:-1] + ("0" if url[-1] != "0" else "1"))[0], 403)
    equal(world.fetch(url.split("?")[0])[0], 403)
    equal(world.fetch(url, "DELETE")[0], 403)
    equal(world.fetch(link("delete_object", "a b/ä"), "DELETE")[0], 204)


@case
def every_region_is_served(world):
    for region in ("eu-central-1", "us-west-2", "garage"):
        abroad, bucket = world.boto(region=region), f"region-{region}"
        abroad.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
        abroad.put_object(Bucket=bucket, Key="k", Body=b"abroad")
        equal(abroad.get_object(Bucket=bucket, Key="k")["Body"].read(), b"abroad")
        link = abroad.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        equal(world.fetch(link)[2], b"abroad")
        equal(world.body_of(bucket, "k"), b"abroad")


@case
def wrong_keys_are_refused(world):
    error = refused(403, world.boto(secret_key="wrong" * 8).list_buckets)
    equal(error["Error"]["Code"], "SignatureDoesNotMatch")


@case_of_tls
def certificate_of_nobody_known_is_not_trusted(world):
    # A CA of its own, not that of the server: the trust of all cases rests on this refusal.
    _, stranger = support.make_certificates(world.scratch / "stranger")
    distrusting = world.boto(verify=str(stranger))
    raises(botocore.exceptions.SSLError, "CERTIFICATE_VERIFY_FAILED", distrusting.list_buckets)


@case
def checksums_are_verified_kept_and_told(world):
    bucket, body = world.bucket("checksums"), random_bytes(9, 200_000)
    for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        put = world.s3.put_object(Bucket=bucket, Key=name, Body=body, ChecksumAlgorithm=name)
        head = world.s3.head_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED")
        equal(head[f"Checksum{name}"], put[f"Checksum{name}"])
        equal(world.s3.get_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED")["Body"].read(), body)
    refused("BadDigest", world.s3.put_object, Bucket=bucket, Key="bad", Body=body, ChecksumCRC32="AAAAAA==")
    of_nothing = "1B2M2Y8AsgTpgAmY7PhCfg=="
    refused("BadDigest", world.s3.put_object, Bucket=bucket, Key="bad", Body=body, ContentMD5=of_nothing)
    refused("NoSuchKey", world.s3.get_object, Bucket=bucket, Key="bad")


@case
def signed_bodies_come_through(world):
    bucket, body = world.bucket("signed"), random_bytes(10, 300_000)
    signed = world.boto(s3={"addressing_style": "path", "payload_signing_enabled": True})
    signed.put_object(Bucket=bucket, Key="k", Body=body)
    equal(world.s3.get_object(Bucket=bucket, Key="k")["Body"].read(), body)
    plain = world.boto(request_checksum_calculation="when_required")
    plain.put_object(Bucket=bucket, Key="k2", Body=io.BytesIO(body))
    equal(world.s3.get_object(Bucket=bucket, Key="k2")["Body"].read(), body)


@case
def many_keys_are_deleted_at_once(world):
    bucket = world.bucket("delete-many")
    keys = [f"k{index:04}" for index in range(300)]
    for key in keys:
        world.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    entries = [{"Key": key} for key in keys[:-1]] + [{"Key": "absent <&>"}]
    deleted = world.s3.delete_objects(Bucket=bucket, Delete={"Objects": entries})
    equal(sorted(entry["Key"] for entry in deleted["Deleted"]), sorted(entry["Key"] for entry in entries))
    quiet = world.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": keys[-1]}], "Quiet": True})
    assert "Deleted" not in quiet, quiet
    equal(keys_of(world.s3.list_objects_v2(Bucket=bucket)), [])


@case
def objects_survive_a_restart(world):
    bucket, body = world.bucket("restart"), random_bytes(12, 500_000)
    world.s3.put_object(Bucket=bucket, Key="large", Body=body, Metadata={"m": "1"})
    world.s3.put_object(Bucket=bucket, Key="small", Body=b"small")
    world.restart()
    got = world.s3.get_object(Bucket=bucket, Key="large")
    equal((got["Body"].read(), got["Metadata"]), (body, {"m": "1"}))
    equal(world.s3.get_object(Bucket=bucket, Key="small")["Body"].read(), b"small")


def expect_hidden(world, texts):
    """None of the texts is on the disk or in the log."""
    for path in [*world.server.directory.rglob("*"), world.server.log_path]:
        content = path.read_bytes() if path.is_file() else b""
        for text in texts:
            assert text not in content, f"{text[:24]} is in {path}"


@case
def encrypted_objects_come_back_and_are_plain_nowhere(world):
    bucket, mark, own = world.bucket("encrypted"), b"a canary sings in the mine; ", bytes(range(100, 132))
    body = mark * (9 * MIB // len(mark))
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    ways = {
        "own": {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": own},
        "kms": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KMS_KEY},
        "s3": {"ServerSideEncryption": "AES256"},
    }
    for name, said in ways.items():
        reading = said if name == "own" else {}
        for key, size in ((f"{name}-small", 1000), (f"{name}-one", 300_000)):
            put = world.s3.put_object(Bucket=bucket, Key=key, Body=body[:size], **said)
            got = world.s3.get_object(Bucket=bucket, Key=key, **reading)
            equal(got["Body"].read(), body[:size])
            told = {field: value for field, value in said.items() if field != "SSECustomerKey"}
            equal({field: put.get(field) for field in told}, told)
        world.s3.upload_fileobj(io.BytesIO(body), bucket, f"{name}-parts", ExtraArgs=said, Config=config)
        span = {"Range": f"bytes={5 * MIB - 10}-{5 * MIB + 70_000}", **reading}
        got = world.s3.get_object(Bucket=bucket, Key=f"{name}-parts", **span)
        equal(got["Body"].read(), body[5 * MIB - 10 : 5 * MIB + 70_001])
        head = world.s3.head_object(Bucket=bucket, Key=f"{name}-parts", **reading)
        equal(head["ContentLength"], len(body))
    refused("InvalidRequest", world.s3.get_object, Bucket=bucket, Key="own-one")
    wrong = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(32)}
    refused("AccessDenied", world.s3.get_object, Bucket=bucket, Key="own-one", **wrong)
    source = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": own}
    copy = {"CopySource": {"Bucket": bucket, "Key": "own-one"}, **source, **ways["kms"]}
    world.s3.copy_object(Bucket=bucket, Key="copied", **copy)
    world.restart()
    equal(world.body_of(bucket, "copied"), body[:300_000])
    keys = [own, base64.b64encode(own), own.hex().encode()]
    expect_hidden(world, [mark, KMS_SECRET.encode(), base64.b64decode(KMS_SECRET), *keys])


@case
def a_bucket_encrypts_what_says_nothing(world):
    bucket = world.bucket("encrypted-by-default")
    refused("ServerSideEncryptionConfigurationNotFoundError", world.s3.get_bucket_encryption, Bucket=bucket)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KMS_KEY}}
    world.s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    told = world.s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    equal(told["ApplyServerSideEncryptionByDefault"], rule["ApplyServerSideEncryptionByDefault"])
    equal(world.s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ServerSideEncryption"], "aws:kms")
    got = world.s3.get_object(Bucket=bucket, Key="k")
    equal((got["Body"].read(), got["SSEKMSKeyId"]), (b"x", KMS_KEY))
    world.s3.delete_bucket_encryption(Bucket=bucket)
    equal(world.s3.put_object(Bucket=bucket, Key="k", Body=b"x").get("ServerSideEncryption"), None)


@case
def objects_grow_by_offset(world):
    bucket, pieces = world.bucket("grows"), [random_bytes(90 + number, 1000 * number) for number in range(1, 40)]
    at = 0
    for piece in pieces:
        put = world.s3.put_object(Bucket=bucket, Key="log", Body=piece, WriteOffsetBytes=at)
        at += len(piece)
        equal(put.get("Size", at), at)
    equal(world.body_of(bucket, "log"), b"".join(pieces))
    refused("InvalidWriteOffset", world.s3.put_object, Bucket=bucket, Key="log", Body=b"x", WriteOffsetBytes=at - 1)
    world.restart()
    got = world.s3.get_object(Bucket=bucket, Key="log", Range=f"bytes=500-{at - 501}")
    equal(got["Body"].read(), b"".join(pieces)[500 : at - 500])
    world.s3.put_object(Bucket=bucket, Key="log", Body=b"anew")
    equal(world.body_of(bucket, "log"), b"anew")


@case
def annotations_stay_with_their_version(world):
    bucket, mark = world.bucket("annotated"), "a canary sings in the notes; "
    world.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = world.s3.put_object(Bucket=bucket, Key="k", Body=b"1", ServerSideEncryption="AES256")
    at = {"Bucket": bucket, "Key": "k"}
    texts = {f"n.{number:02}": mark * count for number, count in enumerate((1, 700, MIB // len(mark), 3, 9))}
    for name, text in texts.items():
        put = world.s3.put_object_annotation(
            **at, AnnotationName=name, AnnotationPayload=text.encode(), ObjectIfMatch=first["ETag"], ChecksumAlgorithm="SHA256"
        )
        equal((put["AnnotationName"], put["ObjectVersionId"]), (name, first["VersionId"]))
        equal(put["ServerSideEncryption"], "AES256")
    second = world.s3.put_object(**at, Body=b"2")
    equal(world.s3.list_object_annotations(**at).get("Annotations", []), [])
    stale = {"AnnotationName": "n.00", "AnnotationPayload": b"x", "ObjectIfMatch": first["ETag"]}
    refused("PreconditionFailed", world.s3.put_object_annotation, **at, **stale)
    refused("NoSuchAnnotation", world.s3.get_object_annotation, **at, AnnotationName="n.00")
    refused("UnsupportedMediaType", world.s3.put_object_annotation, **at, AnnotationName="b", AnnotationPayload=b"\xff")
    refused("InvalidAnnotationName", world.s3.put_object_annotation, **at, AnnotationName="aws.b", AnnotationPayload=b"x")
    large = {"AnnotationName": "b", "AnnotationPayload": b"x" * (MIB + 1)}
    refused("EntityTooLarge", world.s3.put_object_annotation, **at, **large)
    world.restart()
    old = {**at, "VersionId": first["VersionId"]}
    pages = world.s3.get_paginator("list_object_annotations").paginate(**old, PaginationConfig={"PageSize": 2})
    listed = [entry for page in pages for entry in page.get("Annotations", [])]
    equal({entry["AnnotationName"]: entry["Size"] for entry in listed}, {name: len(text) for name, text in texts.items()})
    equal({entry["ChecksumAlgorithm"][0] for entry in listed}, {"SHA256"})
    for name, text in texts.items():
        got = world.s3.get_object_annotation(**old, AnnotationName=name, ChecksumMode="ENABLED")
        equal(got["AnnotationPayload"].read(), text.encode())
        equal((got["ContentLength"], got["ObjectVersionId"]), (len(text), first["VersionId"]))
    copied = {"CopySource": {"Bucket": bucket, "Key": "k", "VersionId": first["VersionId"]}, "Bucket": bucket}
    world.s3.copy_object(**copied, Key="copied", ServerSideEncryption="aws:kms", SSEKMSKeyId=KMS_KEY)
    world.s3.copy_object(**copied, Key="bare", AnnotationDirective="EXCLUDE")
    equal(len(world.s3.list_object_annotations(Bucket=bucket, Key="copied")["Annotations"]), len(texts))
    equal(world.s3.list_object_annotations(Bucket=bucket, Key="bare").get("Annotations", []), [])
    got = world.s3.get_object_annotation(Bucket=bucket, Key="copied", AnnotationName="n.02")
    equal((got["AnnotationPayload"].read(), got["ServerSideEncryption"]), (texts["n.02"].encode(), "aws:kms"))
    world.s3.delete_object_annotation(**old, AnnotationName="n.00")
    world.s3.delete_object(**at, VersionId=second["VersionId"])
    equal([it["AnnotationName"] for it in world.s3.list_object_annotations(**at)["Annotations"]], sorted(texts)[1:])
    world.s3.delete_object(**at, VersionId=first["VersionId"])
    refused("NoSuchKey", world.s3.list_object_annotations, **at)
    expect_hidden(world, [mark.encode()])


@case
def buckets_are_found_by_their_host_name(world):
    real, port = socket.getaddrinfo, world.server.endpoint.rpartition(":")[2]

    def resolve(host, *arguments, **named):
        name = host.decode() if isinstance(host, bytes) else host
        return real("127.0.0.1" if name.endswith(DOMAIN) else host, *arguments, **named)

    scheme = world.server.endpoint.partition(":")[0]
    virtual = world.boto(endpoint=f"{scheme}://{DOMAIN}:{port}", s3={"addressing_style": "virtual"})
    asked = []
    virtual.meta.events.register("before-send.s3", lambda request, **_: asked.append(request.url))
    socket.getaddrinfo = resolve
    try:
        virtual.create_bucket(Bucket="virtual")
        virtual.put_object(Bucket="virtual", Key="dir/a b", Body=b"by host name")
        equal(virtual.get_object(Bucket="virtual", Key="dir/a b")["Body"].read(), b"by host name")
        equal(keys_of(virtual.list_objects_v2(Bucket="virtual", Prefix="dir/")), ["dir/a b"])
        link = virtual.generate_presigned_url("get_object", Params={"Bucket": "virtual", "Key": "dir/a b"})
        equal(world.fetch(link)[::2], (200, b"by host name"))
    finally:
        socket.getaddrinfo = real
    assert all(url.startswith(f"{scheme}://virtual.{DOMAIN}:{port}/") for url in asked), asked
    equal(world.body_of("virtual", "dir/a b"), b"by host name")
