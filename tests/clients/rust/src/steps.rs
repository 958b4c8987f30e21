//! What the SDK does to the server, step by step. Each step stands on the bucket that the first
//! makes and the last removes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, Delete,
    ObjectIdentifier,
};

use crate::{bytes, refused, same};

const BUCKET: &str = "aws-sdk-rust";
const MIB: usize = 1 << 20;
const ODD_KEY: &str = "dir/a b+\u{e4}";
/// The same, as the header of a copy wants it.
const ODD_SOURCE: &str = "aws-sdk-rust/dir/a%20b%2B%C3%A4";

fn small() -> Vec<u8> {
    bytes(1, 300_000)
}

fn large() -> Vec<u8> {
    bytes(2, 11 * MIB + 7)
}

async fn put(client: &Client, key: &str, body: Vec<u8>) -> Result<String> {
    let put = client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(body));
    put.send().await?.e_tag.context("no ETag")
}

async fn get(client: &Client, key: &str) -> Result<Vec<u8>> {
    let answer = client.get_object().bucket(BUCKET).key(key).send().await?;
    Ok(answer.body.collect().await?.to_vec())
}

pub async fn buckets(client: &Client) -> Result<()> {
    client.create_bucket().bucket(BUCKET).send().await?;
    refused("BucketAlreadyOwnedByYou", client.create_bucket().bucket(BUCKET).send().await)?;
    let listed = client.list_buckets().send().await?;
    ensure!(listed.buckets().iter().any(|bucket| bucket.name() == Some(BUCKET)));
    refused("404", client.head_bucket().bucket("aws-sdk-rust-absent").send().await)
}

pub async fn uploads(client: &Client) -> Result<()> {
    let said = client.put_object().content_type("text/x-test").metadata("colour", "blue");
    let body = ByteStream::from(small());
    let etag = said.bucket(BUCKET).key(ODD_KEY).body(body).send().await?.e_tag;
    let head = client.head_object().bucket(BUCKET).key(ODD_KEY).send().await?;
    ensure!(head.content_type() == Some("text/x-test"), "{head:?}");
    ensure!(head.metadata().and_then(|all| all.get("colour")).is_some_and(|value| value == "blue"));
    ensure!(head.content_length() == Some(300_000) && head.e_tag == etag, "{head:?}");
    same(&get(client, ODD_KEY).await?, &small())?;
    put(client, "empty", Vec::new()).await?;
    same(&get(client, "empty").await?, b"")?;
    refused("NoSuchKey", client.get_object().bucket(BUCKET).key("absent").send().await)?;
    let elsewhere = client.get_object().bucket("aws-sdk-rust-absent").key("k");
    refused("NoSuchBucket", elsewhere.send().await)
}

pub async fn checksums(client: &Client) -> Result<()> {
    use ChecksumAlgorithm::{Crc32, Crc32C, Crc64Nvme, Sha1, Sha256};
    for algorithm in [Crc32, Crc32C, Crc64Nvme, Sha1, Sha256] {
        let put = client.put_object().bucket(BUCKET).key("summed").checksum_algorithm(algorithm);
        put.body(ByteStream::from(small())).send().await?;
        let get = client.get_object().bucket(BUCKET).key("summed");
        let answer = get.checksum_mode(ChecksumMode::Enabled).send().await?;
        // The SDK verifies what it was told while it reads.
        same(&answer.body.collect().await?.to_vec(), &small())?;
    }
    let put = client.put_object().bucket(BUCKET).key("bad").checksum_crc32("AAAAAA==");
    refused("BadDigest", put.body(ByteStream::from(small())).send().await)?;
    refused("NoSuchKey", client.get_object().bucket(BUCKET).key("bad").send().await)
}

pub async fn ranges(client: &Client) -> Result<()> {
    let spans = [
        ("bytes=65530-65545", 65_530..65_546),
        ("bytes=-7", 299_993..300_000),
        ("bytes=299999-", 299_999..300_000),
    ];
    for (text, span) in spans {
        let answer = client.get_object().bucket(BUCKET).key(ODD_KEY).range(text).send().await?;
        same(&answer.body.collect().await?.to_vec(), &small()[span])?;
    }
    let beyond = client.get_object().bucket(BUCKET).key(ODD_KEY).range("bytes=300000-");
    refused("InvalidRange", beyond.send().await)
}

pub async fn copies(client: &Client) -> Result<()> {
    let copy = |key: &str| client.copy_object().bucket(BUCKET).key(key).copy_source(ODD_SOURCE);
    copy("copy").send().await?;
    same(&get(client, "copy").await?, &small())?;
    let head = client.head_object().bucket(BUCKET).key("copy").send().await?;
    ensure!(head.content_type() == Some("text/x-test"), "{head:?}");
    refused("PreconditionFailed", copy("x").copy_source_if_match("\"1\"").send().await)?;
    let absent = copy("x").copy_source("aws-sdk-rust/absent");
    refused("NoSuchKey", absent.send().await)
}

async fn begin(client: &Client, key: &str) -> Result<String> {
    let create = client.create_multipart_upload().bucket(BUCKET).key(key);
    create.send().await?.upload_id.context("no upload id")
}

fn part(number: i32, etag: Option<&str>) -> CompletedPart {
    CompletedPart::builder().part_number(number).set_e_tag(etag.map(str::to_owned)).build()
}

fn completed(parts: &[CompletedPart]) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build()
}

pub async fn parts(client: &Client) -> Result<()> {
    let (body, id) = (large(), begin(client, "large").await?);
    let mut parts = Vec::new();
    for (number, chunk) in (1..).zip(body.chunks(5 * MIB)) {
        let upload = client.upload_part().bucket(BUCKET).key("large").upload_id(&id);
        let chunk = ByteStream::from(chunk.to_vec());
        let sent = upload.part_number(number).body(chunk).send().await?;
        // A part's checksum travels along, else the server cannot know the whole's.
        let crc = sent.checksum_crc32.clone();
        parts.push(
            CompletedPart::builder()
                .set_checksum_crc32(crc)
                .part_number(number)
                .set_e_tag(sent.e_tag)
                .build(),
        );
    }
    let complete = || client.complete_multipart_upload().bucket(BUCKET).key("large").upload_id(&id);
    let wrong = [part(1, Some("\"00000000000000000000000000000000\""))];
    refused("InvalidPart", complete().multipart_upload(completed(&wrong)).send().await)?;
    let done = complete().multipart_upload(completed(&parts)).send().await?;
    ensure!(done.e_tag().is_some_and(|etag| etag.ends_with("-3\"")), "{done:?}");
    same(&get(client, "large").await?, &body)
}

pub async fn parts_of_copies(client: &Client) -> Result<()> {
    let id = begin(client, "joined").await?;
    let mut parts = Vec::new();
    for (number, range) in [(1, "bytes=3-5242890"), (2, "bytes=7-9")] {
        let copy = client.upload_part_copy().bucket(BUCKET).key("joined").upload_id(&id);
        let source = copy.copy_source("aws-sdk-rust/large").copy_source_range(range);
        let copied = source.part_number(number).send().await?;
        parts.push(part(number, copied.copy_part_result().and_then(|result| result.e_tag())));
    }
    let listed = client.list_parts().bucket(BUCKET).key("joined").upload_id(&id).send().await?;
    let sizes: Vec<_> = listed.parts().iter().filter_map(|part| part.size()).collect();
    ensure!(sizes == [5_242_888, 3], "{listed:?}");
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("joined").upload_id(&id);
    complete.multipart_upload(completed(&parts)).send().await?;
    let body = large();
    same(&get(client, "joined").await?, &[&body[3..5_242_891], &body[7..10]].concat())?;
    let left = begin(client, "left").await?;
    client.abort_multipart_upload().bucket(BUCKET).key("left").upload_id(left).send().await?;
    let uploads = client.list_multipart_uploads().bucket(BUCKET).send().await?;
    ensure!(uploads.uploads().is_empty(), "{uploads:?}");
    Ok(())
}

pub async fn conditions(client: &Client) -> Result<()> {
    let put = |body: &'static [u8]| {
        client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(body))
    };
    let first = put(b"one").if_none_match("*").send().await?.e_tag.context("no ETag")?;
    refused("PreconditionFailed", put(b"two").if_none_match("*").send().await)?;
    same(&get(client, "k").await?, b"one")?;
    put(b"three").if_match(&first).send().await?;
    refused("PreconditionFailed", put(b"four").if_match(&first).send().await)?;
    same(&get(client, "k").await?, b"three")?;
    let head = client.head_object().bucket(BUCKET).key("k").send().await?;
    let unchanged = client.get_object().bucket(BUCKET).key("k").set_if_none_match(head.e_tag);
    refused("304", unchanged.send().await)
}

/// The SDK only makes the link; whether links work is for clients that can follow one.
pub async fn links(client: &Client) -> Result<()> {
    let minute = PresigningConfig::expires_in(Duration::from_secs(60))?;
    let link = client.get_object().bucket(BUCKET).key("k").presigned(minute).await?;
    ensure!(link.uri().contains("X-Amz-Signature="), "{link:?}");
    Ok(())
}

pub async fn listing_and_deleting(client: &Client) -> Result<()> {
    let mut keys: Vec<String> =
        (0..25).map(|index| format!("list/{}/{index} <&>", index % 3)).collect();
    for key in &keys {
        put(client, key, key.clone().into_bytes()).await?;
    }
    keys.sort();
    let list = client.list_objects_v2().bucket(BUCKET).prefix("list/").max_keys(4);
    let mut pages = list.into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        found.extend(page?.contents().iter().filter_map(|object| object.key.clone()));
    }
    ensure!(found == keys, "{found:?}");
    let page =
        client.list_objects_v2().bucket(BUCKET).prefix("list/").delimiter("/").send().await?;
    let prefixes: Vec<_> = page.common_prefixes().iter().filter_map(|one| one.prefix()).collect();
    ensure!(prefixes == ["list/0/", "list/1/", "list/2/"], "{prefixes:?}");
    client.delete_object().bucket(BUCKET).key("k").send().await?;
    refused("NoSuchKey", client.get_object().bucket(BUCKET).key("k").send().await)?;
    refused("BucketNotEmpty", client.delete_bucket().bucket(BUCKET).send().await)?;
    let all = client.list_objects_v2().bucket(BUCKET).send().await?;
    let names = all.contents().iter().filter_map(|object| object.key.clone());
    let objects = names.map(|key| ObjectIdentifier::builder().key(key).build());
    let delete = Delete::builder().set_objects(Some(objects.collect::<Result<_, _>>()?)).build()?;
    let deleted = client.delete_objects().bucket(BUCKET).delete(delete).send().await?;
    ensure!(deleted.deleted().len() == all.contents().len() && deleted.errors().is_empty());
    client.delete_bucket().bucket(BUCKET).send().await?;
    refused("NoSuchBucket", client.list_objects_v2().bucket(BUCKET).send().await)
}
