//! A change that is repeated under its key: whoever is asked, and whoever was ended since, it is
//! made once.

use std::io::Write;

use notrace_sdk_client::credentials;
use notrace_sdk_client::wire::Credentials;

use crate::draining::{connect, reply};
use crate::nodes::Group;

const KEY: &str = "0123456789abcdef";

fn of(group: &Group, number: usize) -> Credentials {
    credentials::read(&group.folder.path().join(format!("n{number}/client.toml"))).unwrap()
}

/// The status and the version that a request is answered with, under the key. Asks again while the
/// node says that it cannot answer yet.
fn ask(credentials: &Credentials, verb: &str, path: &str, body: &str) -> (String, Option<String>) {
    loop {
        let answer = ask_once(credentials, verb, path, body);
        if answer.0 != "503" {
            return answer;
        }
    }
}

fn ask_once(
    credentials: &Credentials,
    verb: &str,
    path: &str,
    body: &str,
) -> (String, Option<String>) {
    let mut line = connect(credentials);
    let (token, length) = (&credentials.token, body.len());
    let request = format!(
        "{verb} {path} HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: {KEY}-{verb}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    line.write_all(request.as_bytes()).unwrap();
    let head = reply(&mut line);
    let status = head.split_whitespace().nth(1).unwrap().to_owned();
    let version = head.lines().find_map(|line| line.strip_prefix("etag: ").map(str::to_owned));
    (status, version)
}

#[test]
fn a_change_under_one_key_is_made_once_whoever_is_asked() {
    let mut group = Group::found(3, "");
    group.types(1, "pool create photos --retain 1d").ended(0);
    let ops = r#"{"ops":[{"op":"put","key":"b","value":"aGk="}]}"#;
    let changes = [
        ("PUT", "/v1/objects/photos/a", "hello"),
        ("DELETE", "/v1/objects/photos/a", ""),
        ("POST", "/v1/objects/photos:transact", ops),
    ];
    let all = |group: &Group, number: usize| {
        changes.map(|(verb, path, body)| ask(&of(group, number), verb, path, body))
    };
    let first = all(&group, 1);
    let statuses: Vec<&str> = first.iter().map(|(status, _)| status.as_str()).collect();
    assert_eq!(statuses, ["201", "204", "200"]);
    assert_eq!(all(&group, 2), first);
    // It is in the order and on the disks, in no node's memory.
    group.kill(1);
    assert_eq!(all(&group, 3), first);
    group.restart(1);
    group.comes_to(1, "status", |ran| ran.exit == 0);
    assert_eq!(all(&group, 1), first);
    let (status, _) = ask(&of(&group, 2), "PUT", "/v1/objects/photos/a", "another value");
    assert_eq!(status, "422", "the key is taken");
}
