// AWS SDK for JavaScript v3: upload, list, range, copy, multipart, conditional write, delete; path and host style.
import assert from 'node:assert/strict';
import dns from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';

import * as s3 from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { NodeHttpHandler } from '@smithy/node-http-handler';

import { MIB, accessKey, bytes, domain, endpoint, md5, refused, region, same, secretKey, step } from './world.mjs';

const settings = { region, credentials: { accessKeyId: accessKey, secretAccessKey: secretKey }, maxAttempts: 1 };
const client = new s3.S3Client({ ...settings, endpoint: endpoint.href, forcePathStyle: true });
const send = (command) => client.send(command);
const body = async (answer) => Buffer.from(await answer.Body.transformToByteArray());
const get = async (Bucket, Key, more = {}) => body(await send(new s3.GetObjectCommand({ Bucket, Key, ...more })));
const small = bytes(1, 300_000);
const large = bytes(2, 17 * MIB + 7);
const Bucket = 'aws-sdk-js';

await step('buckets', async () => {
  await send(new s3.CreateBucketCommand({ Bucket }));
  await refused('BucketAlreadyOwnedByYou', send(new s3.CreateBucketCommand({ Bucket })));
  const names = (await send(new s3.ListBucketsCommand({}))).Buckets.map((bucket) => bucket.Name);
  assert(names.includes(Bucket), names);
  await refused(404, send(new s3.HeadBucketCommand({ Bucket: 'aws-sdk-js-absent' })));
});

await step('upload and metadata', async () => {
  const said = { ContentType: 'text/x-test', CacheControl: 'max-age=5', Metadata: { colour: 'blue' } };
  const put = await send(new s3.PutObjectCommand({ Bucket, Key: 'dir/a b+\u00e4', Body: small, ...said }));
  assert.equal(put.ETag, `"${md5(small)}"`);
  const got = await send(new s3.GetObjectCommand({ Bucket, Key: 'dir/a b+\u00e4', ChecksumMode: 'ENABLED' }));
  same(await body(got), small);
  assert.deepEqual([got.ContentType, got.CacheControl, got.Metadata], Object.values(said));
  assert.equal(got.ChecksumCRC32, put.ChecksumCRC32);
  await send(new s3.PutObjectCommand({ Bucket, Key: 'empty', Body: '' }));
  same(await get(Bucket, 'empty'), Buffer.alloc(0));
  await refused('NoSuchKey', get(Bucket, 'absent'));
  await refused('NoSuchBucket', get('aws-sdk-js-absent', 'k'));
});

await step('upload of a stream, in signed or unsigned chunks', async () => {
  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']) {
    const chunks = [small.subarray(0, 100_000), small.subarray(100_000, 100_001), small.subarray(100_001)];
    const stream = { Body: Readable.from(chunks), ContentLength: small.length, ChecksumAlgorithm };
    await send(new s3.PutObjectCommand({ Bucket, Key: 'streamed', ...stream }));
    same(await get(Bucket, 'streamed', { ChecksumMode: 'ENABLED' }), small);
  }
  const wrong = { Bucket, Key: 'bad', Body: small, ChecksumCRC32: 'AAAAAA==' };
  await refused('BadDigest', send(new s3.PutObjectCommand(wrong)));
  await refused('NoSuchKey', get(Bucket, 'bad'));
});

await step('ranges', async () => {
  same(await get(Bucket, 'streamed', { Range: 'bytes=65530-65545' }), small.subarray(65_530, 65_546));
  same(await get(Bucket, 'streamed', { Range: 'bytes=-7' }), small.subarray(-7));
  same(await get(Bucket, 'streamed', { Range: 'bytes=299999-' }), small.subarray(-1));
  await refused('InvalidRange', get(Bucket, 'streamed', { Range: 'bytes=300000-' }));
});

await step('copy', async () => {
  const CopySource = `${Bucket}/${encodeURIComponent('dir/a b+\u00e4')}`;
  await send(new s3.CopyObjectCommand({ Bucket, Key: 'copy', CopySource }));
  const head = await send(new s3.HeadObjectCommand({ Bucket, Key: 'copy' }));
  assert.deepEqual([head.ContentType, head.Metadata], ['text/x-test', { colour: 'blue' }]);
  same(await get(Bucket, 'copy'), small);
  const conditional = { Bucket, Key: 'x', CopySource, CopySourceIfMatch: '"1"' };
  await refused('PreconditionFailed', send(new s3.CopyObjectCommand(conditional)));
  await refused('NoSuchKey', send(new s3.CopyObjectCommand({ Bucket, Key: 'x', CopySource: `${Bucket}/absent` })));
});

await step('multipart', async () => {
  const params = { Bucket, Key: 'large', Body: Readable.from([large]), ContentType: 'text/large' };
  const done = await new Upload({ client, params, partSize: 5 * MIB, queueSize: 3 }).done();
  assert.match(done.ETag, /-4"$/);
  same(await get(Bucket, 'large'), large);
  const { UploadId } = await send(new s3.CreateMultipartUploadCommand({ Bucket, Key: 'parts' }));
  const upload = { Bucket, Key: 'parts', UploadId };
  const first = await send(new s3.UploadPartCommand({ ...upload, PartNumber: 1, Body: large.subarray(0, 5 * MIB) }));
  const range = { CopySource: `${Bucket}/large`, CopySourceRange: `bytes=${5 * MIB}-${7 * MIB - 1}` };
  const second = await send(new s3.UploadPartCopyCommand({ ...upload, PartNumber: 2, ...range }));
  const listed = await send(new s3.ListPartsCommand(upload));
  assert.deepEqual(listed.Parts.map((part) => part.Size), [5 * MIB, 2 * MIB]);
  const Parts = [{ PartNumber: 1, ETag: first.ETag }, { PartNumber: 2, ETag: second.CopyPartResult.ETag }];
  await refused('InvalidPart', send(new s3.CompleteMultipartUploadCommand({
    ...upload, MultipartUpload: { Parts: [Parts[0], { PartNumber: 2, ETag: Parts[0].ETag }] },
  })));
  await send(new s3.CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
  same(await get(Bucket, 'parts'), large.subarray(0, 7 * MIB));
  const left = await send(new s3.CreateMultipartUploadCommand({ Bucket, Key: 'left' }));
  await send(new s3.AbortMultipartUploadCommand({ Bucket, Key: 'left', UploadId: left.UploadId }));
  assert.equal((await send(new s3.ListMultipartUploadsCommand({ Bucket }))).Uploads, undefined);
});

await step('conditional writes', async () => {
  const put = (Body, more) => send(new s3.PutObjectCommand({ Bucket, Key: 'conditional', Body, ...more }));
  const { ETag } = await put('one', { IfNoneMatch: '*' });
  await refused('PreconditionFailed', put('two', { IfNoneMatch: '*' }));
  same(await get(Bucket, 'conditional'), Buffer.from('one'));
  await put('three', { IfMatch: ETag });
  await refused('PreconditionFailed', put('four', { IfMatch: ETag }));
  same(await get(Bucket, 'conditional'), Buffer.from('three'));
  await refused(304, get(Bucket, 'conditional', { IfNoneMatch: `"${md5('three')}"` }));
});

await step('presigned links', async () => {
  const put = await getSignedUrl(client, new s3.PutObjectCommand({ Bucket, Key: 'linked' }), { expiresIn: 60 });
  assert.equal((await fetch(put, { method: 'PUT', body: 'by link' })).status, 200);
  const link = await getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key: 'linked' }), { expiresIn: 60 });
  assert.equal(await (await fetch(link)).text(), 'by link');
  assert.equal((await fetch(link.replace('linked', 'large'))).status, 403);
});

await step('listing and deleting', async () => {
  const keys = [];
  for (let index = 0; index < 25; index += 1) keys.push(`list/${index % 3}/${index}`);
  for (const Key of keys) await send(new s3.PutObjectCommand({ Bucket, Key, Body: Key }));
  const found = [];
  const pages = s3.paginateListObjectsV2({ client, pageSize: 4 }, { Bucket, Prefix: 'list/' });
  for await (const page of pages) found.push(...page.Contents.map((entry) => entry.Key));
  assert.deepEqual(found, keys.sort());
  const page = await send(new s3.ListObjectsV2Command({ Bucket, Prefix: 'list/', Delimiter: '/' }));
  assert.deepEqual(page.CommonPrefixes.map((entry) => entry.Prefix), ['list/0/', 'list/1/', 'list/2/']);
  await send(new s3.DeleteObjectCommand({ Bucket, Key: 'linked' }));
  await refused('NoSuchKey', get(Bucket, 'linked'));
  await refused('BucketNotEmpty', send(new s3.DeleteBucketCommand({ Bucket })));
  const all = (await send(new s3.ListObjectsV2Command({ Bucket }))).Contents.map(({ Key }) => ({ Key }));
  const deleted = await send(new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects: all } }));
  assert.equal(deleted.Deleted.length, all.length);
  await send(new s3.DeleteBucketCommand({ Bucket }));
  await refused('NoSuchBucket', send(new s3.ListObjectsV2Command({ Bucket })));
});

await step('virtual-host style', async () => {
  // Every name below the domain is this machine; no resolver knows that.
  const asked = new Set();
  const lookup = (host, options, done) => {
    asked.add(host);
    dns.lookup(host.endsWith(domain) ? '127.0.0.1' : host, options, done);
  };
  const requestHandler = new NodeHttpHandler({
    httpAgent: new http.Agent({ lookup }), httpsAgent: new https.Agent({ lookup }),
  });
  const url = `${endpoint.protocol}//${domain}:${endpoint.port}`;
  const virtual = new s3.S3Client({ ...settings, endpoint: url, requestHandler });
  const name = 'aws-sdk-js-virtual';
  await virtual.send(new s3.CreateBucketCommand({ Bucket: name }));
  await virtual.send(new s3.PutObjectCommand({ Bucket: name, Key: 'dir/a b', Body: small }));
  same(await body(await virtual.send(new s3.GetObjectCommand({ Bucket: name, Key: 'dir/a b' }))), small);
  const listed = await virtual.send(new s3.ListObjectsV2Command({ Bucket: name, Prefix: 'dir/' }));
  assert.deepEqual(listed.Contents.map((entry) => entry.Key), ['dir/a b']);
  assert.deepEqual([...asked], [`${name}.${domain}`]);
  same(await get(name, 'dir/a b'), small);
});
