//! A file of declared users, read from its bytes.
//!
//! ```json
//! { "version": 1,
//!   "users": [ { "access_key": "..", "secret_key": "..", "canonical_id": "..",
//!                "display_name": "..", "email": "..", "account": "123456789012",
//!                "user_name": "bob",
//!                "arn": "arn:aws:iam::123456789012:user/bob", "policies": ["readonly", "mine"],
//!                "root": false } ],
//!   "policies": { "mine": { "Version": "2012-10-17", "Statement": [] } } }
//! ```
//!
//! `email`, `arn`, `policies`, `root`, `display_name` (the user's name) and the file's own
//! `policies` may be absent.
//!
//! - U1: no two users share an access key, a canonical id, an e-mail address or a name (ARN).
//! - U2: a root has no policies: it may do everything in its account, and what it may not do is for
//!   the buckets' policies to say.
//! - U3: the file counts as a whole or not at all; an unknown member refuses it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::canned::canned;
use crate::error::PolicyError;
use crate::json::{self, Json, Members};
use crate::policy::{Kind, Policy};
use crate::principal::{Identity, Principal, Standing};

/// Longest file in bytes.
pub const FILE_LEN_MAX: usize = 64 * 1024 * 1024;
/// Most users in a file.
pub const USERS_MAX: usize = 10_000;
/// Most policies in a file.
pub const POLICIES_MAX: usize = 10_000;
/// Longest policy in a file, in bytes without blanks between its parts.
pub const POLICY_LEN_MAX: usize = 20 * 1024;
/// Most policies of a user.
pub const USER_POLICIES_MAX: usize = 50;

const VERSION: &str = "1";
/// File, policies, and what a policy needs.
const NESTING_MAX: usize = 10;
const ACCESS_KEY_LEN_MIN: usize = 3;
const SECRET_KEY_LEN_MIN: usize = 8;
const TEXT_LEN_MAX: usize = 128;
const ARN_LEN_MAX: usize = 2048;

/// A file that is refused. It is the operator's: it names members and users, never a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    /// The file is longer than [`FILE_LEN_MAX`].
    #[error("users file longer than {FILE_LEN_MAX} bytes")]
    TooLong,
    /// Not JSON, or a member stands twice in an object.
    #[error("users file is not valid JSON: {0}")]
    Json(String),
    /// A version that this program does not know.
    #[error("users file has no version that is known; {VERSION} is")]
    Version,
    /// A member that is absent, unknown, or not of its type.
    #[error("users file, {place}: member {member:?} is {problem}")]
    Member {
        /// Which user, or which part of the file.
        place: String,
        /// Which member.
        member: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two users that cannot be told apart (U1).
    #[error("users file, {place}: {member} is that of another user")]
    Twice {
        /// The second of the two.
        place: String,
        /// What they share.
        member: &'static str,
    },
    /// A policy of the file is none.
    #[error("users file, policy {name:?}: {source}")]
    Policy {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: PolicyError,
    },
    /// A policy that is neither in the file nor canned.
    #[error("users file, {place}: no policy {name:?}")]
    NoPolicy {
        /// Whose policy.
        place: String,
        /// Its name.
        name: String,
    },
    /// More of something than a bound allows.
    #[error("users file has more than {max} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// Its bound.
        max: usize,
    },
}

/// A secret key. It shows itself to nobody who does not ask for it by name.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// The secret, to compute signatures with.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(..)")
    }
}

/// A declared user.
#[derive(Clone, Debug)]
pub struct User {
    /// Names the user in a signature.
    pub access_key: String,
    /// Proves the signature.
    pub secret_key: SecretKey,
    /// Name for people, as ACLs and listings show it.
    pub display_name: String,
    /// Address by which an ACL can name the user.
    pub email: Option<String>,
    /// What policies know of the user; always [`Principal::User`].
    pub principal: Principal,
    /// Policies of the user.
    pub policies: Vec<Arc<Policy>>,
}

impl User {
    /// What policies know of the user.
    pub fn identity(&self) -> &Identity {
        match &self.principal {
            Principal::User(identity) => identity,
            Principal::Anonymous => unreachable!("a declared user is never anonymous"),
        }
    }
}

/// All declared users.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    users: Vec<User>,
    by_access_key: HashMap<String, usize>,
    by_canonical_id: HashMap<String, usize>,
    by_email: HashMap<String, usize>,
    by_arn: HashMap<String, usize>,
}

impl Directory {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn parse(file: &[u8]) -> Result<Directory, UsersError> {
        if file.len() > FILE_LEN_MAX {
            return Err(UsersError::TooLong);
        }
        let tree = json::parse(file, NESTING_MAX).map_err(UsersError::Json)?;
        let mut reader = Reader::new("file".to_owned(), tree)?;
        match reader.members.take("version") {
            Some(Json::Number(version)) if version == VERSION => {}
            _ => return Err(UsersError::Version),
        }
        let policies = policies(reader.members.take("policies"))?;
        let Some(Json::List(users)) = reader.members.take("users") else {
            return Err(reader.wrong("users", "no list"));
        };
        reader.finish()?;
        if users.len() > USERS_MAX {
            return Err(UsersError::TooMany { what: "users", max: USERS_MAX });
        }
        let mut directory = Directory::default();
        for (index, value) in users.into_iter().enumerate() {
            let place = format!("user {}", index + 1);
            directory.add(user(Reader::new(place.clone(), value)?, &policies)?, place)?;
        }
        Ok(directory)
    }

    /// Takes a user in, who must differ from all others (U1).
    fn add(&mut self, user: User, place: String) -> Result<(), UsersError> {
        let index = self.users.len();
        let identity = user.identity();
        let email = user.email.as_ref().map(|email| email.to_lowercase());
        for (map, key, member) in [
            (&mut self.by_access_key, Some(user.access_key.clone()), "access_key"),
            (&mut self.by_canonical_id, Some(identity.canonical_id.clone()), "canonical_id"),
            (&mut self.by_arn, Some(identity.arn.clone()), "arn"),
            (&mut self.by_email, email, "email"),
        ] {
            if key.is_some_and(|key| map.insert(key, index).is_some()) {
                return Err(UsersError::Twice { place, member });
            }
        }
        self.users.push(user);
        Ok(())
    }

    /// The user of an access key.
    pub fn by_access_key(&self, access_key: &str) -> Option<&User> {
        self.users.get(*self.by_access_key.get(access_key)?)
    }

    /// The user of a canonical id.
    pub fn by_canonical_id(&self, canonical_id: &str) -> Option<&User> {
        self.users.get(*self.by_canonical_id.get(canonical_id)?)
    }

    /// The user of an e-mail address; its case does not count.
    pub fn by_email(&self, email: &str) -> Option<&User> {
        self.users.get(*self.by_email.get(&email.to_lowercase())?)
    }

    /// The user of an ARN.
    pub fn by_arn(&self, arn: &str) -> Option<&User> {
        self.users.get(*self.by_arn.get(arn)?)
    }

    /// All users, in the order of the file.
    pub fn users(&self) -> &[User] {
        &self.users
    }
}

/// Takes members out of one object and says where it stands when something is wrong.
struct Reader {
    place: String,
    members: Members,
}

impl Reader {
    fn new(place: String, value: Json) -> Result<Reader, UsersError> {
        match Members::of(value) {
            Some(members) => Ok(Reader { place, members }),
            None => {
                let member = String::new();
                Err(UsersError::Member { place, member, problem: "no object" })
            }
        }
    }

    fn wrong(&self, member: &str, problem: &'static str) -> UsersError {
        UsersError::Member { place: self.place.clone(), member: member.to_owned(), problem }
    }

    fn optional(&mut self, member: &str) -> Result<Option<String>, UsersError> {
        match self.members.take(member) {
            None => Ok(None),
            Some(Json::Text(text)) if is_text(&text, TEXT_LEN_MAX) => Ok(Some(text)),
            Some(Json::Text(_)) => {
                Err(self.wrong(member, "empty, too long, or has odd characters"))
            }
            Some(_) => Err(self.wrong(member, "no text")),
        }
    }

    fn required(&mut self, member: &str) -> Result<String, UsersError> {
        self.optional(member)?.ok_or_else(|| self.wrong(member, "absent"))
    }

    fn finish(self) -> Result<(), UsersError> {
        let Reader { place, members } = self;
        match members.left_over() {
            Some(member) => Err(UsersError::Member { place, member, problem: "unknown" }),
            None => Ok(()),
        }
    }
}

fn is_text(text: &str, len_max: usize) -> bool {
    let is_long = text.is_empty() || text.len() > len_max;
    !is_long && !text.contains(char::is_control) && text.trim() == text
}

type Policies = HashMap<String, Arc<Policy>>;

/// The file's own policies, and the canned ones.
fn policies(value: Option<Json>) -> Result<Policies, UsersError> {
    let mut found = Policies::new();
    for name in crate::canned::CANNED_NAMES {
        found.extend(canned(name).map(|policy| (name.to_owned(), Arc::new(policy))));
    }
    let place = || "policies".to_owned();
    let members = match value {
        None => return Ok(found),
        Some(Json::Object(members)) => members,
        Some(_) => {
            let member = String::new();
            return Err(UsersError::Member { place: place(), member, problem: "no object" });
        }
    };
    if members.len() > POLICIES_MAX {
        return Err(UsersError::TooMany { what: "policies", max: POLICIES_MAX });
    }
    for (name, document) in members {
        if !is_text(&name, TEXT_LEN_MAX) || found.contains_key(&name) {
            let problem = "no name for a policy, or that of a canned one";
            return Err(UsersError::Member { place: place(), member: name, problem });
        }
        let policy = if document.compact_len() > POLICY_LEN_MAX {
            Err(PolicyError::TooLong { len_max: POLICY_LEN_MAX })
        } else {
            Policy::of(document, Kind::Identity)
        };
        let policy = policy.and_then(|policy| policy.check_keys().map(|()| policy));
        match policy {
            Ok(policy) => found.insert(name, Arc::new(policy)),
            Err(source) => return Err(UsersError::Policy { name, source }),
        };
    }
    Ok(found)
}

fn user(mut reader: Reader, policies: &Policies) -> Result<User, UsersError> {
    let access_key = reader.required("access_key")?;
    if !is_access_key(&access_key) {
        return Err(reader.wrong("access_key", "too short, or has one of '/', ',', '=' or a blank"));
    }
    let secret_key = reader.required("secret_key")?;
    if secret_key.len() < SECRET_KEY_LEN_MIN {
        return Err(reader.wrong("secret_key", "too short"));
    }
    let standing = standing(&mut reader)?;
    let account = reader.required("account")?;
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(reader.wrong("account", "not 12 digits"));
    }
    let user_name = reader.required("user_name")?;
    if !user_name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)) {
        return Err(reader.wrong("user_name", "no name for a user"));
    }
    let arn = arn(&mut reader, &account, &user_name, standing)?;
    let display_name = reader.optional("display_name")?.unwrap_or_else(|| user_name.clone());
    let email = reader.optional("email")?;
    let canonical_id = reader.required("canonical_id")?;
    let policies = user_policies(&mut reader, policies)?;
    if standing == Standing::Root && !policies.is_empty() {
        return Err(reader.wrong("policies", "not for a root"));
    }
    reader.finish()?;
    let identity = Identity { account, arn, canonical_id, user_name, session_of: None, standing };
    let secret_key = SecretKey(secret_key);
    let principal = Principal::User(identity);
    Ok(User { access_key, secret_key, display_name, email, principal, policies })
}

/// What a signature's scope can carry: no separator of it.
fn is_access_key(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_graphic() && !b"/,=".contains(&byte);
    text.len() >= ACCESS_KEY_LEN_MIN && text.bytes().all(is_legal)
}

fn standing(reader: &mut Reader) -> Result<Standing, UsersError> {
    match reader.members.take("root") {
        None | Some(Json::Bool(false)) => Ok(Standing::Member),
        Some(Json::Bool(true)) => Ok(Standing::Root),
        Some(_) => Err(reader.wrong("root", "neither true nor false")),
    }
}

/// The user's name in policies: the one given, of the same account, or the one that AWS would give.
fn arn(
    reader: &mut Reader,
    account: &str,
    user_name: &str,
    standing: Standing,
) -> Result<String, UsersError> {
    let prefix = format!("arn:aws:iam::{account}:");
    let root = format!("{prefix}root");
    let given = match reader.members.take("arn") {
        None => None,
        Some(Json::Text(text)) if is_text(&text, ARN_LEN_MAX) => Some(text),
        Some(_) => return Err(reader.wrong("arn", "no text, or too long")),
    };
    let arn = match (given, standing) {
        (Some(arn), _) => arn,
        (None, Standing::Root) => root.clone(),
        (None, Standing::Member) => format!("{prefix}user/{user_name}"),
    };
    let resource = arn.strip_prefix(&prefix);
    let is_member = |resource: &str| {
        let name = resource.strip_prefix("user/").or_else(|| resource.strip_prefix("role/"));
        name.is_some_and(|name| !name.is_empty() && !name.contains(['*', '?', '$']))
    };
    let is_legal = match standing {
        Standing::Root => arn == root,
        Standing::Member => resource.is_some_and(is_member),
    };
    if is_legal { Ok(arn) } else { Err(reader.wrong("arn", "none of this user's account")) }
}

fn user_policies(reader: &mut Reader, known: &Policies) -> Result<Vec<Arc<Policy>>, UsersError> {
    let names = match reader.members.take("policies") {
        None => return Ok(Vec::new()),
        Some(Json::List(names)) => names,
        Some(_) => return Err(reader.wrong("policies", "no list")),
    };
    if names.len() > USER_POLICIES_MAX {
        return Err(UsersError::TooMany { what: "policies of a user", max: USER_POLICIES_MAX });
    }
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let Json::Text(name) = name else {
            return Err(reader.wrong("policies", "no list of names"));
        };
        match known.get(&name) {
            Some(policy) => found.push(Arc::clone(policy)),
            None => return Err(UsersError::NoPolicy { place: reader.place.clone(), name }),
        }
    }
    Ok(found)
}
