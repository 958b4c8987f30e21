//! Writes a JSON document into one string, field by field, in the order of the calls. Numbers are
//! whole; there is no nesting but what the closures show.

use std::fmt::Write;

/// An object in the making.
#[derive(Debug)]
pub struct JsonWriter {
    out: String,
    /// Whether nothing stands between the last bracket and here.
    is_first: bool,
}

/// A document whose root is an object.
pub fn document(write: impl FnOnce(&mut JsonWriter)) -> String {
    let mut json = JsonWriter { out: String::with_capacity(1024), is_first: true };
    json.enclose(['{', '}'], write);
    json.out
}

impl JsonWriter {
    /// A field that holds text.
    pub fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quote(value);
    }

    /// A field that holds a number.
    pub fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// A field that holds a number, or `null` where nobody knows it.
    pub fn number_if(&mut self, name: &str, value: Option<u64>) {
        match value {
            Some(value) => self.number(name, value),
            None => {
                self.name(name);
                self.out.push_str("null");
            }
        }
    }

    /// A field that holds `true` or `false`.
    pub fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.out.push_str(if value { "true" } else { "false" });
    }

    /// A field that holds an object.
    pub fn object(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.name(name);
        self.enclose(['{', '}'], write);
    }

    /// A field that holds a list of objects.
    pub fn list<T>(&mut self, name: &str, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.name(name);
        self.enclose(['[', ']'], |json| {
            for item in items {
                json.separate();
                json.enclose(['{', '}'], |json| write(json, item));
            }
        });
    }

    fn enclose(&mut self, [open, close]: [char; 2], write: impl FnOnce(&mut Self)) {
        self.out.push(open);
        self.is_first = true;
        write(self);
        self.out.push(close);
        self.is_first = false;
    }

    fn separate(&mut self) {
        if !self.is_first {
            self.out.push(',');
        }
        self.is_first = false;
    }

    fn name(&mut self, name: &str) {
        self.separate();
        self.quote(name);
        self.out.push(':');
    }

    fn quote(&mut self, text: &str) {
        self.out.push('"');
        for letter in text.chars() {
            match letter {
                '"' | '\\' => self.out.extend(['\\', letter]),
                // Controls, and what ends a line for some readers.
                '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                    let _ = write!(self.out, "\\u{:04x}", u32::from(letter));
                }
                _ => self.out.push(letter),
            }
        }
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_in_the_order_of_the_calls() {
        let text = document(|json| {
            json.text("b", "x");
            json.number("a", u64::MAX);
            json.number_if("none", None);
            json.object("inner", |json| json.flag("yes", true));
            json.object("empty", |_| {});
            json.list("items", &[1, 2], |json, item| json.number("n", *item));
            json.list("nothing", &[0; 0], |_, _| {});
            json.flag("last", false);
        });
        assert_eq!(
            text,
            "{\"b\":\"x\",\"a\":18446744073709551615,\"none\":null,\"inner\":{\"yes\":true},\
             \"empty\":{},\"items\":[{\"n\":1},{\"n\":2}],\"nothing\":[],\"last\":false}"
        );
    }

    #[test]
    fn text_cannot_leave_its_quotes() {
        let text = document(|json| json.text("t", "\"\\\n\u{1b}[31m\u{7f}\u{2028}\u{fc}"));
        let expected = r#"{"t":"\"\\\u000a\u001b[31m\u007f\u2028"#.to_owned() + "\u{fc}\"}";
        assert_eq!(text, expected);
    }
}
