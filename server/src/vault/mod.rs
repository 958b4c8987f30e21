//! Vault as the key store: the keys of objects are sealed by its transit engine and never leave it.
//!
//! ```text
//! KeyStore --names, bindings--> api: encrypt, decrypt, keys, as JSON --> session: token, retry
//!                                                                     --> http_client
//! ```
//! - T1: what a key is for goes along as associated data: sealed text that is put elsewhere does
//!   not open (AES-GCM in Vault).
//! - T2: a key that Vault does not have is never made by using it, as Vault would where the token
//!   may.
//! - T3: Vault not answering is an error of the request, never an object that is stored plain or
//!   given up.
//!
//! In reading order: [`session`], [`api`].

mod api;
mod session;

use crate::config::{VaultConfig, is_vault_key};
use api::Api;
use s3api::config::KeyService;
use s3api::sse::keys::{KeyError, KeyReply, KeyStore};
use sealing::Secret;
use sealing::ring::KeyInfo;
use session::Session;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Names of keys that are known to exist, at most; with more they are asked for again.
const KNOWN_COUNT_MAX: usize = 1024;

/// The key store in Vault, where there is one, and its background.
///
/// # Errors
/// One line.
pub fn begin(config: Option<VaultConfig>) -> Result<Option<KeyService>, String> {
    let Some(config) = config else { return Ok(None) };
    let keys = VaultKeys::new(config)?;
    let background = keys.clone();
    tokio::spawn(async move {
        background.probe().await;
        background.api.run().await;
    });
    Ok(Some(KeyService(keys)))
}

/// The keys in a Vault.
struct VaultKeys {
    api: Api,
    default_key: String,
    known: Mutex<BTreeSet<String>>,
}

impl VaultKeys {
    /// Nothing is asked yet.
    fn new(config: VaultConfig) -> Result<Arc<Self>, String> {
        let (mount, default_key) = (config.mount.clone(), config.key.clone());
        let api = Api::new(Session::new(config)?, mount);
        Ok(Arc::new(Self { api, default_key, known: Mutex::default() }))
    }

    /// Says in the log whether the default key is to be had. Not an error of the start: Vault may
    /// come later, and what is not encrypted is served meanwhile.
    async fn probe(&self) {
        match self.check_known(&self.default_key).await {
            Ok(()) => tracing::info!(key = self.default_key, "keys of objects are sealed by Vault"),
            Err(error) => tracing::error!(%error, "encrypted objects are not served"),
        }
    }

    /// T2
    async fn check_known(&self, key: &str) -> Result<(), KeyError> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(key) {
            return Ok(());
        }
        if !is_vault_key(key) {
            return Err(KeyError::NoSuchKey(key.to_owned()));
        }
        self.api.describe(key).await?;
        let mut known = known();
        if known.len() >= KNOWN_COUNT_MAX {
            known.clear();
        }
        known.insert(key.to_owned());
        Ok(())
    }
}

impl KeyStore for VaultKeys {
    fn default_key(&self) -> &str {
        &self.default_key
    }

    fn seal<'a>(
        &'a self,
        key: &'a str,
        secret: &'a Secret,
        binding: &'a [u8],
    ) -> KeyReply<'a, String> {
        Box::pin(async move {
            self.check_known(key).await?;
            self.api.encrypt(key, secret, binding).await
        })
    }

    fn open<'a>(
        &'a self,
        key: &'a str,
        sealed: &'a str,
        binding: &'a [u8],
    ) -> KeyReply<'a, Secret> {
        Box::pin(async move {
            match is_vault_key(key) {
                true => self.api.decrypt(key, sealed, binding).await,
                false => Err(KeyError::NoSuchKey(key.to_owned())),
            }
        })
    }

    fn list(&self) -> KeyReply<'_, Vec<KeyInfo>> {
        Box::pin(self.api.list())
    }

    fn create<'a>(&'a self, key: &'a str) -> KeyReply<'a, ()> {
        Box::pin(async move {
            if !is_vault_key(key) {
                return Err(KeyError::KeyName(key.to_owned()));
            }
            match self.api.describe(key).await {
                Ok(_) => Err(KeyError::KeyExists(key.to_owned())),
                Err(KeyError::NoSuchKey(_)) => self.api.create(key).await,
                Err(error) => Err(error),
            }
        })
    }

    fn rotate<'a>(&'a self, key: &'a str) -> KeyReply<'a, ()> {
        Box::pin(async move {
            if !is_vault_key(key) {
                return Err(KeyError::NoSuchKey(key.to_owned()));
            }
            self.api.describe(key).await?;
            self.api.rotate(key).await
        })
    }
}
