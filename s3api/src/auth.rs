//! The way of a request to the store, as types: `Unauthenticated -> Authenticated -> Authorized`.
//!
//! - T1: the store is reachable through [`Authorized`] only; whoever holds one has proved who it is
//!   and what it may do.
//! - T2: authorisation comes before anything about the object is looked at, conditions included.

use crate::error::{S3Error, S3Result, codes};
use crate::headers::text;
use crate::request::RequestHead;
use crate::route::{AuthModes, Route};
use crate::sigv4::sha256_hex;
use crate::sigv4::verify::{Identity, Mechanism, Signed, Verifier};
use engine::object::{BucketName, ObjectKey, ObjectStore, UnixNanos};
use std::sync::Arc;

/// Holds what only authorised requests get.
pub struct Gate {
    verifier: Verifier,
    store: Arc<dyn ObjectStore>,
}

impl Gate {
    /// A gate before a store.
    pub fn new(verifier: Verifier, store: Arc<dyn ObjectStore>) -> Self {
        Self { verifier, store }
    }
}

/// A request of which nothing is known yet but what it wants.
pub struct Unauthenticated {
    /// Its head.
    pub head: RequestHead,
    /// What it wants.
    pub route: &'static Route,
}

/// A request of which is known who it is from.
pub struct Authenticated {
    head: RequestHead,
    route: &'static Route,
    identity: Identity,
}

/// A request that may do what it wants.
pub struct Authorized {
    head: RequestHead,
    route: &'static Route,
    store: Arc<dyn ObjectStore>,
}

impl Unauthenticated {
    /// Finds out who the request is from.
    ///
    /// # Errors
    /// Whatever is wrong with its signature.
    pub fn authenticate(self, gate: &Gate, now: UnixNanos) -> S3Result<Authenticated> {
        let identity = gate.verifier.identify(&self.head, now)?;
        Ok(Authenticated { head: self.head, route: self.route, identity })
    }
}

impl Authenticated {
    /// Decides whether the request may do what its route does; returns what its signature says of
    /// the body as well.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn authorize(self, gate: &Gate) -> S3Result<(Authorized, Signed)> {
        let signed = match (self.identity, self.route.auth) {
            (Identity::Anonymous, _) => return Err((&codes::ACCESS_DENIED).into()),
            (Identity::Root(signed), AuthModes::Signed) => signed,
            (Identity::Root(signed), AuthModes::Header) => match signed.mechanism {
                Mechanism::Header => signed,
                Mechanism::Query | Mechanism::Version2 => return Err(wants_header()),
            },
        };
        check_expected_owner(&self.head, gate.verifier.access_key())?;
        let store = gate.store.clone();
        Ok((Authorized { head: self.head, route: self.route, store }, signed))
    }
}

fn wants_header() -> S3Error {
    let message = "This must be signed in the Authorization header, by Signature Version 4.";
    S3Error::new(&codes::ACCESS_DENIED, message)
}

/// Owners that a client names as a condition are held against the one that there is, by its id or
/// its name.
fn check_expected_owner(head: &RequestHead, access_key: &str) -> S3Result<()> {
    for name in ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"] {
        let Some(expected) = text(&head.headers, name)? else {
            continue;
        };
        if expected != access_key && expected != owner_id(access_key) {
            return Err((&codes::ACCESS_DENIED).into());
        }
    }
    Ok(())
}

/// The canonical id of an account.
pub fn owner_id(access_key: &str) -> String {
    sha256_hex(access_key.as_bytes())
}

impl Authorized {
    /// The head of the request.
    pub fn head(&self) -> &RequestHead {
        &self.head
    }

    /// What it does.
    pub fn route(&self) -> &'static Route {
        self.route
    }

    /// The store (T1).
    pub fn store(&self) -> &dyn ObjectStore {
        &*self.store
    }

    /// Decides about a second resource of the same request: the source of a copy, each key of a
    /// bulk delete. The root, the only identity there is, may.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn authorize_also(
        &self,
        _action: &'static str,
        _bucket: &BucketName,
        _key: &ObjectKey,
    ) -> S3Result<()> {
        Ok(())
    }

    /// The bucket that the route works on.
    pub fn bucket(&self) -> BucketName {
        self.head.target.bucket().expect("the route has a bucket").clone()
    }

    /// The key that the route works on.
    pub fn key(&self) -> ObjectKey {
        self.head.target.key().expect("the route has a key").clone()
    }
}
