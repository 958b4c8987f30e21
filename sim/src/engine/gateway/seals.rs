//! Encryption, as clients ask for it: under the store's own key, a named one, or one of theirs.
//!
//! Which of them an object is under follows from its key, so that whoever reads it knows what to
//! bring, whoever wrote it. Under a named key or a client's an entity tag tells nothing of the
//! body: it is learnt from answers, and where those were lost, by the bytes that are read under it.
//!
//! - G3: what is under a client's key is read with that key, and with no other one or none.

use super::door::lost;
use super::wire::{Outgoing, header};
use super::{Gateway, keys, versions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::object::{Address, BucketName, ETag, ObjectKey, StoreError, UploadId};
use http::{HeaderMap, Method};
use md5::Md5;
use sha2::{Digest, Sha256};

/// The key that the store's own keys are under.
pub(super) const ROOT_KEY: &str = "simulator:c2ltdWxhdG9yLXNpbXVsYXRvci1zaW11bGF0b3ItMTI=";

/// One of so many reads under a client's key tries what must not open first.
const TRIED_EACH: u64 = 8;

/// What an object is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing.
    Plain,
    /// The store's key (SSE-S3).
    Store,
    /// A named key (SSE-KMS).
    Named(&'static str),
    /// The client's (SSE-C).
    Customer,
}

impl Way {
    /// That of a key.
    fn of(key: &ObjectKey) -> Self {
        let sum: u64 = key.as_str().bytes().map(u64::from).sum();
        match sum % 5 {
            0 => Self::Plain,
            1 => Self::Store,
            2 => Self::Named(keys::NAMES[(sum / 5) as usize % keys::NAMES.len()]),
            _ => Self::Customer,
        }
    }

    /// Whether entity tags tell nothing of bodies.
    pub(super) fn hides_tags(self) -> bool {
        matches!(self, Self::Named(_) | Self::Customer)
    }
}

/// What a client brings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Brings {
    TheKey,
    AnotherKey,
    Nothing,
}

/// The key of a client's that objects of a key are under, or another one.
fn customer_key(key: &ObjectKey, brings: Brings) -> [u8; 32] {
    let is_right = brings == Brings::TheKey;
    Sha256::digest(format!("{} {is_right}", key.as_str())).into()
}

fn with_customer_key<'a>(request: Outgoing<'a>, key: &ObjectKey, brings: Brings) -> Outgoing<'a> {
    let secret = customer_key(key, brings);
    let digest = STANDARD.encode(Md5::digest(secret));
    request
        .header("x-amz-server-side-encryption-customer-algorithm", "AES256")
        .header("x-amz-server-side-encryption-customer-key", &STANDARD.encode(secret))
        .header("x-amz-server-side-encryption-customer-key-md5", &digest)
}

/// A request for what there is.
pub(super) fn opened<'a>(request: Outgoing<'a>, way: Way, key: &ObjectKey) -> Outgoing<'a> {
    match way {
        Way::Customer => with_customer_key(request, key, Brings::TheKey),
        Way::Plain | Way::Store | Way::Named(_) => request,
    }
}

impl Gateway {
    /// What objects of a key are under.
    pub(super) fn way(&self, key: &ObjectKey) -> Way {
        if self.is_sealed { Way::of(key) } else { Way::Plain }
    }

    /// What is surely known of the default encryption of a bucket, for a key that says nothing.
    pub(super) fn default_for(&self, bucket: &BucketName, key: &ObjectKey) -> Option<u64> {
        self.tags.default_of(bucket).filter(|_| self.is_sealed && self.way(key) == Way::Plain)
    }

    /// A request that makes an object.
    pub(super) async fn sealed<'a>(
        &self,
        request: Outgoing<'a>,
        key: &ObjectKey,
    ) -> Result<Outgoing<'a>, StoreError> {
        const ENCRYPTION: &str = "x-amz-server-side-encryption";
        Ok(match self.way(key) {
            Way::Plain => request,
            Way::Store => request.header(ENCRYPTION, "AES256"),
            Way::Named(name) => {
                self.provide(name).await?;
                request
                    .header(ENCRYPTION, "aws:kms")
                    .header("x-amz-server-side-encryption-aws-kms-key-id", name)
            }
            Way::Customer => with_customer_key(request, key, Brings::TheKey),
        })
    }

    /// A body is on its way that nobody may find on a disk, nor the key that it is under.
    pub(super) fn hide(&self, key: &ObjectKey, bytes: &[u8]) {
        match self.way(key) {
            Way::Plain => {}
            Way::Store | Way::Named(_) => self.tags.hide(bytes),
            Way::Customer => {
                self.tags.hide(bytes);
                self.tags.hide(&customer_key(key, Brings::TheKey));
            }
        }
    }

    /// An answer tells the tag of what was written.
    pub(super) fn told(
        &self,
        key: &ObjectKey,
        number: &ETag,
        headers: &HeaderMap,
    ) -> Result<(ETag, u32), StoreError> {
        let tag = header(headers, "etag");
        if self.way(key).hides_tags() && !self.tags.tell(number, tag) {
            return Err(StoreError::Corrupt("an entity tag tells of an encrypted body".into()));
        }
        Ok(self.tags.number_of(tag))
    }

    /// Learns whose tag one is that nobody was told of, where it tells nothing itself.
    pub(super) async fn look_up(&self, address: &Address, tag: &str) -> Result<(), StoreError> {
        let tag = tag.replace("&quot;", "");
        let tag = tag.trim_matches('"');
        let way = self.way(&address.key);
        if tag.is_empty() || !way.hides_tags() || self.tags.is_known(tag) {
            return Ok(());
        }
        let get = self.get(address).header("if-match", &format!("\"{tag}\""));
        match self.send(opened(get, way, &address.key)).await {
            Ok(answer) => {
                self.tags.learn_bytes(tag, &answer.body);
                Ok(())
            }
            // Another one has come meanwhile.
            Err(_) => Err(lost()),
        }
    }

    fn get<'a>(&self, address: &Address) -> Outgoing<'a> {
        let (bucket, key) = (address.bucket.as_str(), address.key.as_str());
        versions::of(Outgoing::new(Method::GET, bucket, Some(key)), address.version)
    }

    /// G3, now and then.
    pub(super) async fn try_to_open(&self, address: &Address) -> Result<(), StoreError> {
        if self.way(&address.key) != Way::Customer {
            return Ok(());
        }
        let brings = match self.tags.count_read() % TRIED_EACH {
            0 => Brings::AnotherKey,
            1 => Brings::Nothing,
            _ => return Ok(()),
        };
        let mut get = self.get(address);
        if brings == Brings::AnotherKey {
            get = with_customer_key(get, &address.key, brings);
        }
        match self.send(get).await {
            Ok(_) => Err(StoreError::Corrupt("an object opens without its key".into())),
            Err(StoreError::Corrupt(text))
                if !text.contains("AccessDenied") && !text.contains("InvalidRequest") =>
            {
                Err(StoreError::Corrupt(text))
            }
            Err(_) => Ok(()),
        }
    }

    /// Learns the tag of a part that nobody was told of, by which ones of that length were sent.
    pub(super) fn look_up_part(
        &self,
        (key, upload): (&ObjectKey, UploadId),
        (number, size): (u16, u64),
        tag: &str,
    ) -> Result<(), StoreError> {
        let tag = tag.replace("&quot;", "");
        let tag = tag.trim_matches('"');
        if !self.way(key).hides_tags() || self.tags.is_known(tag) {
            return Ok(());
        }
        if self.tags.learn_sent((upload, number), size, tag) { Ok(()) } else { Err(lost()) }
    }
}
