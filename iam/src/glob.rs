//! Patterns of `*` (any characters, also none) and `?` (one character), ready to compare.
//!
//! ```text
//! "a?c*def*g"  ->  segments  a?c | def | g      a star between each two
//! ```
//!
//! - G1: the first segment must begin the value and the last must end it; each between is taken at
//!   its leftmost place. That finds a match if there is one, and never goes back: without `?` the
//!   cost is that of searching the value once, with `?` at most pattern times value.

/// What stands between two stars.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Text(String),
    /// `None` stands for one character.
    Mixed(Vec<Option<char>>),
}

/// A compiled pattern: at least one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    first: Segment,
    /// What follows each star.
    others: Vec<Segment>,
}

impl Glob {
    /// A pattern without variables, as it is written.
    pub(crate) fn parse(pattern: &str) -> Glob {
        let mut builder = GlobBuilder::default();
        for character in pattern.chars() {
            match character {
                '*' => builder.any(),
                '?' => builder.one(),
                _ => builder.character(character),
            }
        }
        builder.finish()
    }

    /// Whether the whole value matches (G1).
    pub(crate) fn matches(&self, value: &str) -> bool {
        let Some(rest) = self.first.strip_prefix(value) else { return false };
        let Some((last, middle)) = self.others.split_last() else { return rest.is_empty() };
        let Some(mut rest) = last.strip_suffix(rest) else { return false };
        for segment in middle {
            match segment.find(rest) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        true
    }
}

impl Segment {
    /// What follows the segment in a value that begins with it.
    fn strip_prefix<'a>(&self, value: &'a str) -> Option<&'a str> {
        match self {
            Segment::Text(text) => value.strip_prefix(text.as_str()),
            Segment::Mixed(wanted) => {
                let mut found = value.chars();
                let fits = |want: &Option<char>| {
                    found.next().is_some_and(|have| want.is_none_or(|want| want == have))
                };
                wanted.iter().all(fits).then_some(found.as_str())
            }
        }
    }

    /// What precedes the segment in a value that ends with it.
    fn strip_suffix<'a>(&self, value: &'a str) -> Option<&'a str> {
        match self {
            Segment::Text(text) => value.strip_suffix(text.as_str()),
            Segment::Mixed(wanted) => {
                let mut found = value.chars();
                let fits = |want: &Option<char>| {
                    found.next_back().is_some_and(|have| want.is_none_or(|want| want == have))
                };
                wanted.iter().rev().all(fits).then_some(found.as_str())
            }
        }
    }

    /// What follows the leftmost place of the segment.
    fn find<'a>(&self, value: &'a str) -> Option<&'a str> {
        match self {
            Segment::Text(text) => {
                let start = value.find(text.as_str())?;
                value.get(start + text.len()..)
            }
            Segment::Mixed(_) => value
                .char_indices()
                .find_map(|(start, _)| value.get(start..).and_then(|at| self.strip_prefix(at))),
        }
    }
}

/// Puts a pattern together from texts and wildcards.
#[derive(Default)]
pub(crate) struct GlobBuilder {
    done: Vec<Segment>,
    current: Vec<Option<char>>,
}

impl GlobBuilder {
    /// A character that stands for itself.
    pub(crate) fn character(&mut self, character: char) {
        self.current.push(Some(character));
    }

    /// Characters that stand for themselves.
    pub(crate) fn text(&mut self, text: &str) {
        self.current.extend(text.chars().map(Some));
    }

    /// A `?`.
    pub(crate) fn one(&mut self) {
        self.current.push(None);
    }

    /// A `*`.
    pub(crate) fn any(&mut self) {
        let segment = segment_of(std::mem::take(&mut self.current));
        self.done.push(segment);
    }

    /// The pattern.
    pub(crate) fn finish(mut self) -> Glob {
        self.any();
        let mut segments = self.done.into_iter();
        let first = segments.next().expect("`any` has just pushed a segment");
        Glob { first, others: segments.collect() }
    }
}

fn segment_of(characters: Vec<Option<char>>) -> Segment {
    match characters.iter().copied().collect::<Option<String>>() {
        Some(text) => Segment::Text(text),
        None => Segment::Mixed(characters),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let glob = Glob::parse(pattern);
        for value in yes {
            assert!(glob.matches(value), "{pattern} matches {value}");
        }
        for value in no {
            assert!(!glob.matches(value), "{pattern} does not match {value}");
        }
    }

    #[test]
    fn patterns_match_whole_values() {
        check("", &[""], &["a"]);
        check("abc", &["abc"], &["ab", "abcd", "xabc", "ABC"]);
        check("*", &["", "a", "a/b"], &[]);
        check("a*", &["a", "ab"], &["", "ba"]);
        check("*a", &["a", "ba"], &["", "ab"]);
        check("a*a", &["aa", "aba"], &["a", "ab"]);
        check("ab*ba", &["abba", "abxba"], &["aba"]);
        check("a?c", &["abc", "a\u{fc}c"], &["ac", "abbc"]);
        check("?*?", &["ab", "abc"], &["", "a"]);
        check("*?b*", &["ab", "bb", "xaby"], &["b", "ba"]);
        check("**a**", &["a", "bab"], &["", "b"]);
        check("*ab*ab*", &["abab", "xabyabz"], &["ab", "aab"]);
    }

    #[test]
    fn hostile_pattern_is_not_exponential() {
        let glob = Glob::parse(&"*a?".repeat(600));
        assert!(!glob.matches(&"a".repeat(1_000)));
        let glob = Glob::parse(&"a*".repeat(1_000));
        assert!(!glob.matches(&format!("{}b", "a".repeat(999))));
    }

    /// The definition: slow, and clearly right.
    fn naive(pattern: &[char], value: &[char]) -> bool {
        match (pattern.split_first(), value.split_first()) {
            (None, None) => true,
            (Some((&'*', tail)), _) => (0..=value.len()).any(|taken| naive(tail, &value[taken..])),
            (Some((&'?', tail)), Some((_, rest))) => naive(tail, rest),
            (Some((want, tail)), Some((have, rest))) => want == have && naive(tail, rest),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn matches_agree_with_the_definition(
            pattern in "[ab*?\u{e4}]{0,8}",
            value in "[ab\u{e4}]{0,8}",
        ) {
            let wanted: Vec<char> = pattern.chars().collect();
            let found: Vec<char> = value.chars().collect();
            prop_assert_eq!(Glob::parse(&pattern).matches(&value), naive(&wanted, &found));
        }
    }
}
