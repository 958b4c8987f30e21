//! Who can sign a request: the root of the store, and the users that are declared.
//!
//! - N1: an access key belongs to one caller; that of the root to nobody else.

use crate::acl;
use crate::config::Credentials;
use crate::sigv4::sha256_hex;
use iam::users::{Directory, User};
use iam::{Identity, Policy, Principal, Standing};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Account of the root of the store, which no declared user has.
pub const ROOT_ACCOUNT: &str = "000000000000";

/// Somebody who can sign.
#[derive(Debug)]
pub struct Caller {
    /// Who it is, for policies.
    pub principal: Principal,
    /// Its own policies.
    pub policies: Vec<Arc<Policy>>,
    /// Name that listings show.
    pub display_name: String,
    /// Its credentials.
    pub credentials: Credentials,
    /// Whether it runs the store, or is a session of whoever does.
    pub role: Role,
    /// The session that it comes in; `None` for whoever signs with a secret of their own.
    pub session: Option<Session>,
}

/// What a session is besides whom it is of.
#[derive(Debug)]
pub struct Session {
    /// What its client calls it.
    pub name: String,
    /// Policies that narrow it; `None` where it has none.
    pub policies: Option<Vec<Arc<Policy>>>,
    /// When it began, in seconds since 1970.
    pub issued: u64,
    /// When it ends, in seconds since 1970.
    pub ends: u64,
}

/// What a caller is to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs it: every bucket counts as its own.
    Operator,
    /// Uses it.
    User,
}

impl Caller {
    /// Who it is.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.principal {
            Principal::Anonymous => None,
            Principal::User(identity) => Some(identity),
        }
    }

    /// Policies of its session, where those narrow what it may.
    pub fn session_policies(&self) -> Option<&[Arc<Policy>]> {
        self.session.as_ref()?.policies.as_deref()
    }

    /// Whether it may less than whom its session is of.
    pub fn is_narrowed(&self) -> bool {
        self.session_policies().is_some()
    }

    /// Canonical id of its account.
    pub fn canonical_id(&self) -> &str {
        self.identity().map_or("", |identity| &identity.canonical_id)
    }
}

/// Everybody who can sign.
pub struct Accounts {
    root: Arc<Caller>,
    callers: BTreeMap<String, Arc<Caller>>,
    directory: Arc<Directory>,
}

impl Accounts {
    /// The root and the declared users. The configuration was validated by the caller (N1).
    pub fn new(root: &Credentials, directory: Arc<Directory>) -> Self {
        let root = Arc::new(root_caller(root));
        let mut callers = BTreeMap::from([(root.credentials.access_key.clone(), root.clone())]);
        for user in directory.users() {
            callers.insert(user.access_key.clone(), Arc::new(declared(user)));
        }
        Self { root, callers, directory }
    }

    /// The root of the store.
    pub fn root(&self) -> &Arc<Caller> {
        &self.root
    }

    /// Who has an access key.
    pub fn by_access_key(&self, access_key: &str) -> Option<&Arc<Caller>> {
        self.callers.get(access_key)
    }

    /// Account that a canonical id belongs to.
    pub fn account_of(&self, canonical_id: &str) -> Option<&str> {
        if canonical_id == self.root.canonical_id() {
            return Some(ROOT_ACCOUNT);
        }
        let user = self.directory.by_canonical_id(canonical_id)?;
        Some(&user.identity().account)
    }
}

impl acl::Accounts for Accounts {
    fn display_name(&self, canonical_id: &str) -> Option<String> {
        if canonical_id == self.root.canonical_id() {
            return Some(self.root.display_name.clone());
        }
        let user = self.directory.by_canonical_id(canonical_id)?;
        Some(user.display_name.clone())
    }

    fn by_email(&self, email: &str) -> Option<String> {
        let user = self.directory.by_email(email)?;
        Some(user.identity().canonical_id.clone())
    }
}

fn root_caller(credentials: &Credentials) -> Caller {
    let identity = Identity {
        account: ROOT_ACCOUNT.to_owned(),
        arn: format!("arn:aws:iam::{ROOT_ACCOUNT}:root"),
        canonical_id: owner_id(&credentials.access_key),
        user_name: credentials.access_key.clone(),
        session_of: None,
        standing: Standing::Root,
    };
    Caller {
        principal: Principal::User(identity),
        policies: Vec::new(),
        display_name: credentials.access_key.clone(),
        credentials: credentials.clone(),
        role: Role::Operator,
        session: None,
    }
}

fn declared(user: &User) -> Caller {
    let credentials = Credentials {
        access_key: user.access_key.clone(),
        secret_key: user.secret_key.expose().to_owned(),
    };
    Caller {
        principal: user.principal.clone(),
        policies: user.policies.clone(),
        display_name: user.display_name.clone(),
        credentials,
        role: Role::User,
        session: None,
    }
}

/// The canonical id of the root.
pub fn owner_id(access_key: &str) -> String {
    sha256_hex(access_key.as_bytes())
}
