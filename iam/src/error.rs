//! Why a policy is refused. The messages go to the client inside S3's `MalformedPolicy`, so they
//! have the words and the capital letters that AWS's have where AWS's are known.

/// A policy that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The document is longer than its place allows; S3 has a code of its own for that.
    #[error("Policy exceeds the maximum allowed document size of {len_max} bytes")]
    TooLong {
        /// Longest document in bytes.
        len_max: usize,
    },
    /// Not JSON, nested too deep, or a member stands twice in an object.
    #[error("Policies must be valid JSON and the first byte must be '{{': {0}")]
    Json(String),
    /// An element is missing, or there but empty.
    #[error("Missing required field {0} cannot be empty!")]
    Missing(&'static str),
    /// An element that the language does not have, or not at this place.
    #[error("Unknown field {0}")]
    Unknown(String),
    /// An element that is neither what the language wants there nor a list of it.
    #[error("Syntax errors in policy: {0} has the wrong type")]
    Type(&'static str),
    /// Two elements that exclude each other.
    #[error("Statement cannot have both {0} and {1}")]
    Both(&'static str, &'static str),
    /// More of something than a bound allows.
    #[error("Policy has more than {max} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// Its bound.
        max: usize,
    },
    /// Neither of the two versions of the language.
    #[error("The policy must contain a valid version string")]
    Version,
    /// Two statements have the same name.
    #[error("Statement IDs (SID) in a single policy must be unique: {0}")]
    SidTwice(String),
    /// Neither `Allow` nor `Deny`.
    #[error("Invalid effect: {0}")]
    Effect(String),
    /// Nobody that a policy could name so.
    #[error("Invalid principal in policy: {0}")]
    Principal(String),
    /// `NotPrincipal` would allow everybody else, and AWS has it with `Deny` only.
    #[error("Allow with NotPrincipal is not allowed")]
    NotPrincipalAllows,
    /// Not an action, or not one of this kind of policy.
    #[error("Policy has invalid action: {0}")]
    Action(String),
    /// Not the name of a resource, or not one of this bucket.
    #[error("Policy has invalid resource: {0}")]
    Resource(String),
    /// An action on buckets with objects only, or the other way round.
    #[error("Action does not apply to any resource(s) in statement: {0}")]
    ActionApart(String),
    /// No such condition operator.
    #[error("Invalid Condition type : {0}")]
    Operator(String),
    /// Not the name of a condition key, or one that stands twice under an operator.
    #[error("Policy has an invalid condition key: {0}")]
    ConditionKey(String),
    /// A value that its operator cannot compare.
    #[error("Invalid value {value:?} for condition operator {operator}")]
    Value {
        /// The operator as it is written.
        operator: String,
        /// The value.
        value: String,
    },
    /// A policy variable that is not well formed.
    #[error("Invalid policy variable in {0:?}")]
    Variable(String),
}
