//! The key that all sessions of a store are made with, and the callers that tokens stand for.
//!
//! The key is random and kept in the store, so that it outlives the process and is the same at
//! every node. It is made when the first session is asked for. Its document is one of
//!
//! ```text
//! stave session key 1 KEY              in hexadecimal
//! stave session key 2 NAME SEALED      sealed under the key of that name in the key store
//! ```
//! - S1: where there is a key store the key is kept sealed. One that was kept plain before counts
//!   no more: its sessions end, and the next one is made with a new key.

use super::token::{Claims, Kind, MasterKey, Unproved};
use crate::auth::accounts::{Accounts, Caller, Session};
use crate::config::Credentials;
use crate::error::{S3Error, S3Result, codes};
use crate::sse::Encryption;
use crate::sse::keys::{KeyError, KeyStore};
use crate::sts::token::POLICY_LEN_MAX;
use engine::object::{ObjectStore, Setting, StoreError, UnixNanos};
use iam::{Identity, Policy, Principal, Standing};
use sealing::Secret;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Name of the key's document in the store.
const DOCUMENT: &str = "session-key";

/// What the document begins with where the key is plain.
const PLAIN: &str = "stave session key 1 ";

/// What the document begins with where the key is sealed.
const SEALED: &str = "stave session key 2 ";

/// What the key is for, when it is sealed.
const BINDING: &[u8] = b"stave session key 2";

/// How often it is tried to make the key because another node came between.
const MAKE_COUNT_MAX: usize = 8;

/// Stands in for the credentials of somebody who is not there.
const DUMMY: &str = "no such parent";

/// The key as it was read last, with the revision of its document.
#[derive(Default)]
pub struct Sessions {
    master: Mutex<Option<(u64, MasterKey)>>,
}

/// The key as its document has it.
enum Kept<'a> {
    Plain(Secret),
    Sealed { under: &'a str, sealed: &'a str },
}

impl Sessions {
    /// Reads the key, where it is another one than before, or none yet.
    ///
    /// # Errors
    /// What the store fails with; `InternalError` for a document that is damaged or does not open,
    /// `ServiceUnavailable` while the key store does not answer.
    pub async fn load(
        &self,
        store: &dyn ObjectStore,
        root: &Credentials,
        encryption: &Encryption,
    ) -> S3Result<()> {
        let setting = store.setting(DOCUMENT.to_owned()).await?;
        self.keep(&setting, root, encryption.keys.as_deref()).await
    }

    /// The key, made where there is none.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn make(
        &self,
        store: &dyn ObjectStore,
        root: &Credentials,
        encryption: &Encryption,
    ) -> S3Result<MasterKey> {
        let keys = encryption.keys.as_deref();
        for _ in 0..MAKE_COUNT_MAX {
            let setting = store.setting(DOCUMENT.to_owned()).await?;
            self.keep(&setting, root, keys).await?;
            if let Some(master) = self.master() {
                return Ok(master);
            }
            let secret = Secret::random(|buffer| encryption.rng.fill(buffer));
            let text = document_of(&secret, keys).await?;
            let made = Setting { text, revision: setting.revision + 1 };
            match store.put_setting(DOCUMENT.to_owned(), made).await {
                Ok(()) | Err(StoreError::PreconditionFailed) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err((&codes::SERVICE_UNAVAILABLE).into())
    }

    async fn keep(
        &self,
        Setting { text, revision }: &Setting,
        root: &Credentials,
        keys: Option<&dyn KeyStore>,
    ) -> S3Result<()> {
        if self.lock().as_ref().is_some_and(|(kept, _)| kept == revision) {
            return Ok(());
        }
        let secret = match (parse(text)?, keys) {
            // S1
            (None, _) | (Some(Kept::Plain(_)), Some(_)) => None,
            (Some(Kept::Plain(secret)), None) => Some(secret),
            (Some(Kept::Sealed { under, sealed }), Some(keys)) => {
                Some(keys.open(under, sealed, BINDING).await.map_err(closed)?)
            }
            (Some(Kept::Sealed { .. }), None) => {
                return Err(unusable("it is sealed, and there is no key store"));
            }
        };
        *self.lock() = secret.map(|secret| (*revision, MasterKey::new(secret.bytes(), root)));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<(u64, MasterKey)>> {
        self.master.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn master(&self) -> Option<MasterKey> {
        self.lock().as_ref().map(|(_, key)| key.clone())
    }

    /// Who a token stands for, when it goes with the access key. Whether it has ended is for the
    /// caller to say, when the signature is right ([`check_life`]).
    ///
    /// # Errors
    /// `InvalidToken`.
    pub fn caller(
        &self,
        accounts: &Accounts,
        access_key: &str,
        token: &str,
    ) -> S3Result<Arc<Caller>> {
        let invalid = || S3Error::from(&codes::INVALID_TOKEN);
        let token = Unproved::parse(token).ok_or_else(invalid)?;
        let master = self.master().ok_or_else(invalid)?;
        let parent = accounts.by_access_key(token.parent());
        let nobody = || Credentials { access_key: String::new(), secret_key: DUMMY.to_owned() };
        let key = match parent {
            Some(parent) => master.of(&parent.credentials),
            None => master.of(&nobody()),
        };
        let (Some((claims, credentials)), Some(parent)) = (key.prove(token), parent) else {
            return Err(invalid());
        };
        if credentials.access_key != access_key {
            return Err(invalid());
        }
        caller_of(parent, claims, credentials).map(Arc::new)
    }
}

/// The document of a new key (S1).
async fn document_of(secret: &Secret, keys: Option<&dyn KeyStore>) -> S3Result<String> {
    match keys {
        None => Ok(format!("{PLAIN}{}", hex::encode(secret.bytes()))),
        Some(keys) => {
            let under = keys.default_key();
            let sealed = keys.seal(under, secret, BINDING).await.map_err(closed)?;
            Ok(format!("{SEALED}{under} {sealed}"))
        }
    }
}

fn parse(text: &str) -> S3Result<Option<Kept<'_>>> {
    let damaged = || unusable("its document is damaged");
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(sealed) = text.strip_prefix(SEALED) {
        let (under, sealed) = sealed.split_once(' ').ok_or_else(damaged)?;
        return Ok(Some(Kept::Sealed { under, sealed }));
    }
    let plain = text.strip_prefix(PLAIN).ok_or_else(damaged)?;
    let mut key = [0; 32];
    hex::decode_to_slice(plain, &mut key).map_err(|_| damaged())?;
    Ok(Some(Kept::Plain(Secret::new(key))))
}

/// Whether a text is the document of a key, plain or sealed.
pub fn is_document(text: &str) -> bool {
    parse(text).is_ok_and(|kept| kept.is_some())
}

fn unusable(why: &str) -> S3Error {
    tracing::error!("the key of sessions cannot be used: {why}");
    (&codes::INTERNAL_ERROR).into()
}

/// What a key store says of the key of sessions. It is not the client who named the key.
fn closed(error: KeyError) -> S3Error {
    match error {
        KeyError::Unavailable(_) => error.into(),
        KeyError::NoSuchKey(_)
        | KeyError::KeyExists(_)
        | KeyError::KeyName(_)
        | KeyError::Closed => unusable(&error.to_string()),
    }
}

/// The caller that a session is: whom it is of, with less rights at most (J1).
///
/// # Errors
/// `InvalidToken` for a policy that this server does not take any more.
pub fn caller_of(parent: &Caller, claims: Claims, credentials: Credentials) -> S3Result<Caller> {
    let identity = parent.identity().ok_or_else(|| S3Error::from(&codes::INVALID_TOKEN))?;
    let policies = match claims.policy.as_str() {
        "" => None,
        text => Some(vec![Arc::new(read_policy(text).map_err(|error| {
            tracing::error!(%error, "the policy of a session is not taken any more");
            S3Error::from(&codes::INVALID_TOKEN)
        })?)]),
    };
    let (arn, session_of) = match claims.kind {
        Kind::AssumedRole => (arn_of(identity, &claims.name), Some(identity.arn.clone())),
        // It is the user, for a while.
        Kind::User => (identity.arn.clone(), None),
    };
    let Claims { name, issued, ends, .. } = claims;
    Ok(Caller {
        principal: Principal::User(Identity { arn, session_of, ..identity.clone() }),
        policies: parent.policies.clone(),
        display_name: parent.display_name.clone(),
        credentials,
        role: parent.role,
        session: Some(Session { name, policies, issued, ends }),
    })
}

/// A policy that narrows a session.
///
/// # Errors
/// What is wrong with it.
pub fn read_policy(text: &str) -> Result<Policy, iam::PolicyError> {
    Policy::parse(text.as_bytes(), iam::Kind::Identity, POLICY_LEN_MAX)
}

/// Name of a session, as policies and GetCallerIdentity have it. The role is the caller's own.
fn arn_of(parent: &Identity, name: &str) -> String {
    let role = match parent.standing {
        Standing::Root => "root",
        Standing::Member => &parent.user_name,
    };
    format!("arn:aws:sts::{}:assumed-role/{role}/{name}", parent.account)
}

/// Refuses a session that has ended (J4).
///
/// # Errors
/// `ExpiredToken`.
pub fn check_life(caller: &Caller, now: UnixNanos) -> S3Result<()> {
    match &caller.session {
        Some(session) if session.ends <= now / 1_000_000_000 => Err((&codes::EXPIRED_TOKEN).into()),
        Some(_) | None => Ok(()),
    }
}
