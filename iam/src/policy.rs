//! A policy: read once, asked many times.

use crate::context::Context;
use crate::error::PolicyError;
use crate::json::{self, Json, Members};
use crate::keys;
use crate::list;
use crate::principal::Principal;
use crate::statement::{Statement, Surroundings};
use crate::template::Variables;

/// Longest policy of a bucket in bytes (S3 User Guide, "Bucket policies").
pub const BUCKET_POLICY_LEN_MAX: usize = 20 * 1024;
/// Most statements in a policy.
pub(crate) const STATEMENTS_MAX: usize = 500;
/// What a key about the tags that an object has begins with, in the form that compares.
const EXISTING_TAGS: &str = "s3:existingobjecttag";
/// Policy, statements, statement, condition, operator, values: six levels, and two to spare.
const NESTING_MAX: usize = 8;

/// Where a policy stands, which decides what may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// At a user, a session, or as a boundary: without `Principal`.
    Identity,
    /// At a bucket: with `Principal`, for this bucket and its objects, for actions of S3.
    Bucket {
        /// Name of the bucket.
        bucket: &'a str,
    },
}

/// What one caller wants.
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// What for: `s3:GetObject`.
    pub action: &'a str,
    /// On what: `arn:aws:s3:::bucket/key`; [`EVERY_BUCKET`] for actions on no bucket of a name.
    pub resource: &'a str,
    /// Everything else that a condition can ask for.
    pub context: &'a Context,
}

/// Resource of `s3:ListAllMyBuckets` and of actions of administration: only a statement for all
/// buckets means it.
pub const EVERY_BUCKET: &str = "arn:aws:s3:::*";

/// What a policy says to a request. Of two the greater one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing.
    #[default]
    Silent,
    /// Yes to the caller's account, which decides by the caller's own policies.
    Delegate,
    /// Yes to the caller.
    Allow,
    /// No, whatever another policy says.
    Deny,
}

/// A compiled policy.
#[derive(Clone, Debug)]
pub struct Policy {
    statements: Vec<Statement>,
    names_tags: bool,
}

impl Policy {
    /// Reads a document of at most `len_max` bytes.
    ///
    /// # Errors
    /// What is wrong with it, in the words that S3 answers.
    pub fn parse(document: &[u8], kind: Kind<'_>, len_max: usize) -> Result<Policy, PolicyError> {
        if document.len() > len_max {
            return Err(PolicyError::TooLong { len_max });
        }
        let tree = json::parse(document, NESTING_MAX).map_err(PolicyError::Json)?;
        Policy::of(tree, kind)
    }

    /// Compiles a document that stood in another one.
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub(crate) fn of(tree: Json, kind: Kind<'_>) -> Result<Policy, PolicyError> {
        let names_tags = tree.has_text(&|text| text.to_ascii_lowercase().contains(EXISTING_TAGS));
        let mut members = Members::of(tree).ok_or(PolicyError::Type("Policy"))?;
        let variables = variables(members.take("Version"))?;
        members.take("Id").map(|id| list::text(id, "Id")).transpose()?;
        let values = match members.take("Statement") {
            None => return Err(PolicyError::Missing("Statement")),
            Some(Json::List(list)) if list.is_empty() => {
                return Err(PolicyError::Missing("Statement"));
            }
            Some(Json::List(list)) => list,
            Some(single) => vec![single],
        };
        if let Some(name) = members.left_over() {
            return Err(PolicyError::Unknown(name));
        }
        if values.len() > STATEMENTS_MAX {
            return Err(PolicyError::TooMany { what: "statements", max: STATEMENTS_MAX });
        }
        let mut statements = Vec::with_capacity(values.len());
        let mut sids: Vec<String> = Vec::new();
        for value in values {
            let (statement, sid) = Statement::parse(value, Surroundings { kind, variables })?;
            statements.push(statement);
            // Tools write an empty `Sid` into each statement.
            let Some(sid) = sid.filter(|sid| !sid.is_empty()) else { continue };
            if sids.contains(&sid) {
                return Err(PolicyError::SidTwice(sid));
            }
            sids.push(sid);
        }
        Ok(Policy { statements, names_tags })
    }

    /// What the policy says to a request.
    pub fn judge(&self, request: &AccessRequest<'_>) -> Verdict {
        let action = request.action.to_ascii_lowercase();
        let mut verdict = Verdict::Silent;
        for statement in &self.statements {
            verdict = verdict.max(statement.judge(request, &action));
            if verdict == Verdict::Deny {
                break;
            }
        }
        verdict
    }

    /// Whether what it says may depend on the tags of an object (`s3:ExistingObjectTag`), in a
    /// condition or a variable: then a request without them cannot be judged.
    pub fn asks_for_tags(&self) -> bool {
        self.names_tags
    }

    /// Checks that conditions are on something that requests have: a denial on another key would
    /// never come. Policies that are kept already are taken without it.
    ///
    /// # Errors
    /// [`PolicyError::ConditionKey`] with the name.
    pub fn check_keys(&self) -> Result<(), PolicyError> {
        let mut keys = self.statements.iter().flat_map(Statement::keys);
        match keys.find(|key| !keys::is_known(key)) {
            Some(key) => Err(PolicyError::ConditionKey(key.to_owned())),
            None => Ok(()),
        }
    }

    /// Whether a bucket's policy is public: some statement allows something to everybody, and does
    /// not hold the caller to a fixed place or principal.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(Statement::is_public)
    }
}

/// What the document's version says about variables.
fn variables(version: Option<Json>) -> Result<Variables, PolicyError> {
    match version {
        None => Ok(Variables::Literal),
        Some(Json::Text(version)) if version == "2008-10-17" => Ok(Variables::Literal),
        Some(Json::Text(version)) if version == "2012-10-17" => Ok(Variables::Replaced),
        Some(_) => Err(PolicyError::Version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_asks_for_tags_says_so_however_it_is_written() {
        let policy = |condition: &str, resource: &str| {
            let text = format!(
                "{{\"Version\":\"2012-10-17\",\"Statement\":{{\"Effect\":\"Allow\",\"Action\":\
                 \"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b/{resource}\",\"Condition\":\
                 {{\"StringEquals\":{{\"{condition}\":\"x\"}}}}}}}}"
            );
            Policy::parse(text.as_bytes(), Kind::Identity, 2048).expect("a policy")
        };
        assert!(policy("s3:ExistingObjectTag/a", "*").asks_for_tags());
        assert!(policy("S3:\\u0045xistingobjecttag/a", "*").asks_for_tags());
        assert!(policy("s3:prefix", "${s3:ExistingObjectTag/a}").asks_for_tags());
        assert!(!policy("s3:prefix", "*").asks_for_tags());
    }
}
