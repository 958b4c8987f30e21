//! The way of a request to the store, as types: `Unauthenticated -> Authenticated -> Authorized`.
//!
//! - T1: the store is reachable through [`Authorized`] only; whoever holds one has proved who it is
//!   and what it may do.
//! - T2: authorisation comes before anything about the object is told, conditions included.
//! - T3: what decides is read when the request comes, and once more when the body of an upload
//!   ends that took long.
//!
//! In reading order: `accounts` (who there is), `settings` (what a bucket says), `context` (what
//! conditions can ask for), `permission` (what lists of grants mean), `weigh` (the decision),
//! `again` (the same, later).

pub mod accounts;
pub mod again;
pub mod context;
pub mod permission;
pub mod settings;
mod weigh;

use crate::error::{S3Error, S3Result, codes};
use crate::form::fields::FormFields;
use crate::form::policy::{LenRange, PostPolicy, Question};
use crate::headers::text;
use crate::request::{RequestHead, Target};
use crate::route::{AuthModes, Route};
use crate::sigv4::Payload;
use crate::sigv4::verify::{Identity, Mechanism, Signed, Verifier, token};
use crate::sse::Encryption;
use crate::sts::token::MasterKey;
use accounts::{Accounts, Caller, Role};
use context::{Circumstances, keys_of};
use engine::object::{Address, BucketName, ObjectKey, ObjectStore, UnixNanos, VersionId};
use iam::{AccessRequest, Verdict};
use settings::{BucketSettings, SettingsCache};
use std::net::IpAddr;
use std::sync::Arc;
pub use weigh::{Resource, Told};

/// Holds what only authorised requests get.
pub struct Gate {
    verifier: Verifier,
    store: Arc<dyn ObjectStore>,
    settings: SettingsCache,
    encryption: Encryption,
}

impl Gate {
    /// A gate before a store.
    pub fn new(verifier: Verifier, store: Arc<dyn ObjectStore>, encryption: Encryption) -> Self {
        Self { verifier, store, settings: SettingsCache::default(), encryption }
    }

    /// Everybody who can sign.
    pub fn accounts(&self) -> &Accounts {
        self.verifier.accounts()
    }

    async fn load_sessions(&self) -> S3Result<()> {
        let root = &self.accounts().root().credentials;
        self.verifier.sessions().load(&*self.store, root, &self.encryption).await
    }

    /// The key of sessions, made where there is none.
    ///
    /// # Errors
    /// What the store fails with.
    pub async fn session_key(&self) -> S3Result<MasterKey> {
        let root = &self.accounts().root().credentials;
        self.verifier.sessions().make(&*self.store, root, &self.encryption).await
    }

    /// The settings of a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`, `InternalError` for settings that cannot be read.
    pub async fn settings(&self, bucket: &BucketName) -> S3Result<Arc<BucketSettings>> {
        self.settings.of(self.store.head_bucket(bucket.clone()).await?)
    }
}

/// A request of which nothing is known yet but what it wants.
pub struct Unauthenticated {
    /// Its head.
    pub head: RequestHead,
    /// What it wants.
    pub route: &'static Route,
    /// Address that its connection came from.
    pub peer: Option<IpAddr>,
}

/// A request of which is known who it is from.
pub struct Authenticated {
    head: RequestHead,
    route: &'static Route,
    caller: Option<Arc<Caller>>,
    signed: Signed,
    circumstances: Circumstances,
}

/// A request that may do what it wants.
pub struct Authorized {
    head: Arc<RequestHead>,
    route: &'static Route,
    caller: Option<Arc<Caller>>,
    circumstances: Circumstances,
    settings: Option<Arc<BucketSettings>>,
    gate: Arc<Gate>,
}

impl Unauthenticated {
    /// Finds out who the request is from.
    ///
    /// # Errors
    /// Whatever is wrong with its signature.
    pub async fn authenticate(self, gate: &Gate, now: UnixNanos) -> S3Result<Authenticated> {
        let Self { head, route, peer } = self;
        if token::is_there(&head) {
            gate.load_sessions().await?;
        }
        let (caller, signed, mechanism) = match gate.verifier.identify(&head, now)? {
            Identity::Anonymous => (None, unsigned(&head)?, None),
            Identity::Known(caller, signed) => {
                let mechanism = signed.mechanism;
                (Some(caller), signed, Some(mechanism))
            }
        };
        let circumstances = Circumstances { peer, now, mechanism };
        Ok(Authenticated { head, route, caller, signed, circumstances })
    }
}

impl Unauthenticated {
    /// Finds out who a form is from, and holds it against what its signer wants of it; returns what
    /// may be taken of the file as well.
    ///
    /// # Errors
    /// Whatever is wrong with its signature; `InvalidPolicyDocument`, `AccessDenied`.
    pub async fn authenticate_form(
        self,
        gate: &Gate,
        now: UnixNanos,
        fields: &FormFields,
    ) -> S3Result<(Authenticated, LenRange)> {
        let Self { head, route, peer } = self;
        if fields.get("x-amz-security-token").is_some() {
            gate.load_sessions().await?;
        }
        let (caller, signed) = match gate.verifier.identify_form(fields, now)? {
            Identity::Anonymous => (None, unsigned(&head)?),
            Identity::Known(caller, signed) => (Some(caller), signed),
        };
        let mut len_range = LenRange::ANY;
        if let (Some(_), Target::Object(bucket, key)) = (&caller, &head.target) {
            let policy = PostPolicy::parse(fields.required("policy")?)?;
            let (bucket, key) = (bucket.as_str(), key.as_str());
            policy.check(&Question { fields, bucket, key, now })?;
            len_range = policy.len_range;
        }
        let mechanism = caller.as_ref().map(|_| signed.mechanism);
        let circumstances = Circumstances { peer, now, mechanism };
        Ok((Authenticated { head, route, caller, signed, circumstances }, len_range))
    }
}

impl Unauthenticated {
    /// Finds out who a request for a session is from, and whether a policy denies it to them;
    /// nobody needs a permission for it.
    ///
    /// # Errors
    /// Whatever is wrong with its signature; `AccessDenied`.
    pub async fn authenticate_for_session(
        self,
        gate: &Gate,
        now: UnixNanos,
        body_hash: &str,
    ) -> S3Result<Requester> {
        let Self { head, peer, .. } = self;
        if token::is_there(&head) {
            gate.load_sessions().await?;
        }
        let caller = gate.verifier.identify_for_session(&head, body_hash, now)?;
        let mechanism = Some(Mechanism::Header);
        Ok(Requester { head, caller, circumstances: Circumstances { peer, now, mechanism } })
    }
}

/// Somebody who asks for a session, or who they are.
pub struct Requester {
    head: RequestHead,
    caller: Arc<Caller>,
    circumstances: Circumstances,
}

impl Requester {
    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Decides whether the caller may begin a session: unless it is one (J3), or a policy of its
    /// own denies it.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn authorize_session(&self, action: &str) -> S3Result<()> {
        let context = keys_of(&self.head, Some(&self.caller), &self.circumstances);
        let (principal, resource) = (&self.caller.principal, iam::EVERY_BUCKET);
        let request = AccessRequest { principal, action, resource, context: &context };
        let is_denied =
            self.caller.policies.iter().any(|policy| policy.judge(&request) == Verdict::Deny);
        if is_denied || self.caller.session.is_some() {
            return Err((&codes::ACCESS_DENIED).into());
        }
        Ok(())
    }
}

/// How the body of a request without a signature comes.
fn unsigned(head: &RequestHead) -> S3Result<Signed> {
    let payload = match text(&head.headers, "x-amz-content-sha256")? {
        None => Payload::Unsigned,
        Some(hash) => Payload::parse(hash)?,
    };
    match payload {
        Payload::SignedChunks | Payload::SignedChunksTrailer => Err((&codes::ACCESS_DENIED).into()),
        payload => Ok(Signed { mechanism: Mechanism::Header, payload, chain: None }),
    }
}

impl Authenticated {
    /// Decides whether the request may do what its route does; returns what its signature says of
    /// the body as well.
    ///
    /// # Errors
    /// `AccessDenied`, `NoSuchBucket`.
    pub async fn authorize(self, gate: &Arc<Gate>) -> S3Result<(Authorized, Signed)> {
        let Self { head, route, caller, signed, circumstances } = self;
        check_mode(route, caller.as_deref(), &signed)?;
        let head = Arc::new(head);
        let mut authorized =
            Authorized { head, route, caller, circumstances, settings: None, gate: gate.clone() };
        if route.is_admin() {
            return Ok((authorized, signed));
        }
        if let Some(bucket) = authorized.head.target.bucket()
            && !route.makes_bucket()
        {
            authorized.settings = Some(gate.settings(bucket).await?);
        }
        authorized.check_expected_owner()?;
        // What is decided about key by key is not even read for whom no key can be.
        if authorized.caller.is_none()
            && authorized.settings.as_ref().is_some_and(|settings| !settings.knows_strangers())
        {
            return Err((&codes::ACCESS_DENIED).into());
        }
        if !route.is_told_by_body() {
            authorized.authorize_route(&|_| {}).await?;
        }
        Ok((authorized, signed))
    }
}

/// What is about the server itself is for whoever runs it, signed in the header.
fn check_mode(route: &Route, caller: Option<&Caller>, signed: &Signed) -> S3Result<()> {
    let Some(caller) = caller else {
        return match route.auth {
            AuthModes::Header | AuthModes::Signed | AuthModes::Session => {
                Err((&codes::ACCESS_DENIED).into())
            }
            AuthModes::Anybody | AuthModes::Form => Ok(()),
        };
    };
    if route.auth != AuthModes::Header {
        return Ok(());
    }
    match (signed.mechanism, caller.role) {
        (Mechanism::Header, Role::Operator) if !caller.is_narrowed() => Ok(()),
        (Mechanism::Header, _) => Err((&codes::ACCESS_DENIED).into()),
        (_, _) => Err(wants_header()),
    }
}

fn wants_header() -> S3Error {
    let message = "This must be signed in the Authorization header, by Signature Version 4.";
    S3Error::new(&codes::ACCESS_DENIED, message)
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
        &*self.gate.store
    }

    /// What encryption needs of the server.
    pub fn encryption(&self) -> &Encryption {
        &self.gate.encryption
    }

    /// Whether it came from the machine itself.
    pub fn is_local(&self) -> bool {
        self.circumstances.peer.is_some_and(|peer| peer.to_canonical().is_loopback())
    }

    /// When it came.
    pub fn now(&self) -> UnixNanos {
        self.circumstances.now
    }

    /// Who it is from; `None` for the anonymous.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_deref()
    }

    /// Canonical id of who it is from; empty for the anonymous.
    pub fn caller_id(&self) -> &str {
        self.caller().map_or("", Caller::canonical_id)
    }

    /// Everybody who can sign.
    pub fn accounts(&self) -> &Accounts {
        self.gate.accounts()
    }

    /// The settings of the bucket that the route works on.
    pub fn settings(&self) -> &BucketSettings {
        self.settings.as_deref().expect("the route has a bucket")
    }

    /// The bucket that the route works on.
    pub fn bucket(&self) -> BucketName {
        self.head.target.bucket().expect("the route has a bucket").clone()
    }

    /// The key that the route works on.
    pub fn key(&self) -> ObjectKey {
        self.head.target.key().expect("the route has a key").clone()
    }

    /// The version that the request names.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn version(&self) -> S3Result<Option<VersionId>> {
        self.head.query.get("versionId").map(|id| Ok(VersionId::parse(id)?)).transpose()
    }

    /// The object or version that the route works on.
    ///
    /// # Errors
    /// `InvalidArgument` for a version that is none.
    pub fn address(&self) -> S3Result<Address> {
        Ok(Address { bucket: self.bucket(), key: self.key(), version: self.version()? })
    }

    /// Decides about everything that the route does on its own resource; `told` puts in what its
    /// body says, where the decision waits for that ([`Route::is_told_by_body`]).
    ///
    /// # Errors
    /// `AccessDenied`.
    pub async fn authorize_route(&self, told: Told<'_>) -> S3Result<()> {
        let resource = match &self.head.target {
            Target::Object(bucket, key) => Resource::Object(bucket, key, self.version()?),
            Target::Bucket(bucket) => Resource::Bucket(bucket),
            Target::Service | Target::Admin(_) => Resource::Service,
        };
        for action in self.route.actions(&self.head) {
            self.authorize_told(action, resource, told).await?;
        }
        Ok(())
    }

    /// Decides about an action of the same request: on its own resource, the source of a copy, each
    /// key of a bulk delete.
    ///
    /// # Errors
    /// `AccessDenied`, `NoSuchBucket` for another bucket that is not there.
    pub async fn authorize_also(
        &self,
        action: &'static str,
        resource: Resource<'_>,
    ) -> S3Result<()> {
        self.authorize_told(action, resource, &|_| {}).await
    }

    /// As [`Self::authorize_also`], with what the body of the request says of that resource.
    ///
    /// # Errors
    /// The same.
    pub async fn authorize_told(
        &self,
        action: &'static str,
        resource: Resource<'_>,
        told: Told<'_>,
    ) -> S3Result<()> {
        if self.may_told(action, resource, told).await? {
            return Ok(());
        }
        Err((&codes::ACCESS_DENIED).into())
    }

    /// Whether the caller may do something.
    ///
    /// # Errors
    /// `NoSuchBucket` for another bucket that is not there; what the store fails with.
    pub async fn may(&self, action: &'static str, resource: Resource<'_>) -> S3Result<bool> {
        self.may_told(action, resource, &|_| {}).await
    }

    async fn may_told(
        &self,
        action: &'static str,
        resource: Resource<'_>,
        told: Told<'_>,
    ) -> S3Result<bool> {
        let other = match (resource.bucket(), &self.settings) {
            (Some(bucket), Some(own)) if own.state.info.name == *bucket => None,
            (Some(bucket), _) if !self.route.makes_bucket() => {
                Some(self.gate.settings(bucket).await?)
            }
            _ => None,
        };
        let settings = match resource {
            Resource::Service => None,
            _ => other.as_deref().or(self.settings.as_deref()),
        };
        weigh::weigh(self, settings, (action, resource), told).await
    }

    /// An absence is told to whoever may list the bucket; to others it is denied, as AWS does.
    pub async fn hide_absence(&self, error: S3Error) -> S3Error {
        if error.code != &codes::NO_SUCH_KEY && error.code != &codes::NO_SUCH_VERSION {
            return error;
        }
        let bucket = self.bucket();
        match self.may("s3:ListBucket", Resource::Bucket(&bucket)).await {
            Ok(true) => error,
            Ok(false) => (&codes::ACCESS_DENIED).into(),
            Err(error) => error,
        }
    }

    /// Owners that a client names as a condition are held against the bucket's, by its canonical id
    /// or its account.
    fn check_expected_owner(&self) -> S3Result<()> {
        let Some(expected) = text(&self.head.headers, "x-amz-expected-bucket-owner")? else {
            return Ok(());
        };
        match &self.settings {
            Some(settings) => self.check_owner(expected, settings),
            None => Ok(()),
        }
    }

    /// Holds an expected owner against that of a bucket.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn check_owner(&self, expected: &str, settings: &BucketSettings) -> S3Result<()> {
        let owner = settings.owner();
        let accounts = self.accounts();
        let root = accounts.root();
        let is_root = owner == root.canonical_id() && expected == root.credentials.access_key;
        if expected == owner || accounts.account_of(owner) == Some(expected) || is_root {
            return Ok(());
        }
        Err((&codes::ACCESS_DENIED).into())
    }

    /// The settings of another bucket, for the conditions on it.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn settings_of(&self, bucket: &BucketName) -> S3Result<Arc<BucketSettings>> {
        self.gate.settings(bucket).await
    }
}
