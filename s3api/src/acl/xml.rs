//! The document `AccessControlPolicy`.

use super::{
    Accounts, Acl, GRANTS_MAX, Grant, Grantee, Permission, account_with_email, account_with_id,
    group,
};
use crate::error::{S3Error, S3Result, codes};
use crate::xml::XmlWriter;
use crate::xml::reader::XmlReader;

/// What AWS declares with every grantee.
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema-instance";

fn malformed() -> S3Error {
    (&codes::MALFORMED_ACL).into()
}

fn once<T>(slot: &mut Option<T>, value: T) -> S3Result<()> {
    if slot.replace(value).is_some() { Err(malformed()) } else { Ok(()) }
}

/// Reads a list. The owner must be the one that there is, where the document names one.
///
/// # Errors
/// `MalformedACLError`, `MalformedXML`, `InvalidArgument`, `UnresolvableGrantByEmailAddress`,
/// `AccessDenied` for another owner.
pub fn parse_document(document: &[u8], owner: &str, accounts: &dyn Accounts) -> S3Result<Acl> {
    let mut reader = XmlReader::new(document)?;
    reader.root("AccessControlPolicy").map_err(|_| malformed())?;
    let (mut named, mut grants) = (None, None);
    while let Some(name) = reader.child()? {
        match name.as_str() {
            "Owner" => once(&mut named, parse_owner(&mut reader)?)?,
            "AccessControlList" => once(&mut grants, parse_grants(&mut reader, accounts)?)?,
            _ => return Err(malformed()),
        }
    }
    reader.end()?;
    if named.flatten().is_some_and(|named| named != owner) {
        return Err((&codes::ACCESS_DENIED).into());
    }
    Ok(Acl { owner: owner.to_owned(), grants: grants.ok_or_else(malformed)? })
}

fn parse_owner(reader: &mut XmlReader<'_>) -> S3Result<Option<String>> {
    let mut id = None;
    while let Some(name) = reader.child()? {
        match name.as_str() {
            "ID" => once(&mut id, reader.text()?)?,
            "DisplayName" => drop(reader.text()?),
            _ => return Err(malformed()),
        }
    }
    Ok(id)
}

fn parse_grants(reader: &mut XmlReader<'_>, accounts: &dyn Accounts) -> S3Result<Vec<Grant>> {
    let mut grants = Vec::new();
    while let Some(name) = reader.child()? {
        if name != "Grant" || grants.len() == GRANTS_MAX {
            return Err(malformed());
        }
        let (mut grantee, mut permission) = (None, None);
        while let Some(name) = reader.child()? {
            match name.as_str() {
                "Grantee" => once(&mut grantee, parse_grantee(reader, accounts)?)?,
                "Permission" => {
                    let text = reader.text()?;
                    let found = Permission::named(text.trim()).ok_or_else(malformed)?;
                    once(&mut permission, found)?;
                }
                _ => return Err(malformed()),
            }
        }
        let grantee = grantee.ok_or_else(malformed)?;
        grants.push(Grant { grantee, permission: permission.ok_or_else(malformed)? });
    }
    Ok(grants)
}

/// Who is meant follows from the element that is there; the attribute `xsi:type` repeats it.
fn parse_grantee(reader: &mut XmlReader<'_>, accounts: &dyn Accounts) -> S3Result<Grantee> {
    let mut found = None;
    while let Some(name) = reader.child()? {
        let text = reader.text()?;
        let text = text.trim();
        match name.as_str() {
            "ID" => once(&mut found, account_with_id(accounts, text)?)?,
            "EmailAddress" => once(&mut found, account_with_email(accounts, text)?)?,
            "URI" => once(&mut found, group(text)?)?,
            "DisplayName" => {}
            _ => return Err(malformed()),
        }
    }
    found.ok_or_else(malformed)
}

/// Writes a list.
pub fn write_document(acl: &Acl, accounts: &dyn Accounts) -> String {
    let mut xml = XmlWriter::root("AccessControlPolicy");
    let write_account = |xml: &mut XmlWriter, id: &str| {
        xml.text("ID", id);
        xml.text_if("DisplayName", accounts.display_name(id).as_deref());
    };
    xml.open("Owner");
    write_account(&mut xml, &acl.owner);
    xml.close("Owner");
    xml.open("AccessControlList");
    for Grant { grantee, permission } in &acl.grants {
        let kind = match grantee {
            Grantee::Canonical(_) => "CanonicalUser",
            Grantee::Group(_) => "Group",
        };
        xml.open("Grant");
        xml.open_with("Grantee", &[("xmlns:xsi", SCHEMA), ("xsi:type", kind)]);
        match grantee {
            Grantee::Canonical(id) => write_account(&mut xml, id),
            Grantee::Group(uri) => xml.text("URI", uri),
        }
        xml.close("Grantee");
        xml.text("Permission", permission.name());
        xml.close("Grant");
    }
    xml.close("AccessControlList");
    xml.close("AccessControlPolicy");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::super::Canned;
    use super::*;

    struct Known;

    impl Accounts for Known {
        fn display_name(&self, id: &str) -> Option<String> {
            ["me", "you"].contains(&id).then(|| id.to_uppercase())
        }

        fn by_email(&self, email: &str) -> Option<String> {
            email.strip_suffix("@example.com").map(str::to_owned)
        }
    }

    #[test]
    fn lists_come_back_as_they_were_written() {
        for canned in [Canned::Private, Canned::PublicRead, Canned::BucketOwnerFullControl] {
            let acl = canned.acl("me", "you");
            let document = write_document(&acl, &Known);
            assert_eq!(parse_document(document.as_bytes(), "me", &Known).unwrap(), acl);
        }
    }

    fn check(grantee: &str, permission: &str, expected: Result<Grantee, &str>) {
        let document = format!(
            "<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList><Grant><Grantee>\
             {grantee}</Grantee><Permission>{permission}</Permission></Grant></AccessControlList>\
             </AccessControlPolicy>"
        );
        let parsed = parse_document(document.as_bytes(), "me", &Known);
        let grantee = parsed.map(|acl| acl.grants[0].grantee.clone());
        assert_eq!(grantee.map_err(|error| error.code.name), expected);
    }

    #[test]
    fn grantees_are_resolved() {
        let you = || Ok(Grantee::Canonical("you".to_owned()));
        check("<ID>you</ID>", "READ", you());
        check("<EmailAddress>you@example.com</EmailAddress>", "READ", you());
        check("<ID>nobody</ID>", "READ", Err("InvalidArgument"));
        check("<EmailAddress>x</EmailAddress>", "READ", Err("UnresolvableGrantByEmailAddress"));
        check("<URI>http://example.com</URI>", "READ", Err("InvalidArgument"));
        check("<ID>you</ID><ID>you</ID>", "READ", Err("MalformedACLError"));
        check("<ID>you</ID>", "ALL", Err("MalformedACLError"));
        check("", "READ", Err("MalformedACLError"));
    }

    #[test]
    fn another_owner_is_denied() {
        let document = "<AccessControlPolicy><Owner><ID>you</ID></Owner><AccessControlList/>\
                        </AccessControlPolicy>";
        let error = parse_document(document.as_bytes(), "me", &Known).unwrap_err();
        assert_eq!(error.code, &codes::ACCESS_DENIED);
    }
}
