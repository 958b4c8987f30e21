// What both scripts share: the server they are told about, steps that say their name, bodies that repeat.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';

export const MIB = 1 << 20;
export const endpoint = new URL(process.env.STAVE_ENDPOINT);
export const accessKey = process.env.STAVE_ACCESS_KEY;
export const secretKey = process.env.STAVE_SECRET_KEY;
export const region = 'us-east-1';
// Buckets are also names below it.
export const domain = process.env.STAVE_DOMAIN;

// The same bytes for the same seed, and no two blocks alike.
export function bytes(seed, length) {
  const key = crypto.createHash('sha256').update(`${seed}`).digest();
  return crypto.createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

export const md5 = (body) => crypto.createHash('md5').update(body).digest('hex');

// Bodies are compared by hash: what differs would fill the screen.
export function same(found, wanted) {
  const describe = (body) => `${body.length} bytes, md5 ${md5(body)}`;
  assert.equal(describe(found), describe(wanted));
}

export async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return typeof chunks[0] === 'object' && !Buffer.isBuffer(chunks[0]) ? chunks : Buffer.concat(chunks);
}

export async function step(name, work) {
  const began = performance.now();
  try {
    await work();
  } catch (error) {
    console.error(`step ${name} failed`);
    throw error;
  }
  console.log(`${name}: ok, ${Math.round(performance.now() - began)} ms`);
}

// Waits for a refusal with that code (or name, or status) and returns it.
export async function refused(code, promise) {
  try {
    await promise;
  } catch (error) {
    const said = [error.code, error.name, error.$metadata?.httpStatusCode];
    assert(said.includes(code), `${code} was wanted: ${said} ${error.stack}`);
    return error;
  }
  assert.fail(`${code} was wanted, and it went well`);
}
