//! What a person sees on stdout once the server listens: endpoint, disks, what is wrong with them,
//! new keys, lines to paste.

use crate::config::RootKeys;
use crate::credentials::Origin;
use crate::places::Gap;
use engine::object::{DiskState, StoreStatus};
use s3api::status::Health;
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
    /// Absolute paths of the directories that are served.
    pub dirs: &'a [String],
    /// Directories that were given and are not.
    pub gaps: &'a [Gap],
    /// What the store tells of itself; `None` where it does not.
    pub status: Option<&'a StoreStatus>,
    /// Absolute path of the credentials file.
    pub credentials_path: &'a str,
    /// Root keys; shown only when they were just made.
    pub keys: &'a RootKeys,
    /// Where they come from.
    pub origin: Origin,
}

/// Directories that are told one by one.
const DIRS_SHOWN: usize = 8;

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
        self.write_disks(&mut text);
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

    fn write_disks(&self, text: &mut String) {
        match self.dirs {
            [dir] if self.gaps.is_empty() => {
                let _ = writeln!(text, "Data: {dir}");
            }
            dirs => {
                let count = dirs.len() + self.gaps.len();
                let shown = dirs[..dirs.len().min(DIRS_SHOWN)].join(" ");
                let _ = match dirs.len().saturating_sub(DIRS_SHOWN) {
                    0 => writeln!(text, "Data: {count} disks: {shown}"),
                    more => writeln!(text, "Data: {count} disks: {shown} and {more} more"),
                };
            }
        }
        if let Some(status) = self.status {
            let _ = writeln!(text, "Redundancy: {}", redundancy(status));
        }
        self.write_trouble(text);
    }

    /// Says plainly what is not as it should be.
    fn write_trouble(&self, text: &mut String) {
        let health = self.status.map_or(Health::Healthy, Health::of);
        if health == Health::Healthy && self.gaps.is_empty() {
            return;
        }
        let word = if health == Health::Failing { "FAILING" } else { "DEGRADED" };
        let _ = writeln!(text, "{word}: see stave admin status");
        for gap in self.gaps {
            let _ = writeln!(text, "  {}", gap.reason);
        }
        let Some(status) = self.status else { return };
        let is_told = |place: &str| self.gaps.iter().any(|gap| gap.dir.as_os_str() == place);
        for disk in status.disks.iter().filter(|disk| disk.state != DiskState::Healthy) {
            if is_told(&disk.place) {
                continue;
            }
            let place = if disk.place.is_empty() { &disk.disk_id } else { &disk.place };
            let _ = writeln!(text, "  disk {place} is {}: {}", disk.state.word(), disk.reason);
        }
        if !status.readable || !status.writable {
            let able = |is_able: bool| if is_able { "are served" } else { "are REFUSED" };
            let (reads, writes) = (able(status.readable), able(status.writable));
            let _ = writeln!(text, "  reads {reads}, writes {writes}");
        }
        if status.repair.volumes_left > 0 {
            let _ = writeln!(text, "  volumes to be healed: {}", status.repair.volumes_left);
        }
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

/// What may be lost, in a few words.
fn redundancy(status: &StoreStatus) -> String {
    let (data, parity) = status.geometry;
    let geometry = format!("{data}+{parity}");
    match (status.margin, status.margin_full) {
        (None, _) => format!("{geometry}, some objects cannot be read just now"),
        (Some(0), 0) => format!("none ({geometry}): a lost disk is lost data"),
        (Some(margin), full) => {
            let disks = if margin == 1 { "disk" } else { "disks" };
            let once_healed = if margin == full { "" } else { &format!(" ({full} once healed)") };
            format!("{geometry}, {margin} {disks} may be lost{once_healed}")
        }
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
    use engine::object::DiskStatus;

    fn text(origin: Origin) -> String {
        text_with(origin, None)
    }

    fn text_with(origin: Origin, certs_dir: Option<&str>) -> String {
        let keys = RootKeys { access_key: "ACCESS".into(), secret_key: "hidden-key".into() };
        Banner {
            address: "0.0.0.0:9000".parse().unwrap(),
            certs_dir,
            region: "eu-1",
            dirs: &["/my data".into()],
            gaps: &[],
            status: None,
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

    fn healthy() -> StoreStatus {
        StoreStatus {
            readable: true,
            writable: true,
            margin: Some(2),
            margin_full: 2,
            geometry: (4, 2),
            ..StoreStatus::default()
        }
    }

    #[track_caller]
    fn check_disks(dir_count: usize, gaps: &[Gap], status: &StoreStatus, expected: &str) {
        let keys = RootKeys { access_key: "ACCESS".into(), secret_key: "hidden-key".into() };
        let dirs: Vec<String> = (1..=dir_count).map(|number| format!("/d{number}")).collect();
        let banner = Banner {
            address: "0.0.0.0:9000".parse().unwrap(),
            certs_dir: None,
            region: "eu-1",
            dirs: &dirs,
            gaps,
            status: Some(status),
            credentials_path: "/d1/.stave-credentials",
            keys: &keys,
            origin: Origin::Kept,
        };
        let mut text = String::new();
        banner.write_disks(&mut text);
        assert_eq!(text, expected);
    }

    #[test]
    fn healthy_disks_are_told_in_two_lines() {
        check_disks(
            3,
            &[],
            &healthy(),
            "Data: 3 disks: /d1 /d2 /d3\nRedundancy: 4+2, 2 disks may be lost\n",
        );
        check_disks(
            10,
            &[],
            &healthy(),
            "Data: 10 disks: /d1 /d2 /d3 /d4 /d5 /d6 /d7 /d8 and 2 more\n\
             Redundancy: 4+2, 2 disks may be lost\n",
        );
    }

    #[test]
    fn a_lone_disk_says_what_it_is_worth() {
        let lone = StoreStatus { margin: Some(0), margin_full: 0, geometry: (1, 0), ..healthy() };
        let text = "Data: /d1\nRedundancy: none (1+0): a lost disk is lost data\n";
        check_disks(1, &[], &lone, text);
    }

    #[test]
    fn what_is_amiss_is_told_plainly() {
        let gap = Gap::missing("/d4", "/d4 is not there");
        let disk = DiskStatus {
            place: "/d2".into(),
            state: DiskState::ReadOnly,
            reason: "takes no writes".into(),
            ..DiskStatus::default()
        };
        let gone = DiskStatus {
            place: "/d4".into(),
            state: DiskState::Absent,
            reason: "told by its gap".into(),
            ..DiskStatus::default()
        };
        let mut status = StoreStatus { margin: Some(1), disks: vec![disk, gone], ..healthy() };
        status.repair.volumes_left = 7;
        check_disks(
            3,
            &[gap],
            &status,
            "Data: 4 disks: /d1 /d2 /d3\n\
             Redundancy: 4+2, 1 disk may be lost (2 once healed)\n\
             DEGRADED: see stave admin status\n\
             \x20 /d4 is not there\n\
             \x20 disk /d2 is read-only: takes no writes\n\
             \x20 volumes to be healed: 7\n",
        );
        check_disks(
            3,
            &[],
            &StoreStatus { margin: None, writable: false, ..healthy() },
            "Data: 3 disks: /d1 /d2 /d3\n\
             Redundancy: 4+2, some objects cannot be read just now\n\
             FAILING: see stave admin status\n\
             \x20 reads are served, writes are REFUSED\n",
        );
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
