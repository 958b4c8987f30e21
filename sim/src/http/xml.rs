//! Just enough XML to read answers: the texts of elements by name.

/// What is between `<name>` and `</name>`, for each such element in order, as it stands.
pub fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find(&open) {
        let inner = &rest[start + open.len()..];
        let Some(end) = inner.find(&close) else { break };
        found.push(&inner[..end]);
        rest = &inner[end + close.len()..];
    }
    found
}

/// The text of the first element of that name, without its escapes.
pub fn text(xml: &str, name: &str) -> Option<String> {
    elements(xml, name).first().map(|text| unescape(text))
}

/// Resolves the five named entities and numeric references.
pub fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        plain.push_str(&rest[..start]);
        let Some(end) = rest[start..].find(';') else { break };
        plain.extend(entity(&rest[start + 1..start + end]));
        rest = &rest[start + end + 1..];
    }
    plain.push_str(rest);
    plain
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// Escapes a text for an element.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_in_order() {
        let xml = "<R><C><K>a&amp;b</K></C><C><K>c</K></C><T>false</T></R>";
        assert_eq!(elements(xml, "C"), ["<K>a&amp;b</K>", "<K>c</K>"]);
        assert_eq!(text(xml, "K").as_deref(), Some("a&b"));
        assert_eq!(text(xml, "X"), None);
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(unescape("&lt;&#65;&#x42;&quot;&apos;&gt;"), "<AB\"'>");
        assert_eq!(unescape(&escape("a<b>&c")), "a<b>&c");
    }
}
