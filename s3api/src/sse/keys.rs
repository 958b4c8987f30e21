//! Where the keys of objects are sealed and opened: the store's own key ring, or a service.
//!
//! - K1: a key that was used once stays: what was sealed under it opens as long as the service has
//!   it. Nothing here deletes a key.

use crate::error::{S3Error, codes};
use engine::object::{Env, ObjectStore, Setting, StoreError};
use sealing::ring::KeyInfo;
use sealing::{KeyRing, RootKey, SealError, Secret};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

/// Answer of a key store, some time later.
pub type KeyReply<'a, T> = Pin<Box<dyn Future<Output = Result<T, KeyError>> + Send + 'a>>;

/// Name of the ring's document in the store.
const RING: &str = "key-ring";

/// How often a change of the ring is tried again because another one came between.
const CHANGE_COUNT_MAX: usize = 8;

/// Why a key store says no.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no key of that name.
    #[error("no key {0}")]
    NoSuchKey(String),
    /// There is one already.
    #[error("there is a key {0} already")]
    KeyExists(String),
    /// Not a name for a key, or too many of them.
    #[error("not a name for a key, or too many keys: {0}")]
    KeyName(String),
    /// It was not sealed here for this object, or is damaged.
    #[error("the sealed key of an object does not open")]
    Closed,
    /// The service does not answer.
    #[error("the key store is not to be had: {0}")]
    Unavailable(String),
}

/// Seals the keys of objects. `binding` is what a key is for; it opens for the same only.
pub trait KeyStore: Send + Sync + 'static {
    /// The key that is used where none is named.
    fn default_key(&self) -> &str;
    /// Seals an object's key under a named one. Fails with `NoSuchKey`, `Unavailable`.
    fn seal<'a>(
        &'a self,
        key: &'a str,
        secret: &'a Secret,
        binding: &'a [u8],
    ) -> KeyReply<'a, String>;
    /// Opens what `seal` sealed. Fails with `NoSuchKey`, `Closed`, `Unavailable`.
    fn open<'a>(&'a self, key: &'a str, sealed: &'a str, binding: &'a [u8])
    -> KeyReply<'a, Secret>;
    /// All keys, by name. Fails with `Unavailable`.
    fn list(&self) -> KeyReply<'_, Vec<KeyInfo>>;
    /// Makes a key. Fails with `KeyExists`, `KeyName`, `Unavailable`.
    fn create<'a>(&'a self, key: &'a str) -> KeyReply<'a, ()>;
    /// Makes a new version of a key. Fails with `NoSuchKey`, `KeyName`, `Unavailable`.
    fn rotate<'a>(&'a self, key: &'a str) -> KeyReply<'a, ()>;
}

/// A change of a ring: name of the key, milliseconds since 1970, randomness.
type Change = fn(&mut KeyRing, &str, u64, &dyn Fn(&mut [u8])) -> Result<(), SealError>;

/// The key ring that the store keeps, sealed under a root key that it does not.
pub struct StoredKeys {
    root: RootKey,
    store: Arc<dyn ObjectStore>,
    env: Env,
    /// The ring that was read last, and its revision.
    read: Mutex<Option<(u64, Arc<KeyRing>)>>,
}

impl StoredKeys {
    /// The ring of a store under a root key.
    pub fn new(root: RootKey, store: Arc<dyn ObjectStore>, env: Env) -> Self {
        Self { root, store, env, read: Mutex::new(None) }
    }

    /// The ring as it is now, and its revision.
    async fn ring(&self) -> Result<(u64, Arc<KeyRing>), KeyError> {
        let setting = self.store.setting(RING.to_owned()).await.map_err(unavailable)?;
        let lock = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((revision, ring)) = &*lock()
            && *revision == setting.revision
        {
            return Ok((*revision, ring.clone()));
        }
        let ring = KeyRing::parse(self.root.clone(), &setting.text).map_err(|error| {
            tracing::error!(%error, "the key ring is of another root key, or damaged");
            KeyError::Unavailable("the key ring does not open under the root key".to_owned())
        })?;
        let ring = Arc::new(ring);
        *lock() = Some((setting.revision, ring.clone()));
        Ok((setting.revision, ring))
    }

    async fn change(&self, key: &str, change: Change) -> Result<(), KeyError> {
        let now_ms = self.env.clock.unix_nanos() / 1_000_000;
        let fill = |buffer: &mut [u8]| self.env.rng.fill(buffer);
        for _ in 0..CHANGE_COUNT_MAX {
            let (revision, ring) = self.ring().await?;
            let mut ring = KeyRing::clone(&ring);
            change(&mut ring, key, now_ms, &fill).map_err(|error| told(error, key))?;
            let setting = Setting { text: ring.document(), revision: revision + 1 };
            match self.store.put_setting(RING.to_owned(), setting).await {
                Ok(()) => return Ok(()),
                Err(StoreError::PreconditionFailed) => {}
                Err(error) => return Err(unavailable(error)),
            }
        }
        Err(KeyError::Unavailable("the key ring changes all the time".to_owned()))
    }
}

fn unavailable(error: StoreError) -> KeyError {
    KeyError::Unavailable(error.to_string())
}

fn told(error: SealError, key: &str) -> KeyError {
    match error {
        SealError::NoSuchKey => KeyError::NoSuchKey(key.to_owned()),
        SealError::KeyExists => KeyError::KeyExists(key.to_owned()),
        SealError::KeyName => KeyError::KeyName(key.to_owned()),
        SealError::Closed | SealError::Truncated | SealError::Format | SealError::Cipher => {
            KeyError::Closed
        }
    }
}

impl KeyStore for StoredKeys {
    fn default_key(&self) -> &str {
        self.root.name()
    }

    fn seal<'a>(
        &'a self,
        key: &'a str,
        secret: &'a Secret,
        binding: &'a [u8],
    ) -> KeyReply<'a, String> {
        Box::pin(async move {
            let (_, ring) = self.ring().await?;
            let mut salt = [0; sealing::seal::SALT_LEN];
            self.env.rng.fill(&mut salt);
            ring.seal(key, secret, binding, salt).map_err(|error| told(error, key))
        })
    }

    fn open<'a>(
        &'a self,
        key: &'a str,
        sealed: &'a str,
        binding: &'a [u8],
    ) -> KeyReply<'a, Secret> {
        Box::pin(async move {
            let (_, ring) = self.ring().await?;
            ring.open(key, sealed, binding).map_err(|error| told(error, key))
        })
    }

    fn list(&self) -> KeyReply<'_, Vec<KeyInfo>> {
        Box::pin(async move { Ok(self.ring().await?.1.list()) })
    }

    fn create<'a>(&'a self, key: &'a str) -> KeyReply<'a, ()> {
        let create: Change = |ring, key, now_ms, fill| ring.create(key, now_ms, fill);
        Box::pin(self.change(key, create))
    }

    fn rotate<'a>(&'a self, key: &'a str) -> KeyReply<'a, ()> {
        let rotate: Change = |ring, key, now_ms, fill| ring.rotate(key, now_ms, fill);
        Box::pin(self.change(key, rotate))
    }
}

impl From<KeyError> for S3Error {
    fn from(error: KeyError) -> Self {
        let message = error.to_string();
        match error {
            KeyError::NoSuchKey(key) => {
                let message = format!("Invalid keyId {key}: there is no such key.");
                Self::new(&codes::KMS_NOT_FOUND, message)
            }
            KeyError::KeyExists(_) => Self::new(&codes::KMS_KEY_EXISTS, message),
            KeyError::KeyName(_) => Self::new(&codes::INVALID_ARGUMENT, message),
            KeyError::Closed => {
                tracing::error!("{message}");
                (&codes::INTERNAL_ERROR).into()
            }
            KeyError::Unavailable(_) => {
                tracing::warn!("{message}");
                Self::new(&codes::SERVICE_UNAVAILABLE, "The key store is not to be had.")
            }
        }
    }
}
