//! Every route against every kind of caller: nobody, a user without a permission, one with another
//! permission, one with the right one, one whom a policy denies it, and the root.

use crate::support::Server;
use crate::walk;
use iam::users::Directory;
use s3api::Credentials;
use s3api::route::{AuthModes, Level, Operation, ROUTES, Route};
use std::sync::Arc;

/// A user of the file of declared users; `statements` is what its policy says.
fn user(name: &str, statements: Option<&str>) -> (String, String) {
    let policies = statements.map_or(String::new(), |_| format!("\"{name}-policy\""));
    let user = format!(
        "{{\"access_key\":\"{name}-key\",\"secret_key\":\"{name}-secret\",\"canonical_id\":\
         \"{name}-id\",\"display_name\":\"{name}\",\"email\":\"{name}@example.com\",\"account\":\
         \"111122223333\",\"user_name\":\"{name}\",\"policies\":[{policies}]}}"
    );
    let policy = statements.map_or(String::new(), |statements| {
        format!("\"{name}-policy\":{{\"Version\":\"2012-10-17\",\"Statement\":[{statements}]}}")
    });
    (user, policy)
}

/// A directory of such users.
pub fn directory(users: &[(&str, Option<&str>)]) -> Arc<Directory> {
    let (mut listed, mut policies) = (Vec::new(), Vec::new());
    for (name, statements) in users {
        let (user, policy) = self::user(name, *statements);
        listed.push(user);
        policies.extend(Some(policy).filter(|policy| !policy.is_empty()));
    }
    let file = format!(
        "{{\"version\":1,\"users\":[{}],\"policies\":{{{}}}}}",
        listed.join(","),
        policies.join(",")
    );
    Arc::new(Directory::parse(file.as_bytes()).unwrap())
}

/// The credentials of such a user.
pub fn credentials(name: &str) -> Credentials {
    let (access_key, secret_key) = (format!("{name}-key"), format!("{name}-secret"));
    Credentials { access_key, secret_key }
}

const ALL: &str = "{\"Effect\":\"Allow\",\"Action\":[\"s3:*\",\"admin:*\"],\"Resource\":\"*\"}";

fn allow(action: &str) -> String {
    format!("{{\"Effect\":\"Allow\",\"Action\":\"{action}\",\"Resource\":\"*\"}}")
}

/// A server with the bucket `box`, which belongs to the account of the users.
async fn prepare(statements: &[(&str, Option<&str>)]) -> (Server, String) {
    let mut users = vec![("owner", Some(ALL))];
    users.extend(statements);
    let server = Server::start_with(|config| config.users = directory(&users)).await;
    let owner = credentials("owner");
    server.ask("PUT", "/box").send_as(&owner).await.expect(200);
    for key in ["key", "source"] {
        let put = server.ask("PUT", &format!("/box/{key}")).body("old");
        put.send_as(&owner).await.expect(200);
    }
    let upload = server.ask("POST", "/box/other?uploads").send_as(&owner).await.expect(200);
    let upload_id = upload.element("UploadId").unwrap().to_owned();
    (server, upload_id)
}

/// What a route needs on its own; DeleteObjects asks key by key.
fn action(route: &Route) -> Option<&'static str> {
    Some(route.action).filter(|action| !action.is_empty())
}

#[tokio::test]
async fn a_user_without_the_permission_is_denied_on_every_route() {
    // A permission that no route needs.
    let wrong = allow("s3:GetObjectTorrent");
    let (server, upload_id) = prepare(&[("nobody", None), ("wrong", Some(&wrong))]).await;
    for route in ROUTES.iter().filter(|route| action(route).is_some()) {
        for name in ["nobody", "wrong"] {
            let ask = walk::signed_as(&server, route, &upload_id, &credentials(name));
            let reply = ask.send_as_is().await;
            assert_eq!(reply.status, 403, "{:?} as {name}", route.operation);
        }
        let reply = walk::unsigned(&server, route, &upload_id).send_as_is().await;
        assert_eq!(reply.status, 403, "{:?} as nobody", route.operation);
    }
    let kept = server.ask("GET", "/box/key").send_as(&credentials("owner")).await;
    assert_eq!(kept.expect(200).text(), "old");
}

#[tokio::test]
async fn the_one_permission_of_a_route_opens_it_and_no_other() {
    for route in ROUTES {
        let Some(action) = action(route).filter(|_| route.auth != AuthModes::Header) else {
            continue;
        };
        // A copy reads its source, and attributes tell what reads do.
        let reads_too = route.header.is_some() || route.operation == Operation::GetObjectAttributes;
        let right = match reads_too {
            true => format!("{},{}", allow(action), allow("s3:GetObject")),
            false => allow(action),
        };
        let (server, upload_id) = prepare(&[("right", Some(&right))]).await;
        let reply =
            walk::signed_as(&server, route, &upload_id, &credentials("right")).send_as_is().await;
        assert_ne!(reply.status, 403, "{:?}: {}", route.operation, reply.text());
        assert!(reply.status.as_u16() < 500, "{:?}: {}", route.operation, reply.text());
        for other in ROUTES.iter().filter(|other| self::action(other).is_some()) {
            let shares = right.contains(&format!("\"{}\"", other.action));
            if !shares {
                let ask = walk::signed_as(&server, other, &upload_id, &credentials("right"));
                let reply = ask.send_as_is().await;
                let pair = (route.operation, other.operation);
                let is_gone = reply.status == 404;
                // A bucket that the right permission deleted denies nothing any more.
                assert!(reply.status == 403 || is_gone && action == "s3:DeleteBucket", "{pair:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_explicit_denial_beats_every_permission() {
    for route in ROUTES {
        let Some(action) = action(route).filter(|_| route.auth != AuthModes::Header) else {
            continue;
        };
        let denied =
            format!("{ALL},{{\"Effect\":\"Deny\",\"Action\":\"{action}\",\"Resource\":\"*\"}}");
        let (server, upload_id) = prepare(&[("denied", Some(&denied))]).await;
        let reply =
            walk::signed_as(&server, route, &upload_id, &credentials("denied")).send_as_is().await;
        assert_eq!(reply.status, 403, "{:?}", route.operation);
    }
}

#[tokio::test]
async fn a_version_needs_its_own_permission_on_every_route() {
    for route in ROUTES {
        let Some(action) = route.version_action else { continue };
        let right = match route.operation {
            Operation::GetObjectAttributes => {
                format!("{},{}", allow(action), allow("s3:GetObjectVersion"))
            }
            _ => allow(action),
        };
        let of_current = Some(allow(route.action)).filter(|_| route.action != action);
        let denied =
            format!("{ALL},{{\"Effect\":\"Deny\",\"Action\":\"{action}\",\"Resource\":\"*\"}}");
        let users = [
            ("right", Some(right.as_str())),
            ("current", of_current.as_deref()),
            ("denied", Some(&denied)),
            ("nobody", None),
        ];
        let (server, upload_id) = prepare(&users).await;
        let ask = || walk::request_of(&server, route, &upload_id, Some("null"));
        for (name, is_right) in
            [("nobody", false), ("current", false), ("denied", false), ("right", true)]
        {
            let reply = ask().send_as(&credentials(name)).await;
            let told = format!("{:?} as {name}: {}", route.operation, reply.text());
            assert_eq!(reply.status != 403, is_right, "{told}");
            assert!(reply.status.as_u16() < 500, "{told}");
        }
        assert_eq!(ask().send_as_is().await.status, 403, "{:?} as nobody", route.operation);
    }
}

#[tokio::test]
async fn a_denial_of_the_bucket_beats_every_permission() {
    let (mut walked, prepared) = (0, prepare(&[("bob", Some(ALL))]).await);
    let (server, upload_id) = prepared;
    let is_of_bucket = |route: &&Route| {
        !matches!(route.level, Level::Service | Level::Admin(_)) && !route.makes_bucket()
    };
    for route in ROUTES.iter().filter(is_of_bucket) {
        let Some(action) = action(route) else { continue };
        let policy = format!(
            "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Deny\",\"Principal\":\
             {{\"AWS\":\"arn:aws:iam::111122223333:user/bob\"}},\"Action\":\"{action}\",\
             \"Resource\":[\"arn:aws:s3:::box\",\"arn:aws:s3:::box/*\"]}}]}}"
        );
        let put = server.ask("PUT", "/box?policy").body(policy);
        put.send_as(&credentials("owner")).await.expect(204);
        let ask = walk::signed_as(&server, route, &upload_id, &credentials("bob"));
        assert_eq!(ask.send_as_is().await.status, 403, "{:?}", route.operation);
        walked += 1;
    }
    assert!(walked > 60, "{walked} routes");
}

#[tokio::test]
async fn keys_of_a_bulk_delete_are_decided_about_one_by_one() {
    let own = "{\"Effect\":\"Allow\",\"Action\":\"s3:DeleteObject\",\"Resource\":\
               \"arn:aws:s3:::box/key\"}";
    let wrong = allow("s3:DeleteObjectVersion");
    let (server, _) =
        prepare(&[("own", Some(own)), ("wrong", Some(&wrong)), ("nobody", None)]).await;
    let body = "<Delete><Object><Key>key</Key></Object><Object><Key>source</Key></Object></Delete>";
    let delete = || server.ask("POST", "/box?delete").body(body);
    delete().send_as_is().await.expect_error(403, "AccessDenied");
    for (name, denied) in [("nobody", 2), ("wrong", 2), ("own", 1)] {
        let reply = delete().send_as(&credentials(name)).await.expect(200);
        assert_eq!(reply.elements("Code"), vec!["AccessDenied"; denied], "{name}");
    }
    let owner = credentials("owner");
    server.ask("GET", "/box/key").send_as(&owner).await.expect_error(404, "NoSuchKey");
    server.ask("GET", "/box/source").send_as(&owner).await.expect(200);
    let reply = delete().send().await.expect(200);
    assert!(reply.elements("Code").is_empty(), "the root may");
}

#[tokio::test]
async fn what_is_about_the_server_is_for_its_root_alone() {
    let (server, upload_id) = prepare(&[("all", Some(ALL))]).await;
    for route in ROUTES.iter().filter(|route| route.is_admin()) {
        let reply =
            walk::signed_as(&server, route, &upload_id, &credentials("all")).send_as_is().await;
        assert_eq!(reply.status, 403, "{:?}", route.operation);
        let reply =
            walk::signed_as(&server, route, &upload_id, &server.credentials).send_as_is().await;
        assert!(reply.status.is_success(), "{:?}", route.operation);
    }
}

#[tokio::test]
async fn the_root_may_everything_unless_a_bucket_denies_it() {
    for route in ROUTES {
        let (server, upload_id) = prepare(&[]).await;
        let reply =
            walk::signed_as(&server, route, &upload_id, &server.credentials).send_as_is().await;
        assert_ne!(reply.status, 403, "{:?}: {}", route.operation, reply.text());
    }
    let (server, _) = prepare(&[]).await;
    let policy = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Principal\":\
                  \"*\",\"Action\":\"s3:*\",\"Resource\":[\"arn:aws:s3:::box\",\
                  \"arn:aws:s3:::box/*\"]}]}";
    let put = server.ask("PUT", "/box?policy").body(policy);
    put.send().await.expect(204);
    server.ask("GET", "/box/key").send().await.expect_error(403, "AccessDenied");
    server.ask("GET", "/box?policy").send().await.expect(200);
    server.ask("DELETE", "/box?policy").send().await.expect(204);
    server.ask("GET", "/box/key").send().await.expect(200);
}
