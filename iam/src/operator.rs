//! Condition operators: their names, and what each asks.

use std::fmt;

/// An operator as it stands in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    name: &'static str,
    pub(crate) family: Family,
    pub(crate) sense: Sense,
    pub(crate) quantifier: Quantifier,
    pub(crate) when_absent: WhenAbsent,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Text,
    FoldedText,
    Like,
    Number(Relation),
    Date(Relation),
    Bool,
    Binary,
    Address,
    Arn,
    Null,
}

/// Whether the operator wants a match or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sense {
    Plain,
    Negated,
}

/// How many of the request's values must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    Plain,
    All,
    Any,
}

/// `Holds` is `..IfExists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenAbsent {
    Compares,
    Holds,
}

/// Order of the request's value and the policy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Relation {
    /// Whether the request's value stands so to the policy's; what is no value does not.
    pub(crate) fn holds(self, value: Option<i128>, wanted: i128) -> bool {
        value.is_some_and(|value| match self {
            Relation::Equal => value == wanted,
            Relation::Less => value < wanted,
            Relation::LessOrEqual => value <= wanted,
            Relation::Greater => value > wanted,
            Relation::GreaterOrEqual => value >= wanted,
        })
    }
}

/// Every operator without prefix and suffix.
const OPERATORS: [(&str, Family, Sense); 27] = [
    ("StringEquals", Family::Text, Sense::Plain),
    ("StringNotEquals", Family::Text, Sense::Negated),
    ("StringEqualsIgnoreCase", Family::FoldedText, Sense::Plain),
    ("StringNotEqualsIgnoreCase", Family::FoldedText, Sense::Negated),
    ("StringLike", Family::Like, Sense::Plain),
    ("StringNotLike", Family::Like, Sense::Negated),
    ("NumericEquals", Family::Number(Relation::Equal), Sense::Plain),
    ("NumericNotEquals", Family::Number(Relation::Equal), Sense::Negated),
    ("NumericLessThan", Family::Number(Relation::Less), Sense::Plain),
    ("NumericLessThanEquals", Family::Number(Relation::LessOrEqual), Sense::Plain),
    ("NumericGreaterThan", Family::Number(Relation::Greater), Sense::Plain),
    ("NumericGreaterThanEquals", Family::Number(Relation::GreaterOrEqual), Sense::Plain),
    ("DateEquals", Family::Date(Relation::Equal), Sense::Plain),
    ("DateNotEquals", Family::Date(Relation::Equal), Sense::Negated),
    ("DateLessThan", Family::Date(Relation::Less), Sense::Plain),
    ("DateLessThanEquals", Family::Date(Relation::LessOrEqual), Sense::Plain),
    ("DateGreaterThan", Family::Date(Relation::Greater), Sense::Plain),
    ("DateGreaterThanEquals", Family::Date(Relation::GreaterOrEqual), Sense::Plain),
    ("Bool", Family::Bool, Sense::Plain),
    ("BinaryEquals", Family::Binary, Sense::Plain),
    ("IpAddress", Family::Address, Sense::Plain),
    ("NotIpAddress", Family::Address, Sense::Negated),
    ("ArnEquals", Family::Arn, Sense::Plain),
    ("ArnLike", Family::Arn, Sense::Plain),
    ("ArnNotEquals", Family::Arn, Sense::Negated),
    ("ArnNotLike", Family::Arn, Sense::Negated),
    ("Null", Family::Null, Sense::Plain),
];

impl Operator {
    /// Reads an operator's name. `Null` takes neither prefix nor suffix: it is about absence
    /// itself.
    pub(crate) fn parse(text: &str) -> Option<Operator> {
        let (quantifier, rest) = match text.split_once(':') {
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(_) => return None,
            None => (Quantifier::Plain, text),
        };
        let (when_absent, base) = match rest.strip_suffix("IfExists") {
            Some(base) => (WhenAbsent::Holds, base),
            None => (WhenAbsent::Compares, rest),
        };
        let (name, family, sense) = *OPERATORS.iter().find(|(name, _, _)| *name == base)?;
        let is_bare = quantifier == Quantifier::Plain && when_absent == WhenAbsent::Compares;
        let is_legal = family != Family::Null || is_bare;
        is_legal.then_some(Operator { name, family, sense, quantifier, when_absent })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.quantifier {
            Quantifier::Plain => "",
            Quantifier::All => "ForAllValues:",
            Quantifier::Any => "ForAnyValue:",
        };
        let suffix = match self.when_absent {
            WhenAbsent::Compares => "",
            WhenAbsent::Holds => "IfExists",
        };
        write!(formatter, "{prefix}{}{suffix}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_is_read_in_every_form() {
        for (name, family, _) in OPERATORS {
            for prefix in ["", "ForAllValues:", "ForAnyValue:"] {
                for suffix in ["", "IfExists"] {
                    let text = format!("{prefix}{name}{suffix}");
                    let found = Operator::parse(&text).map(|operator| operator.to_string());
                    let is_legal = family != Family::Null || text == "Null";
                    assert_eq!(found, is_legal.then_some(text));
                }
            }
        }
    }

    #[test]
    fn other_names_are_refused() {
        for text in [
            "",
            "stringequals",
            "StringEqual",
            "ForAll:StringEquals",
            "IfExists",
            "StringEqualsIfExistsIfExists",
            "ForAllValues:",
            "BinaryNotEquals",
        ] {
            assert_eq!(Operator::parse(text), None, "{text}");
        }
    }
}
