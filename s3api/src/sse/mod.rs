//! Server-side encryption: which key an object is under, and its bytes on their way in and out.
//!
//! ```text
//! write: headers, else the bucket's default --> Seal { note, cipher }
//!            body --> SealedBody --> store         note --> attributes of the object
//! read:  note of the object, key of the client's --> Seal --> packages of the range --> opened
//! ```
//! - E1: the bytes of an object that is to be encrypted reach the store encrypted only.
//! - E2: a client's own key is never kept: of it the note has the MD5, and the object's key sealed
//!   under it.
//! - E3: what the note says is bound to bucket, key and context: a row that is put elsewhere does
//!   not open.
//! - E4: an entity tag is the MD5 of the body where the store's own key is used (SSE-S3), as on
//!   AWS; under other keys it tells nothing of the body.
//! - E5: a client's key comes over TLS, or from the machine itself.

pub mod annotation;
pub mod body;
pub mod headers;
pub mod keys;
mod note;

use crate::auth::Authorized;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::text;
use crate::notes;
use crate::response::text_value;
use body::SealedBody;
use engine::object::{
    Body, BucketName, ByteStream, ObjectAttributes, ObjectKey, ObjectReader, PartPlace, Rng,
    StoreError,
};
use headers::{BUCKET_KEY, CONTEXT, CUSTOMER, CustomerKey, ENCRYPTION, KEY_ID, KmsWish, Wish};
use http::{HeaderMap, HeaderValue};
use keys::KeyStore;
pub use note::Kind;
use note::Note;
use sealing::package::{PLAIN_LEN, sealed_end, sealed_len, sealed_start};
use sealing::{ObjectCipher, Place, SealError, Secret};
use std::ops::Range;
use std::sync::Arc;

/// What encryption needs of the server.
pub struct Encryption {
    /// Where keys are sealed; `None` where none is configured.
    pub keys: Option<Arc<dyn KeyStore>>,
    /// Draws keys and nonces.
    pub rng: Arc<dyn Rng>,
    /// Whether what nobody said anything of is encrypted under the store's key.
    pub is_automatic: bool,
    /// Whether clients' keys may come over networks in the clear (E5).
    pub allows_plain_keys: bool,
}

impl Encryption {
    /// The key store.
    ///
    /// # Errors
    /// `NotImplemented` where none is configured, as MinIO has it.
    pub fn keys(&self) -> S3Result<&dyn KeyStore> {
        self.keys.as_deref().ok_or_else(|| {
            let message = "Server side encryption specified but KMS is not configured.";
            S3Error::new(&codes::NOT_IMPLEMENTED, message)
        })
    }
}

/// What is kept of an object's encryption, read and written again; `None` for what is no such note.
pub fn rewritten(note: &str) -> Option<String> {
    Note::parse(note).ok().map(|note| note.to_text())
}

/// How one object is sealed.
#[derive(Clone, Debug)]
pub struct Seal {
    note: Note,
    cipher: ObjectCipher,
}

/// What an object's key is for (E3).
fn binding(bucket: &BucketName, key: &ObjectKey, context: Option<&str>) -> Vec<u8> {
    [
        b"stave object 1\0".as_slice(),
        bucket.as_str().as_bytes(),
        b"\0",
        &(key.as_str().len() as u64).to_be_bytes(),
        key.as_str().as_bytes(),
        context.unwrap_or("").as_bytes(),
    ]
    .concat()
}

/// The seal of an object that the request makes; `None` where it is not to be encrypted.
///
/// # Errors
/// Whatever is wrong with what the request asks for; `AccessDenied` where the bucket refuses it.
pub async fn of_new(authorized: &Authorized) -> S3Result<Option<Seal>> {
    let headers = &authorized.head().headers;
    let default = authorized.settings().encryption.as_ref();
    let wish = match (headers::wish(headers)?, default) {
        (Wish::None, Some(default)) => default.wish(),
        (Wish::None, None) if authorized.encryption().is_automatic => Wish::S3,
        (Wish::Kms(wish), Some(default)) if wish.key_id.is_none() => {
            Wish::Kms(KmsWish { key_id: default.key_id.clone(), ..wish })
        }
        (Wish::Customer(_), Some(default)) if default.blocks_customer_keys => {
            let message = "Access Denied: the bucket blocks SSE-C.";
            return Err(S3Error::new(&codes::ACCESS_DENIED, message));
        }
        (wish, _) => wish,
    };
    let (bucket, key) = (authorized.bucket(), authorized.key());
    match wish {
        Wish::None => Ok(None),
        Wish::Customer(customer) => {
            check_way(authorized)?;
            seal_for_customer(authorized, &bucket, &key, customer).map(Some)
        }
        Wish::S3 => {
            let name = authorized.encryption().keys()?.default_key().to_owned();
            let note = Note { key_name: name, ..Note::new(Kind::S3) };
            seal_by_store(authorized, &bucket, &key, note).await.map(Some)
        }
        Wish::Kms(KmsWish { is_dsse, key_id, context, bucket_key }) => {
            let default =
                || authorized.encryption().keys().map(|keys| keys.default_key().to_owned());
            let key_id = key_id.map_or_else(default, Ok)?;
            let name =
                headers::key_name(&key_id).ok_or_else(|| S3Error::from(&codes::KMS_NOT_FOUND))?;
            let kind = if is_dsse { Kind::Dsse } else { Kind::Kms };
            let (key_name, bucket_key) = (name.to_owned(), bucket_key == Some(true));
            let note = Note { key_name, key_id, context, bucket_key, ..Note::new(kind) };
            seal_by_store(authorized, &bucket, &key, note).await.map(Some)
        }
    }
}

fn new_secret(authorized: &Authorized) -> Secret {
    Secret::random(|buffer| authorized.encryption().rng.fill(buffer))
}

async fn seal_by_store(
    authorized: &Authorized,
    bucket: &BucketName,
    key: &ObjectKey,
    note: Note,
) -> S3Result<Seal> {
    let (secret, keys) = (new_secret(authorized), authorized.encryption().keys()?);
    let binding = binding(bucket, key, note.context.as_deref());
    let sealed = keys.seal(&note.key_name, &secret, &binding).await?;
    Ok(Seal { note: Note { sealed, ..note }, cipher: ObjectCipher::new(&secret) })
}

fn seal_for_customer(
    authorized: &Authorized,
    bucket: &BucketName,
    key: &ObjectKey,
    customer: CustomerKey,
) -> S3Result<Seal> {
    let mut salt = [0; sealing::seal::SALT_LEN];
    authorized.encryption().rng.fill(&mut salt);
    let secret = new_secret(authorized);
    let sealed = sealing::seal::seal(&customer.key, &secret, &binding(bucket, key, None), salt);
    let sealed = sealed.map_err(broken)?;
    let note = Note { sealed, customer_md5: customer.md5, ..Note::new(Kind::Customer) };
    Ok(Seal { note, cipher: ObjectCipher::new(&secret) })
}

fn broken(error: SealError) -> S3Error {
    tracing::error!(%error, "an object's key cannot be sealed");
    (&codes::INTERNAL_ERROR).into()
}

/// E5
fn check_way(authorized: &Authorized) -> S3Result<()> {
    if authorized.head().is_secure
        || authorized.is_local()
        || authorized.encryption().allows_plain_keys
    {
        return Ok(());
    }
    Err(S3Error::new(
        &codes::INVALID_REQUEST,
        "Requests specifying Server Side Encryption with Customer provided keys must be made over \
         a secure connection.",
    ))
}

/// Which headers a request has the client's key in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// Those of a read.
    Read,
    /// Those of a part: the key is that of the upload.
    Part,
    /// Those of the source of a copy.
    CopySource,
    /// Those of an append: the key is that of the object.
    Append,
}

/// The part that a whole object is sealed as: an append makes it that.
pub const WHOLE: u16 = 1;

/// How a stored object is told and opened.
///
/// # Errors
/// `InvalidRequest` for a client's key that is missing or not wanted, `AccessDenied` for another
/// one than the object's; what the key store fails with.
pub async fn of_stored(
    authorized: &Authorized,
    (bucket, key): (&BucketName, &ObjectKey),
    attributes: &ObjectAttributes,
    bearer: Bearer,
) -> S3Result<Option<Seal>> {
    let Some(note) = check_key(authorized, attributes, bearer)? else {
        return Ok(None);
    };
    let binding = binding(bucket, key, note.context.as_deref());
    let secret = match note.kind {
        Kind::Customer => {
            let customer = headers::customer_key(&authorized.head().headers, prefix(bearer))?;
            let customer = customer.ok_or_else(|| without_key(bearer))?;
            let opened = sealing::seal::open(&customer.key, &note.sealed, &binding);
            opened.map_err(|error| {
                tracing::error!(%error, "the key of an object does not open under its client's");
                S3Error::from(&codes::ACCESS_DENIED)
            })?
        }
        Kind::S3 | Kind::Kms | Kind::Dsse => {
            let keys = authorized.encryption().keys()?;
            keys.open(&note.key_name, &note.sealed, &binding).await?
        }
    };
    Ok(Some(Seal { note, cipher: ObjectCipher::new(&secret) }))
}

fn prefix(bearer: Bearer) -> &'static str {
    if bearer == Bearer::CopySource { headers::SOURCE_CUSTOMER } else { CUSTOMER }
}

fn without_key(bearer: Bearer) -> S3Error {
    let message = match bearer {
        Bearer::Read | Bearer::CopySource | Bearer::Append => {
            "The object was stored using a form of Server Side Encryption. The correct parameters \
             must be provided to retrieve the object."
        }
        Bearer::Part => {
            "The multipart upload initiate requested encryption. Subsequent part requests must \
             include the appropriate encryption parameters."
        }
    };
    S3Error::new(&codes::INVALID_REQUEST, message)
}

/// Holds the client's key of a request against the object: it comes where one is wanted, is the
/// right one, and comes nowhere else. Returns what the object's note says.
fn check_key(
    authorized: &Authorized,
    attributes: &ObjectAttributes,
    bearer: Bearer,
) -> S3Result<Option<Note>> {
    let request = &authorized.head().headers;
    if bearer == Bearer::Read && text(request, ENCRYPTION)?.is_some() {
        let message = "x-amz-server-side-encryption header is not supported for this operation.";
        let error = S3Error::new(&codes::INVALID_ARGUMENT, message);
        return Err(error.with("ArgumentName", ENCRYPTION));
    }
    let customer = headers::customer_key(request, prefix(bearer))?;
    if customer.is_some() {
        check_way(authorized)?;
    }
    let note = attributes.note(notes::ENCRYPTION).map(Note::parse).transpose()?;
    let wanted = note.as_ref().filter(|note| note.kind == Kind::Customer);
    match (customer, wanted) {
        (None, None) => {}
        (None, Some(_)) => return Err(without_key(bearer)),
        (Some(_), None) => {
            let message = "The encryption parameters are not applicable to this object.";
            return Err(S3Error::new(&codes::INVALID_REQUEST, message));
        }
        (Some(customer), Some(note)) if customer.md5 == note.customer_md5 => {}
        (Some(_), Some(_)) if bearer == Bearer::Part => {
            let message = "The provided encryption parameters did not match the ones used \
                           originally.";
            return Err(S3Error::new(&codes::INVALID_REQUEST, message));
        }
        (Some(_), Some(_)) => return Err((&codes::ACCESS_DENIED).into()),
    }
    Ok(note)
}

/// Holds the client's key of a request about an object's metadata against the object.
///
/// # Errors
/// As [`of_stored`], but for the key store.
pub fn check_read(authorized: &Authorized, attributes: &ObjectAttributes) -> S3Result<()> {
    check_key(authorized, attributes, Bearer::Read).map(|_| ())
}

/// Refuses to encrypt what is appended otherwise than the object.
///
/// # Errors
/// `InvalidRequest`.
pub fn check_same(request: &HeaderMap, attributes: &ObjectAttributes) -> S3Result<()> {
    let mut stored = HeaderMap::new();
    describe_stored(attributes, &mut stored);
    for name in [ENCRYPTION, KEY_ID] {
        let asked = text(request, name)?;
        if asked.is_some() && asked != text(&stored, name)? {
            let message = "What is appended is encrypted as the object is.";
            return Err(S3Error::new(&codes::INVALID_REQUEST, message));
        }
    }
    Ok(())
}

/// Tells how a stored object is encrypted.
pub fn describe_stored(attributes: &ObjectAttributes, answer: &mut HeaderMap) {
    // A note that cannot be read is an error where the object is opened.
    if let Some(Ok(note)) = attributes.note(notes::ENCRYPTION).map(Note::parse) {
        describe(&note, answer);
    }
}

fn describe(note: &Note, answer: &mut HeaderMap) {
    let mut add = |name: &'static str, value: &str| {
        answer.insert(name, text_value(value));
    };
    match note.kind {
        Kind::Customer => {
            add("x-amz-server-side-encryption-customer-algorithm", "AES256");
            add("x-amz-server-side-encryption-customer-key-md5", &note.customer_md5);
        }
        Kind::S3 => add(ENCRYPTION, "AES256"),
        Kind::Kms | Kind::Dsse => {
            add(ENCRYPTION, if note.kind == Kind::Kms { "aws:kms" } else { "aws:kms:dsse" });
            add(KEY_ID, &note.key_id);
            if note.bucket_key {
                answer.insert(BUCKET_KEY, HeaderValue::from_static("true"));
            }
        }
    }
}

impl Seal {
    /// Notes it with the object.
    pub fn note_in(&self, attributes: &mut ObjectAttributes) {
        attributes.set_note(notes::ENCRYPTION, Some(self.text()));
    }

    /// The note that is kept of it.
    pub fn text(&self) -> String {
        self.note.to_text()
    }

    /// Tells in the answer to a read how what is read is encrypted.
    pub fn describe_to_readers(&self, answer: &mut HeaderMap) {
        describe(&self.note, answer);
    }

    /// Tells in the answer to a write how the object is encrypted.
    pub fn describe(&self, answer: &mut HeaderMap) {
        describe(&self.note, answer);
        if let Some(context) = &self.note.context {
            answer.insert(CONTEXT, text_value(context));
        }
    }

    /// A body that reaches the store sealed (E1): of part `part`, [`WHOLE`] for a whole object.
    fn seal_body(&self, body: Body, part: u16, rng: &dyn Rng) -> Body {
        let mut prefix = [0; 8];
        rng.fill(&mut prefix);
        let hides_tag = self.note.kind != Kind::S3;
        let cipher = hides_tag.then(|| self.cipher.clone());
        Box::new(SealedBody::new(body, self.cipher.sealer(part, prefix), cipher))
    }
}

/// A body as it is to reach the store, sealed where there is a seal, and its length there, where
/// one is announced.
pub fn wrap(
    seal: Option<&Seal>,
    authorized: &Authorized,
    body: Body,
    (part, len): (u16, Option<u64>),
) -> (Body, Option<u64>) {
    match seal {
        None => (body, len),
        Some(seal) => {
            let body = seal.seal_body(body, part, &*authorized.encryption().rng);
            (body, len.map(sealed_len))
        }
    }
}

/// The bytes of `range` of what clients see of an object, opened where there is a seal.
///
/// # Errors
/// What looking for its parts fails with.
pub async fn read(
    reader: Box<dyn ObjectReader>,
    seal: Option<&Seal>,
    range: Range<u64>,
) -> S3Result<ByteStream> {
    let Some(seal) = seal else {
        return Ok(reader.read(range));
    };
    if range.is_empty() {
        return Ok(Box::pin(futures_util::stream::empty()));
    }
    let first = place(&*reader, range.start).await?;
    let last = place(&*reader, range.end - 1).await?;
    let start = range.start - first.start;
    let stored_start = first.stored_start + sealed_start(start);
    let stored_end = last.stored_start + sealed_end(range.end - last.start, last.len);
    let skip = start % PLAIN_LEN;
    let wanted = skip..skip + (range.end - range.start);
    let opener = seal.cipher.opener(Place::at(first.part, start), wanted);
    Ok(body::opened(reader.read(stored_start..stored_end), opener))
}

/// Where the bytes around a position are.
struct PlainPlace {
    part: u16,
    len: u64,
    start: u64,
    stored_start: u64,
}

async fn place(reader: &dyn ObjectReader, position: u64) -> Result<PlainPlace, StoreError> {
    let info = reader.info();
    if info.part_count == 0 {
        return Ok(PlainPlace { part: WHOLE, len: info.size, start: 0, stored_start: 0 });
    }
    let found = reader.part_at(position).await?;
    let Some(PartPlace { info, start, stored_start }) = found else {
        return Err(StoreError::Corrupt("an object in parts lacks one".to_owned()));
    };
    Ok(PlainPlace { part: info.number, len: info.size, start, stored_start })
}
