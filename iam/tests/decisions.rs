//! How policies come together: every combination of what each of them says.

use std::sync::Arc;

use iam::{
    AccessRequest, Context, Decision, Identity, Kind, Policies, Policy, Principal, Standing,
    Verdict, decide,
};

const OWNER: &str = "111111111111";
const VERDICTS: [Verdict; 3] = [Verdict::Silent, Verdict::Allow, Verdict::Deny];

/// A policy at a user that says the verdict to everything.
fn identity(verdict: Verdict) -> Arc<Policy> {
    let statement = match verdict {
        Verdict::Deny => r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#,
        Verdict::Allow => r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#,
        _ => r#"{"Effect":"Allow","Action":"kms:Nothing","Resource":"*"}"#,
    };
    let document = format!(r#"{{"Statement":{statement}}}"#);
    let policy = Policy::parse(document.as_bytes(), Kind::Identity, document.len());
    Arc::new(policy.expect("the test's policies are legal"))
}

/// A policy at the bucket that says the verdict to a caller of the account 111111111111 or another.
fn bucket(verdict: Verdict) -> Policy {
    let (effect, principal) = match verdict {
        Verdict::Deny => ("Deny", r#""*""#),
        Verdict::Allow => ("Allow", r#""*""#),
        Verdict::Delegate => ("Allow", r#"{"AWS":["111111111111","222222222222"]}"#),
        Verdict::Silent => ("Allow", r#"{"AWS":"333333333333"}"#),
    };
    let document = format!(
        r#"{{"Statement":{{"Effect":"{effect}","Principal":{principal},"Action":"s3:*",
            "Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}}}}"#
    );
    let kind = Kind::Bucket { bucket: "b" };
    Policy::parse(document.as_bytes(), kind, 1 << 10).expect("the test's policies are legal")
}

fn user(account: &str, standing: Standing) -> Principal {
    Principal::User(Identity {
        account: account.to_owned(),
        arn: format!("arn:aws:iam::{account}:user/bob"),
        canonical_id: "c".to_owned(),
        user_name: "bob".to_owned(),
        session_of: None,
        standing,
    })
}

fn ask(principal: &Principal, action: &str, policies: &Policies<'_>) -> Decision {
    let context = Context::of(principal);
    let resource = "arn:aws:s3:::b/k";
    decide(&AccessRequest { principal, action, resource, context: &context }, policies)
}

/// What a caller is told when its own policy and the bucket's say this.
fn check(principal: &Principal, own: Verdict, of_bucket: Verdict, expected: Decision) {
    let (own_policies, bucket_policy) = ([identity(own)], bucket(of_bucket));
    let policies = Policies {
        identity: &own_policies,
        bucket: Some(&bucket_policy),
        owner_account: Some(OWNER),
        ..Policies::default()
    };
    let found = ask(principal, "s3:GetObject", &policies);
    assert_eq!(found, expected, "{own:?} {of_bucket:?} {principal:?}");
}

#[test]
fn in_the_own_account_either_allows() {
    let bob = user(OWNER, Standing::Member);
    check(&bob, Verdict::Silent, Verdict::Silent, Decision::ImplicitDeny);
    check(&bob, Verdict::Silent, Verdict::Delegate, Decision::ImplicitDeny);
    check(&bob, Verdict::Silent, Verdict::Allow, Decision::Allow);
    check(&bob, Verdict::Allow, Verdict::Silent, Decision::Allow);
    check(&bob, Verdict::Allow, Verdict::Deny, Decision::ExplicitDeny);
    check(&bob, Verdict::Deny, Verdict::Allow, Decision::ExplicitDeny);
}

#[test]
fn across_accounts_both_must_allow() {
    let eve = user("222222222222", Standing::Member);
    check(&eve, Verdict::Allow, Verdict::Silent, Decision::ImplicitDeny);
    check(&eve, Verdict::Silent, Verdict::Allow, Decision::ImplicitDeny);
    check(&eve, Verdict::Allow, Verdict::Allow, Decision::Allow);
    check(&eve, Verdict::Allow, Verdict::Delegate, Decision::Allow);
    check(&eve, Verdict::Deny, Verdict::Allow, Decision::ExplicitDeny);
    check(&eve, Verdict::Allow, Verdict::Deny, Decision::ExplicitDeny);
    let root = user("222222222222", Standing::Root);
    check(&root, Verdict::Silent, Verdict::Silent, Decision::ImplicitDeny);
    check(&root, Verdict::Silent, Verdict::Delegate, Decision::Allow);
}

#[test]
fn anonymous_has_the_bucket_only() {
    // An identity's policy cannot be the anonymous's, whatever the caller passes.
    check(&Principal::Anonymous, Verdict::Allow, Verdict::Silent, Decision::ImplicitDeny);
    check(&Principal::Anonymous, Verdict::Silent, Verdict::Allow, Decision::Allow);
    check(&Principal::Anonymous, Verdict::Silent, Verdict::Delegate, Decision::ImplicitDeny);
    check(&Principal::Anonymous, Verdict::Silent, Verdict::Deny, Decision::ExplicitDeny);
    let policies = Policies { owner_account: Some(OWNER), ..Policies::default() };
    assert_eq!(ask(&Principal::Anonymous, "s3:GetObject", &policies), Decision::ImplicitDeny);
}

#[test]
fn root_may_everything_but_what_the_bucket_denies() {
    let root = user(OWNER, Standing::Root);
    check(&root, Verdict::Silent, Verdict::Silent, Decision::Allow);
    check(&root, Verdict::Silent, Verdict::Deny, Decision::ExplicitDeny);
}

#[test]
fn root_of_the_owner_always_reaches_the_policy() {
    let denial = bucket(Verdict::Deny);
    let ask_as = |account: &str, standing, action: &str| {
        let policies =
            Policies { bucket: Some(&denial), owner_account: Some(OWNER), ..Policies::default() };
        ask(&user(account, standing), action, &policies)
    };
    for action in ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"] {
        assert_eq!(ask_as(OWNER, Standing::Root, action), Decision::Allow, "{action}");
        assert_eq!(ask_as(OWNER, Standing::Member, action), Decision::ExplicitDeny, "{action}");
        let other = ask_as("222222222222", Standing::Root, action);
        assert_eq!(other, Decision::ExplicitDeny, "{action}");
    }
    let acl = ask_as(OWNER, Standing::Root, "s3:PutBucketAcl");
    assert_eq!(acl, Decision::ExplicitDeny);
}

#[test]
fn session_and_boundary_only_narrow() {
    let allow = [identity(Verdict::Allow)];
    for standing in [Standing::Member, Standing::Root] {
        for verdict in VERDICTS {
            let narrowing = [identity(verdict)];
            let session =
                Policies { identity: &allow, session: Some(&narrowing), ..Policies::default() };
            let boundary =
                Policies { identity: &allow, boundary: Some(&narrowing[0]), ..Policies::default() };
            let expected = match verdict {
                Verdict::Allow => Decision::Allow,
                Verdict::Deny => Decision::ExplicitDeny,
                _ => Decision::ImplicitDeny,
            };
            for policies in [session, boundary] {
                let found = ask(&user(OWNER, standing), "s3:PutBucketPolicy", &policies);
                assert_eq!(found, expected, "{standing:?} {verdict:?}");
            }
        }
    }
}

#[test]
fn session_gives_nothing_by_itself() {
    let (allow, none) = ([identity(Verdict::Allow)], []);
    let policies = Policies { session: Some(&allow), ..Policies::default() };
    let bob = user(OWNER, Standing::Member);
    assert_eq!(ask(&bob, "s3:GetObject", &policies), Decision::ImplicitDeny);
    let empty = Policies { identity: &allow, session: Some(&none), ..Policies::default() };
    assert_eq!(ask(&bob, "s3:GetObject", &empty), Decision::ImplicitDeny);
}

#[test]
fn cve_2024_24747_key_of_the_root_with_a_session_policy_is_held_to_it() {
    let read = br#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#;
    let read = Policy::parse(read, Kind::Identity, 1 << 10).expect("legal");
    let session = [Arc::new(read)];
    let policies = Policies { session: Some(&session), ..Policies::default() };
    let root = user(OWNER, Standing::Root);
    assert_eq!(ask(&root, "s3:GetObject", &policies), Decision::Allow);
    assert_eq!(ask(&root, "admin:CreateUser", &policies), Decision::ImplicitDeny);
    assert_eq!(ask(&root, "s3:PutBucketPolicy", &policies), Decision::ImplicitDeny);
}

#[test]
fn cve_2023_25812_denial_of_bypass_is_a_denial() {
    let document = br#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},
        {"Effect":"Deny","Action":"s3:BypassGovernanceRetention","Resource":"*"}]}"#;
    let policy = Policy::parse(document, Kind::Identity, 1 << 10).expect("legal");
    let own = [Arc::new(policy)];
    let policies = Policies { identity: &own, owner_account: Some(OWNER), ..Policies::default() };
    let bob = user(OWNER, Standing::Member);
    assert_eq!(ask(&bob, "s3:DeleteObject", &policies), Decision::Allow);
    assert_eq!(ask(&bob, "s3:BypassGovernanceRetention", &policies), Decision::ExplicitDeny);
}

#[test]
fn lists_count_as_the_bucket_s_word() {
    let ask_with = |principal: &Principal, own: Verdict, acl: Verdict| {
        let own_policies = [identity(own)];
        let policies = Policies {
            identity: &own_policies,
            acl,
            owner_account: Some(OWNER),
            ..Policies::default()
        };
        ask(principal, "s3:GetObject", &policies)
    };
    let (bob, eve) = (user(OWNER, Standing::Member), user("222222222222", Standing::Member));
    assert_eq!(ask_with(&Principal::Anonymous, Verdict::Silent, Verdict::Allow), Decision::Allow);
    assert_eq!(ask_with(&eve, Verdict::Allow, Verdict::Delegate), Decision::Allow);
    assert_eq!(ask_with(&eve, Verdict::Silent, Verdict::Delegate), Decision::ImplicitDeny);
    assert_eq!(ask_with(&bob, Verdict::Silent, Verdict::Delegate), Decision::ImplicitDeny);
    assert_eq!(ask_with(&bob, Verdict::Deny, Verdict::Allow), Decision::ExplicitDeny);
}

#[test]
fn one_of_several_policies_is_enough_to_allow_or_deny() {
    let bob = user(OWNER, Standing::Member);
    let ask_with = |verdicts: [Verdict; 2]| {
        let own = verdicts.map(identity);
        ask(&bob, "s3:GetObject", &Policies { identity: &own, ..Policies::default() })
    };
    assert_eq!(ask_with([Verdict::Silent, Verdict::Allow]), Decision::Allow);
    assert_eq!(ask_with([Verdict::Allow, Verdict::Deny]), Decision::ExplicitDeny);
    assert_eq!(ask_with([Verdict::Silent, Verdict::Silent]), Decision::ImplicitDeny);
}
