"""pyarrow's S3FileSystem (AWS SDK for C++).

| upload | list | range     | copy | multipart       | conditional write | delete | tree         |
|--------|------|-----------|------|-----------------|-------------------|--------|--------------|
| yes    | yes  | `read_at` | yes  | every stream    | no API            | yes    | `copy_files` |
"""

import pyarrow
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet

from harness import MIB, case, equal, hashes_of, mixed_tree, raises, random_bytes, same_tree

FileType, Selector = pyarrow.fs.FileType, pyarrow.fs.FileSelector


def client(world):
    scheme, _, host = world.server.endpoint.partition("://")
    return pyarrow.fs.S3FileSystem(
        access_key=world.server.access_key,
        secret_key=world.server.secret_key,
        region="us-east-1",
        endpoint_override=host,
        scheme=scheme,
        allow_bucket_creation=True,
        allow_bucket_deletion=True,
        retry_strategy=pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=1),
        tls_ca_file_path=str(world.ca) if world.ca else None,
    )


@case
def everyday_work_is_done(world):
    files, body = client(world), random_bytes(81, 300_000)
    files.create_dir("pyarrow/dir")
    with files.open_output_stream("pyarrow/dir/a b+\u00e4", metadata={"Content-Type": "text/x-test"}) as stream:
        stream.write(body)
    equal(world.body_of("pyarrow", "dir/a b+\u00e4"), body)
    equal(world.s3.head_object(Bucket="pyarrow", Key="dir/a b+\u00e4")["ContentType"], "text/x-test")
    info = files.get_file_info("pyarrow/dir/a b+\u00e4")
    equal((info.type, info.size), (FileType.File, len(body)))
    with files.open_input_file("pyarrow/dir/a b+\u00e4") as file:
        equal(file.read_at(16, 65_530), body[65_530:65_546])
        file.seek(299_990)
        equal(file.read(100), body[-10:])
        file.seek(0)
        equal(file.read(), body)
    files.copy_file("pyarrow/dir/a b+\u00e4", "pyarrow/dir/copy")
    equal(world.body_of("pyarrow", "dir/copy"), body)
    files.move("pyarrow/dir/copy", "pyarrow/moved")
    found = sorted((info.path, info.type) for info in files.get_file_info(Selector("pyarrow", recursive=True)))
    names = [("pyarrow/dir", FileType.Directory), ("pyarrow/dir/a b+\u00e4", FileType.File)]
    equal(found, [*names, ("pyarrow/moved", FileType.File)])
    equal(files.get_file_info("pyarrow/absent").type, FileType.NotFound)
    raises(FileNotFoundError, "", files.open_input_file, "pyarrow/absent")
    files.delete_file("pyarrow/dir/a b+\u00e4")
    equal(files.get_file_info("pyarrow/dir/a b+\u00e4").type, FileType.NotFound)
    files.delete_dir("pyarrow")
    equal(files.get_file_info("pyarrow").type, FileType.NotFound)


@case
def large_stream_goes_in_parts(world):
    files, bucket, body = client(world), world.bucket("pyarrow-large"), random_bytes(82, 33 * MIB + 7)
    with files.open_output_stream(f"{bucket}/large") as stream:
        for start in range(0, len(body), 7_000_000):
            stream.write(body[start : start + 7_000_000])
    assert "-" in world.s3.head_object(Bucket=bucket, Key="large")["ETag"]
    equal(world.body_of(bucket, "large"), body)
    with files.open_input_stream(f"{bucket}/large") as stream:
        equal(stream.read(), body)
    with files.open_output_stream(f"{bucket}/empty"):
        pass
    equal(world.body_of(bucket, "empty"), b"")


@case
def dataset_of_parquet_files_is_written_and_queried(world):
    files, bucket = client(world), world.bucket("pyarrow-dataset")
    table = pyarrow.table({"id": range(200_000), "part": [index % 7 for index in range(200_000)]})
    partitioning = pyarrow.dataset.partitioning(pyarrow.schema([("part", pyarrow.int64())]), flavor="hive")
    told = {"format": "parquet", "filesystem": files, "partitioning": partitioning}
    pyarrow.dataset.write_dataset(table, f"{bucket}/table", **told)
    found = pyarrow.dataset.dataset(f"{bucket}/table", **told)
    equal(len(found.files), 7)
    rows = found.to_table(filter=pyarrow.dataset.field("part") == 3)
    equal(sorted(rows["id"].to_pylist()), [index for index in range(200_000) if index % 7 == 3])
    equal(pyarrow.parquet.read_table(f"{bucket}/table", filesystem=files).num_rows, 200_000)


@case
def tree_survives_copy_there_and_back(world):
    tree = mixed_tree(world.scratch / "pyarrow-tree", 200)
    back, bucket, wanted = world.scratch / "pyarrow-back", world.bucket("pyarrow-tree"), hashes_of(tree)
    local, files = pyarrow.fs.LocalFileSystem(), client(world)
    back.mkdir()
    pyarrow.fs.copy_files(str(tree), f"{bucket}/tree", source_filesystem=local, destination_filesystem=files)
    # It also makes objects for directories, which end in a slash.
    found = world.hashes_in(bucket, "tree/").items()
    same_tree({name: digest for name, digest in found if name and not name.endswith("/")}, wanted)
    pyarrow.fs.copy_files(f"{bucket}/tree", str(back), source_filesystem=files, destination_filesystem=local)
    same_tree(hashes_of(back), wanted)
    files.delete_dir_contents(f"{bucket}/tree")
    equal([key for key in world.keys_in(bucket) if key != "tree/"], [])
