"""The AWS Common Runtime, the transfer engine below aws cli v2, mountpoint-s3 and the PyTorch connector.

| upload | list   | range             | copy   | multipart  | conditional write | delete | trees      |
|--------|--------|-------------------|--------|------------|-------------------|--------|------------|
| yes    | no API | parallel download | no API | from 5 MiB | no API            | yes    | none of it |

Here by way of s3transfer. It sends checksums as trailers, and knows objects by part number and range.
"""

import awscrt.auth
import botocore.session
import s3transfer.crt

from harness import MIB, case, equal, hashes_of, mixed_tree, raises, random_bytes, same_tree


def manager(world):
    session = botocore.session.Session()
    serializer = s3transfer.crt.BotocoreCRTRequestSerializer(
        session, {"region_name": "us-east-1", "endpoint_url": world.server.endpoint}
    )
    keys = awscrt.auth.AwsCredentialsProvider.new_static(world.server.access_key, world.server.secret_key)
    client = s3transfer.crt.create_s3_crt_client(
        "us-east-1",
        crt_credentials_provider=keys,
        num_threads=2,
        part_size=5 * MIB,
        use_ssl=bool(world.ca),
        verify=str(world.ca) if world.ca else None,
    )
    return s3transfer.crt.CRTTransferManager(client, serializer)


@case
def large_file_goes_in_parts_and_comes_in_ranges(world):
    source, target, bucket = world.scratch / "crt-large", world.scratch / "crt-back", world.bucket("aws-crt")
    source.write_bytes(random_bytes(91, 23 * MIB + 7))
    with manager(world) as transfers:
        transfers.upload(str(source), bucket, "large").result()
        assert world.s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-5"')
        equal(world.body_of(bucket, "large"), source.read_bytes())
        transfers.download(bucket, "large", str(target)).result()
    # The file gets its name in a callback that only the end of the manager waits for, not the result.
    equal(target.read_bytes(), source.read_bytes())
    with manager(world) as transfers:
        transfers.delete(bucket, "large").result()
        raises(Exception, "404", transfers.download(bucket, "large", str(target)).result)
    equal(world.keys_in(bucket), [])


@case
def tree_goes_up_and_down_at_once(world):
    tree, back = mixed_tree(world.scratch / "crt-tree", 60), world.scratch / "crt-tree-back"
    bucket, wanted = world.bucket("crt-tree"), hashes_of(tree)
    with manager(world) as transfers:
        for upload in [transfers.upload(str(tree / name), bucket, name) for name in wanted]:
            upload.result()
        same_tree(world.hashes_in(bucket), wanted)
        for name in wanted:
            (back / name).parent.mkdir(parents=True, exist_ok=True)
        for download in [transfers.download(bucket, name, str(back / name)) for name in wanted]:
            download.result()
    same_tree(hashes_of(back), wanted)
