//! Virtual-host style: the bucket in the `Host` header, `bucket.domain`, where the path is the key.
//!
//! - D1: a host matches a domain on a label's boundary only: `evilexample.com` is no bucket of
//!   `example.com`.
//! - D2: a host that matches no domain addresses in path style, and so does a domain itself.

/// The domains whose subdomains are buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains(Vec<String>);

impl Domains {
    /// Takes domain names such as `s3.example.com`.
    ///
    /// # Errors
    /// One line, for what is no domain name (RFC 1123, 2.1), or names one twice.
    pub fn new(names: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut domains: Vec<String> = Vec::new();
        for name in names {
            let domain = name.trim().trim_end_matches('.').to_ascii_lowercase();
            if !is_domain(&domain) {
                return Err(format!("{name} is no domain name"));
            }
            if domains.contains(&domain) {
                return Err(format!("the domain {name} is named twice"));
            }
            domains.push(domain);
        }
        // The longest first, so that a domain within another one wins.
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        Ok(Self(domains))
    }

    /// The bucket that a `Host` header names, in lowercase, where it names one.
    pub fn bucket_of(&self, host: &str) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
        // D2: a domain may itself lie within another one.
        if self.0.contains(&name) {
            return None;
        }
        let bucket = self.0.iter().find_map(|domain| {
            let prefix = name.strip_suffix(domain.as_str())?;
            prefix.strip_suffix('.')
        })?;
        (!bucket.is_empty()).then(|| bucket.to_owned())
    }
}

/// An address of IPv6 in brackets keeps its colons.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_legal)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    text.len() <= 253 && !is_address && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expected: Option<&str>) {
        let names = ["s3.example.com", "example.com", "localhost"];
        let domains = Domains::new(names.map(str::to_owned)).unwrap();
        assert_eq!(domains.bucket_of(host).as_deref(), expected, "{host}");
    }

    #[test]
    fn buckets_are_what_precedes_a_domain() {
        check("box.s3.example.com", Some("box"));
        check("box.s3.example.com:9000", Some("box"));
        check("Box.S3.Example.COM.", Some("box"));
        check("a.b.s3.example.com", Some("a.b"));
        check("box.localhost:1", Some("box"));
        check("other.example.com", Some("other"));
    }

    #[test]
    fn everything_else_is_path_style() {
        for host in [
            "",
            "s3.example.com",
            "example.com:80",
            "evilexample.com",
            ".example.com",
            "127.0.0.1:9000",
            "[::1]:9000",
            "example.com.evil.org",
        ] {
            check(host, None);
        }
        assert_eq!(Domains::default().bucket_of("box.example.com"), None);
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for name in ["", "a..b", "-a", "a_b", "10.0.0.1", "http://a", "a:9000", "*.a"] {
            assert!(Domains::new([name.to_owned()]).is_err(), "{name}");
        }
        assert!(Domains::new(["a".to_owned(), "A.".to_owned()]).is_err());
    }
}
