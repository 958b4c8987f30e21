//! What a person sees on stdout once the server listens: endpoint, new keys, lines to paste.

use crate::config::RootKeys;
use crate::credentials::Origin;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the banner tells.
pub struct Banner<'a> {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Absolute path of the certificates, where TLS is spoken.
    pub certs_dir: Option<&'a str>,
    /// Region that clients sign for.
    pub region: &'a str,
    /// Absolute path of the data directory.
    pub dir: &'a str,
    /// Absolute path of the credentials file.
    pub credentials_path: &'a str,
    /// Root keys; shown only when they were just made.
    pub keys: &'a RootKeys,
    /// Where they come from.
    pub origin: Origin,
}

/// A URL that reaches the address from this machine.
pub fn endpoint(scheme: &str, address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}

impl Banner<'_> {
    /// The whole text.
    pub fn text(&self) -> String {
        let scheme = if self.certs_dir.is_some() { "https" } else { "http" };
        let endpoint = endpoint(scheme, self.address);
        let mut text = format!("Stave {}\n", env!("CARGO_PKG_VERSION"));
        let _ = writeln!(text, "Endpoint: {endpoint} (listens on {})", self.address);
        if let Some(dir) = self.certs_dir {
            let _ = writeln!(text, "Certificates: {dir}");
        }
        let _ = writeln!(text, "Region: {}", self.region);
        let _ = writeln!(text, "Data: {}", self.dir);
        match self.origin {
            Origin::Made => self.write_made_keys(&mut text),
            Origin::Kept => {
                let _ = writeln!(text, "Root keys: kept in {}", self.credentials_path);
            }
            Origin::Given => text.push_str("Root keys: from the environment\n"),
        }
        self.write_client_lines(&endpoint, &mut text);
        text
    }

    fn write_made_keys(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "Root keys, made just now, shown only this once, kept in {}:\n\
             \x20 access key  {}\n\
             \x20 secret key  {}",
            self.credentials_path, self.keys.access_key, self.keys.secret_key
        );
    }

    fn write_client_lines(&self, endpoint: &str, text: &mut String) {
        let mc_keys = match self.origin {
            Origin::Made => format!(" {} {}", self.keys.access_key, self.keys.secret_key),
            // Without keys on the line, mc asks for them.
            Origin::Kept | Origin::Given => String::new(),
        };
        text.push_str("\nTo use it, paste:\n");
        if self.certs_dir.is_some() {
            text.push_str(
                "  # By a name of the certificate. One that this machine does not trust needs\n\
                 \x20 # aws --ca-bundle FILE, rclone --ca-cert FILE, mc --insecure.\n",
            );
        }
        match self.origin {
            Origin::Made | Origin::Kept => {
                let path = shell_quoted(self.credentials_path);
                let _ = writeln!(text, "  export AWS_SHARED_CREDENTIALS_FILE={path}");
            }
            Origin::Given => text.push_str(
                "  export AWS_ACCESS_KEY_ID=<root user> AWS_SECRET_ACCESS_KEY=<root password>\n",
            ),
        }
        let region = self.region;
        let _ = writeln!(
            text,
            "  aws --endpoint-url {endpoint} --region {region} s3 ls\n\
             \x20 rclone lsd ':s3,provider=Minio,env_auth=true,region={region},\
             endpoint=\"{endpoint}\":'\n\
             \x20 mc alias set stave {endpoint}{mc_keys}"
        );
    }
}

/// The text as one word of a shell.
fn shell_quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(&byte);
    if text.bytes().all(plain) { text.into() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(origin: Origin) -> String {
        text_with(origin, None)
    }

    fn text_with(origin: Origin, certs_dir: Option<&str>) -> String {
        let keys = RootKeys { access_key: "ACCESS".into(), secret_key: "hidden-key".into() };
        Banner {
            address: "0.0.0.0:9000".parse().unwrap(),
            certs_dir,
            region: "eu-1",
            dir: "/my data",
            credentials_path: "/my data/.stave-credentials",
            keys: &keys,
            origin,
        }
        .text()
    }

    #[test]
    fn secret_is_shown_only_when_made() {
        assert!(text(Origin::Made).contains("hidden-key"));
        assert!(!text(Origin::Kept).contains("hidden-key"));
        assert!(!text(Origin::Given).contains("hidden-key"));
    }

    #[test]
    fn lines_to_paste_name_endpoint_region_and_quoted_path() {
        let text = text(Origin::Kept);
        assert!(text.contains("Endpoint: http://127.0.0.1:9000 (listens on 0.0.0.0:9000)\n"));
        assert!(text.contains("FILE='/my data/.stave-credentials'\n"), "{text}");
        assert!(text.contains("aws --endpoint-url http://127.0.0.1:9000 --region eu-1 s3 ls\n"));
        assert!(text.contains("endpoint=\"http://127.0.0.1:9000\":'\n"), "{text}");
        assert!(text.contains("mc alias set stave http://127.0.0.1:9000\n"), "{text}");
    }

    #[test]
    fn endpoint_of_any_address_is_reachable() {
        assert_eq!(endpoint("http", "[::]:1".parse().unwrap()), "http://[::1]:1");
        assert_eq!(endpoint("https", "10.0.0.1:80".parse().unwrap()), "https://10.0.0.1:80");
    }

    #[test]
    fn with_certificates_every_line_says_https() {
        let text = text_with(Origin::Kept, Some("/certs"));
        assert!(text.contains("Certificates: /certs\n") && text.contains("--insecure"), "{text}");
        assert!(text.contains("mc alias set stave https://127.0.0.1:9000\n"), "{text}");
        assert!(!text.contains("http://"), "{text}");
    }

    #[test]
    fn shell_words_are_quoted_only_where_needed() {
        assert_eq!(shell_quoted("/a/b-1.c"), "/a/b-1.c");
        assert_eq!(shell_quoted("it's"), "'it'\\''s'");
    }
}
