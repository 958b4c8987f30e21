//! The key that all sessions of a store are made with, and the callers that tokens stand for.
//!
//! The key is random and kept in the store, so that it outlives the process and is the same at
//! every node. It is made when the first session is asked for.

use super::token::{Claims, Kind, MasterKey, Unproved};
use crate::auth::accounts::{Accounts, Caller, Session};
use crate::config::Credentials;
use crate::error::{S3Error, S3Result, codes};
use crate::sts::token::POLICY_LEN_MAX;
use engine::object::{ObjectStore, Rng, Setting, StoreError, UnixNanos};
use iam::{Identity, Policy, Principal, Standing};
use std::sync::{Arc, Mutex, PoisonError};

/// Name of the key's document in the store.
const DOCUMENT: &str = "session-key";

/// What the document begins with; the key follows in hexadecimal.
const PREFIX: &str = "stave session key 1 ";

/// How often it is tried to make the key because another node came between.
const MAKE_COUNT_MAX: usize = 8;

/// Stands in for the credentials of somebody who is not there.
const DUMMY: &str = "no such parent";

/// The key as it was read last, with the revision of its document.
#[derive(Default)]
pub struct Sessions {
    master: Mutex<Option<(u64, MasterKey)>>,
}

impl Sessions {
    /// Reads the key, where it is another one than before, or none yet.
    ///
    /// # Errors
    /// What the store fails with; `InternalError` for a document that is damaged.
    pub async fn load(&self, store: &dyn ObjectStore, root: &Credentials) -> S3Result<()> {
        let setting = store.setting(DOCUMENT.to_owned()).await?;
        self.keep(&setting, root)
    }

    /// The key, made where there is none.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn make(
        &self,
        store: &dyn ObjectStore,
        root: &Credentials,
        rng: &dyn Rng,
    ) -> S3Result<MasterKey> {
        for _ in 0..MAKE_COUNT_MAX {
            let setting = store.setting(DOCUMENT.to_owned()).await?;
            self.keep(&setting, root)?;
            if let Some(master) = self.master() {
                return Ok(master);
            }
            let mut kept = [0; 32];
            rng.fill(&mut kept);
            let text = format!("{PREFIX}{}", hex::encode(kept));
            let made = Setting { text, revision: setting.revision + 1 };
            match store.put_setting(DOCUMENT.to_owned(), made).await {
                Ok(()) | Err(StoreError::PreconditionFailed) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err((&codes::SERVICE_UNAVAILABLE).into())
    }

    fn keep(&self, setting: &Setting, root: &Credentials) -> S3Result<()> {
        let mut master = self.master.lock().unwrap_or_else(PoisonError::into_inner);
        if master.as_ref().is_some_and(|(revision, _)| *revision == setting.revision) {
            return Ok(());
        }
        *master = match setting.text.as_str() {
            "" => None,
            text => {
                let kept = parse(text).ok_or_else(|| {
                    tracing::error!("the key of sessions is damaged");
                    S3Error::from(&codes::INTERNAL_ERROR)
                })?;
                Some((setting.revision, MasterKey::new(&kept, root)))
            }
        };
        Ok(())
    }

    fn master(&self) -> Option<MasterKey> {
        let master = self.master.lock().unwrap_or_else(PoisonError::into_inner);
        master.as_ref().map(|(_, key)| key.clone())
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

fn parse(text: &str) -> Option<[u8; 32]> {
    let mut kept = [0; 32];
    hex::decode_to_slice(text.strip_prefix(PREFIX)?, &mut kept).ok()?;
    Some(kept)
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
