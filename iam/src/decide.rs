//! How policies of different kinds come together.
//!
//! ```text
//! any Deny --------------------------------------------> ExplicitDeny
//!   else  anonymous:       bucket or ACL allows          -+
//!         own account:     identity, bucket or ACL allows +--> and boundary, and session --> Allow
//!         other account:   identity allows, and bucket   -+        allow, where they are
//!                          or ACL allow or delegate              otherwise -----> ImplicitDeny
//! ```
//!
//! - D1: an explicit denial in any policy wins, with the one exception of D3.
//! - D2: a boundary and a session's policies only narrow, whoever gave the permission.
//! - D3: the root of an account may do everything to what the account owns, unless a bucket's
//!   policy denies it; and no bucket's policy keeps it from reading, replacing or deleting that
//!   policy.
//! - D4: what nobody allowed is denied.

use std::sync::Arc;

use crate::policy::{AccessRequest, Policy, Verdict};
use crate::principal::{Principal, Standing};

/// Everything that has a say in a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// Policies of the caller; of a session, those of whom it is a session of.
    pub identity: &'a [Arc<Policy>],
    /// The most that the caller's policies can give.
    pub boundary: Option<&'a Policy>,
    /// Policies of the caller's session: one of them must allow. `None` if it has no policies; an
    /// empty list allows nothing.
    pub session: Option<&'a [Arc<Policy>]>,
    /// Policy of the bucket.
    pub bucket: Option<&'a Policy>,
    /// What the access control lists say, for the action and the caller: [`Verdict::Allow`] to the
    /// anonymous by a group, [`Verdict::Delegate`] to the account of a grantee, or silence.
    pub acl: Verdict,
    /// Account that owns the bucket; `None` if the request is about no bucket that there is.
    pub owner_account: Option<&'a str>,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// A policy said no.
    ExplicitDeny,
    /// No policy said yes.
    ImplicitDeny,
}

/// Actions that D3 keeps for the root.
const ROOT_ACTIONS: [&str; 3] =
    ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];

/// Decides a request.
pub fn decide(request: &AccessRequest<'_>, policies: &Policies<'_>) -> Decision {
    let is_root = standing(request.principal) == Some(Standing::Root);
    let is_own = is_own_account(request.principal, policies.owner_account);
    let identity = strongest(policies.identity, request);
    let session = policies.session.map_or(Verdict::Allow, |list| strongest(list, request));
    let boundary = policies.boundary.map_or(Verdict::Allow, |policy| policy.judge(request));
    let bucket = match policies.bucket.map_or(Verdict::Silent, |policy| policy.judge(request)) {
        // D3: the root can always repair the policy.
        Verdict::Deny if is_root && is_own && is_root_action(request.action) => Verdict::Silent,
        verdict => verdict,
    };
    let resource = bucket.max(policies.acl);
    if [identity, session, boundary, resource].contains(&Verdict::Deny) {
        return Decision::ExplicitDeny;
    }
    let by_identity = is_root || identity == Verdict::Allow;
    let is_given = match request.principal {
        Principal::Anonymous => resource == Verdict::Allow,
        Principal::User(_) if is_own => by_identity || resource == Verdict::Allow,
        Principal::User(_) => by_identity && resource != Verdict::Silent,
    };
    let is_left = session == Verdict::Allow && boundary == Verdict::Allow;
    if is_given && is_left { Decision::Allow } else { Decision::ImplicitDeny }
}

fn strongest(policies: &[Arc<Policy>], request: &AccessRequest<'_>) -> Verdict {
    policies.iter().map(|policy| policy.judge(request)).max().unwrap_or(Verdict::Silent)
}

fn standing(principal: &Principal) -> Option<Standing> {
    match principal {
        Principal::Anonymous => None,
        Principal::User(user) => Some(user.standing),
    }
}

/// What belongs to nobody yet counts as the caller's.
fn is_own_account(principal: &Principal, owner_account: Option<&str>) -> bool {
    match principal {
        Principal::Anonymous => false,
        Principal::User(user) => owner_account.is_none_or(|owner| owner == user.account),
    }
}

fn is_root_action(action: &str) -> bool {
    ROOT_ACTIONS.iter().any(|root| root.eq_ignore_ascii_case(action))
}
