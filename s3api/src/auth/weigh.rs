//! The decision: what the caller's policies, the bucket's policy and the lists of grants say
//! together ([`iam::decide`]).

use super::Authorized;
use super::accounts::{Caller, ROOT_ACCOUNT, Role};
use super::context::{insert_existing_tags, insert_operation, keys_of};
use super::permission::{self, Subject};
use super::settings::BucketSettings;
use crate::acl::{Acl, Asker, Permission, PublicGrants};
use crate::error::S3Result;
use crate::notes;
use engine::object::{Address, BucketName, ObjectInfo, ObjectKey, StoreError, VersionId};
use iam::{AccessRequest, Context, Decision, Policies, Principal, Verdict};

/// What a decision is about.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// No bucket of a name.
    Service,
    /// A bucket.
    Bucket(&'a BucketName),
    /// An object, or a version of it.
    Object(&'a BucketName, &'a ObjectKey, Option<VersionId>),
}

impl Resource<'_> {
    pub(super) fn bucket(&self) -> Option<&BucketName> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) | Self::Object(bucket, ..) => Some(bucket),
        }
    }

    fn arn(&self) -> String {
        match self {
            Self::Service => iam::EVERY_BUCKET.to_owned(),
            Self::Bucket(bucket) => format!("arn:aws:s3:::{bucket}"),
            Self::Object(bucket, key, _) => format!("arn:aws:s3:::{bucket}/{}", key.as_str()),
        }
    }
}

/// What is known of the object that an action is about.
#[derive(Default)]
struct Existing {
    /// Canonical id of who owns it, where lists of grants count.
    owner: Option<String>,
    acl: Option<Acl>,
    /// It is not there: whoever may list the bucket may learn that.
    is_absent: bool,
}

/// Puts in what only the body of a request says.
pub type Told<'a> = &'a (dyn Fn(&mut Context) + Send + Sync);

/// Weighs one action.
pub(super) async fn weigh(
    authorized: &Authorized,
    settings: Option<&BucketSettings>,
    (action, resource): (&str, Resource<'_>),
    told: Told<'_>,
) -> S3Result<bool> {
    let caller = authorized.caller();
    let is_operator = caller.is_some_and(|caller| caller.role == Role::Operator);
    let is_narrowed = caller.is_some_and(Caller::is_narrowed);
    if is_operator && !is_narrowed && settings.is_none_or(|settings| settings.policy.is_none()) {
        return Ok(true);
    }
    let mut context = keys_of(&authorized.head, caller, &authorized.circumstances);
    insert_operation(&mut context, authorized.route.operation, &authorized.head);
    told(&mut context);
    let existing = match settings {
        Some(settings) => look_up(authorized, settings, (action, resource), &mut context).await?,
        None => Existing::default(),
    };
    let principal = caller.map_or(&Principal::Anonymous, |caller| &caller.principal);
    let arn = resource.arn();
    let request = AccessRequest { principal, action, resource: &arn, context: &context };
    let accounts = authorized.accounts();
    let owner = existing.owner.as_deref().or(settings.map(BucketSettings::owner));
    let owner_account = match is_operator {
        true => Some(ROOT_ACCOUNT),
        // An owner that is not known any more is nobody's account.
        false => owner.map(|owner| accounts.account_of(owner).unwrap_or("")),
    };
    let acl = settings
        .map_or(Verdict::Silent, |settings| acl_verdict(authorized, settings, &existing, action));
    let own_account = caller.and_then(|caller| caller.identity());
    let is_own = own_account.is_some_and(|own| Some(own.account.as_str()) == owner_account);
    let bucket = settings.and_then(|settings| settings.policy.as_ref());
    let policies = Policies {
        identity: caller.map_or(&[], |caller| &caller.policies),
        boundary: None,
        session: caller.and_then(Caller::session_policies),
        bucket,
        acl,
        owner_account,
    };
    let decision = iam::decide(&request, &policies);
    if decision == Decision::Allow
        && !is_own
        && let Some(settings) = settings.filter(|settings| settings.block.restricts_buckets)
        && settings.policy.as_ref().is_some_and(iam::Policy::is_public)
    {
        // A public policy gives nothing to others: only its denials count.
        let policies = Policies { bucket: None, ..policies };
        return Ok(iam::decide(&request, &policies) == Decision::Allow);
    }
    Ok(decision == Decision::Allow)
}

/// Looks the object up, where who owns it or what tags it has may decide.
async fn look_up(
    authorized: &Authorized,
    settings: &BucketSettings,
    (action, resource): (&str, Resource<'_>),
    context: &mut Context,
) -> S3Result<Existing> {
    let Resource::Object(bucket, key, version) = resource else {
        return Ok(Existing::default());
    };
    let matters = settings.has_acls() || asks_for_tags(authorized, settings);
    if !matters || !permission::is_about_existing(action) {
        return Ok(Existing::default());
    }
    let address = Address { bucket: bucket.clone(), key: key.clone(), version };
    let info: ObjectInfo = match authorized.store().head(address).await {
        Ok(info) => info,
        // The operation itself tells of an absence, to whoever may know.
        Err(
            StoreError::NoSuchKey | StoreError::NoSuchVersion | StoreError::DeleteMarker { .. },
        ) => return Ok(Existing { is_absent: true, ..Existing::default() }),
        Err(error) => return Err(error.into()),
    };
    insert_existing_tags(context, &info.attributes.tags);
    if !settings.has_acls() {
        return Ok(Existing::default());
    }
    // Whoever owns the bucket may delete what others wrote into it.
    if matches!(action, "s3:DeleteObject" | "s3:DeleteObjectVersion") {
        return Ok(Existing::default());
    }
    let acl = notes::acl_of(&info, settings.owner())?;
    Ok(Existing { owner: Some(acl.owner.clone()), acl: Some(acl), is_absent: false })
}

/// Whether any policy that has a say asks for the tags that an object has.
fn asks_for_tags(authorized: &Authorized, settings: &BucketSettings) -> bool {
    let caller = authorized.caller();
    let own = caller.map_or(&[][..], |caller| &caller.policies);
    let session = caller.and_then(Caller::session_policies).unwrap_or_default();
    own.iter().chain(session).any(|policy| policy.asks_for_tags())
        || settings.policy.as_ref().is_some_and(iam::Policy::asks_for_tags)
}

fn acl_verdict(
    authorized: &Authorized,
    settings: &BucketSettings,
    existing: &Existing,
    action: &str,
) -> Verdict {
    let Some((subject, wanted)) = permission::of_action(action) else {
        return Verdict::Silent;
    };
    let (acl, wanted) = match subject {
        Subject::Bucket => (Some(&settings.acl), wanted),
        Subject::Object if existing.is_absent => (Some(&settings.acl), Permission::Read),
        Subject::Object => (existing.acl.as_ref(), wanted),
    };
    let Some(acl) = acl.filter(|_| settings.has_acls()) else {
        return Verdict::Silent;
    };
    let public = match settings.block.ignores_acls {
        true => PublicGrants::Ignored,
        false => PublicGrants::Counted,
    };
    let asker = match authorized.caller() {
        None => Asker::Anonymous,
        Some(caller) => Asker::Account(caller.canonical_id()),
    };
    match acl.grants(asker, wanted, public) {
        true => Verdict::Allow,
        false => Verdict::Silent,
    }
}
