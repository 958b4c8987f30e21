//! The text format of Prometheus, line by line.

use std::fmt::Write;

/// A page of metrics in the making.
pub(super) struct Text(pub(super) String);

impl Text {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A family of one sample without labels. Its name tells what it is: counters end in `_total`.
    pub(super) fn single(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, kind_of(name), help);
        self.sample(name, "", value);
    }

    /// A whole number.
    pub(super) fn sample(&mut self, name: &str, labels: &str, value: u64) {
        self.line(name, labels, &value.to_string());
    }

    /// Any value.
    pub(super) fn line(&mut self, name: &str, labels: &str, value: &str) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
    }
}

/// Counters are told from gauges by their names.
pub(super) fn kind_of(name: &str) -> &'static str {
    if name.ends_with("_total") { "counter" } else { "gauge" }
}

/// Labels with values that anybody may have chosen.
pub(super) fn labels(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let separator = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{separator}{name}=\"");
        for letter in value.chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                letter if letter.is_control() => text.push(char::REPLACEMENT_CHARACTER),
                letter => text.push(letter),
            }
        }
        text.push('"');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_cannot_leave_their_quotes() {
        let text = labels(&[("place", "/a \"b\"\\\n} 1\r\u{1b}"), ("state", "healthy")]);
        assert_eq!(text, "place=\"/a \\\"b\\\"\\\\\\n} 1\u{fffd}\u{fffd}\",state=\"healthy\"");
    }
}
