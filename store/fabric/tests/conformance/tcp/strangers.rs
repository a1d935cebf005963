//! Who does not belong gets no link, no memory, and little time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use notrace_store_fabric::limits::{CONNECT_MAX, STRANGERS_MAX};
use notrace_store_fabric::tcp::{Tcp, TcpConfig, TcpError, TcpIdentity};
use notrace_store_fabric::{Broken, Event, Fabric};
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rcgen::{KeyPair, PublicKeyData as _};

use super::{Authority, GROUP, HERE, OverTls};
use crate::rig::{Node, Rig, SHORT, connect, deadline, now, until};

fn node(identity: TcpIdentity) -> Result<Node<Tcp>, TcpError> {
    let config = TcpConfig { listen: HERE, hello: Vec::new(), region_bytes: 4 << 10, identity };
    Tcp::open(config).map(Node::new)
}

/// Has each dial the other, and expects that both are refused and neither has seen a link.
fn expect_strangers(mut one: Node<Tcp>, mut other: Node<Tcp>) {
    let dial = one.fabric.dial(&other.fabric.local_addr().to_string());
    let dial_back = other.fabric.dial(&one.fabric.local_addr().to_string());
    until(&mut one, &mut other, |one, other| one.failures(dial) + other.failures(dial_back) == 2);
    assert_eq!(one.seen, [Event::Failed { dial, why: Broken::Stranger }]);
    assert_eq!(other.seen, [Event::Failed { dial: dial_back, why: Broken::Stranger }]);
}

#[test]
fn of_another_authority_are_refused() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let one = node(ours.identity("one")).unwrap();
    expect_strangers(one, node(theirs.identity("other")).unwrap());
}

#[test]
fn of_another_group_are_refused() {
    let authority = Authority::new();
    for group in ["other.internal", "internal", "x.demo.internal"] {
        let (certificate, key) = authority.issue(&[&format!("other.{group}")]);
        let identity = TcpIdentity {
            certificates: vec![certificate],
            key,
            authority: authority.certificate.clone(),
            group: group.to_owned(),
        };
        let one = node(authority.identity("one")).unwrap();
        expect_strangers(one, node(identity).unwrap());
    }
}

#[test]
fn whose_certificate_is_good_for_one_direction_only_are_refused_in_the_other() {
    let authority = Authority::new();
    for (uses, expected) in [(ClientAuth, (1, 0)), (ServerAuth, (0, 1))] {
        let (certificate, key) = authority.issue_for(&[&format!("other.{GROUP}")], &[uses]);
        let certificates = vec![certificate];
        let identity = TcpIdentity { certificates, key, ..authority.identity("other") };
        let mut one = node(authority.identity("one")).unwrap();
        let mut other = node(identity).unwrap();
        let dial = one.fabric.dial(&other.fabric.local_addr().to_string());
        let dial_back = other.fabric.dial(&one.fabric.local_addr().to_string());
        until(&mut one, &mut other, |one, other| {
            one.seen.len() == 1 + expected.0 && other.seen.len() == 1 + expected.1
        });
        assert_eq!((one.failures(dial), other.failures(dial_back)), expected);
        assert_eq!((one.ups().len(), other.ups().len()), (1, 1));
    }
}

/// The digest of the public key that belongs to a private one.
fn digest(identity: &TcpIdentity) -> [u8; 32] {
    let key = KeyPair::try_from(&identity.key).unwrap().subject_public_key_info();
    let digest = ring::digest::digest(&ring::digest::SHA256, &key);
    digest.as_ref().try_into().unwrap()
}

#[test]
fn that_took_the_name_of_a_member_are_told_from_it_by_their_key() {
    let authority = Authority::new();
    let (true_one, false_one) = (authority.identity("one"), authority.identity("one"));
    let (known, shown) = (digest(&true_one), digest(&false_one));
    assert_ne!(known, shown);
    for (identity, key) in [(true_one, known), (false_one, shown)] {
        let other = authority.identity("other");
        let own = digest(&other);
        let (mut here, mut there) = (node(other).unwrap(), node(identity).unwrap());
        here.fabric.dial(&there.fabric.local_addr().to_string());
        until(&mut here, &mut there, |here, there| here.ups().len() + there.ups().len() == 2);
        assert_eq!((here.peer().name.as_str(), here.peer().key), ("one", Some(key)));
        assert_eq!((there.peer().name.as_str(), there.peer().key), ("other", Some(own)));
    }
}

#[test]
fn an_identity_that_proves_nothing_is_refused_at_once() {
    let authority = Authority::new();
    let refused = |names: &[&str]| {
        let (certificate, key) = authority.issue(names);
        let certificates = vec![certificate];
        node(TcpIdentity { certificates, key, ..authority.identity("x") }).err()
    };
    let first = format!("one.{GROUP}");
    for names in
        [vec!["one.other.internal", &first], vec![GROUP], vec!["a.b.demo.internal"], vec![]]
    {
        assert_eq!(refused(&names), Some(TcpError::Certificate));
    }
    assert_eq!(refused(&["*.demo.internal"]), Some(TcpError::Certificate));
    assert_eq!(refused(&[&first, "one.other.internal"]), None);
    let swapped = TcpIdentity { key: authority.identity("y").key, ..authority.identity("x") };
    assert_eq!(node(swapped).err(), Some(TcpError::Key));
    let nothing = TcpIdentity { certificates: vec![], ..authority.identity("x") };
    assert_eq!(node(nothing).err(), Some(TcpError::Certificate));
    let group = TcpIdentity { group: "not a name".to_owned(), ..authority.identity("x") };
    assert_eq!(node(group).err(), Some(TcpError::Group));
    let garbage = TcpIdentity { authority: vec![1, 2, 3].into(), ..authority.identity("x") };
    assert_eq!(node(garbage).err(), Some(TcpError::Authority));
}

/// Says something to an end without TLS, and returns what it answered before it hung up.
fn hung_up_on(node: &mut Node<Tcp>, said: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(node.fabric.local_addr()).unwrap();
    socket.write_all(said).unwrap();
    socket.set_nonblocking(true).unwrap();
    read_to_end(node, &mut socket)
}

fn read_to_end(node: &mut Node<Tcp>, socket: &mut TcpStream) -> Vec<u8> {
    let (end, mut answer) = (deadline(), Vec::new());
    loop {
        assert!(now() < end, "it never hangs up");
        node.poll(SHORT);
        let mut buffer = [0; 4096];
        match socket.read(&mut buffer) {
            Ok(0) => return answer,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return answer,
        }
    }
}

/// A greeting of TLS 1.2, as of old programs: no extension says that there is a newer one.
fn old_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    // No session; two suites; no compression; how it signs and on which curves.
    body.extend([0, 0, 4, 0xc0, 0x2f, 0xc0, 0x2b, 1, 0]);
    let extensions = [0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0];
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    record(22, &[&[1, 0, 0, body.len() as u8][..], &body].concat())
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3, 0, body.len() as u8][..], body].concat()
}

#[test]
fn with_an_old_version_of_tls_are_told_so_and_hung_up_on() {
    let mut one = node(Authority::new().identity("one")).unwrap();
    let answer = hung_up_on(&mut one, &old_hello());
    // A fatal alert: protocol version.
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 70]);
    assert_eq!(one.seen, []);
}

#[test]
fn that_speak_no_tls_are_hung_up_on() {
    let mut one = node(Authority::new().identity("one")).unwrap();
    for said in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 100], &[22, 3, 1, 255, 255, 1], &[0x80; 40_000]]
    {
        let answer = hung_up_on(&mut one, said);
        assert!(answer.is_empty() || answer[0] == 21);
    }
    assert_eq!(one.seen, []);
}

/// Answers whoever dials with some bytes.
fn answers(with: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind(HERE).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 16_384]);
        let _ = socket.write_all(&with);
        let _ = socket.read_to_end(&mut Vec::new());
    });
    address
}

#[test]
fn that_are_dialled_are_no_better() {
    let mut one = node(Authority::new().identity("one")).unwrap();
    let mut old = vec![3, 3];
    old.extend([9; 32]);
    old.extend([0, 0xc0, 0x2f, 0]);
    let old = record(22, &[&[2, 0, 0, old.len() as u8][..], &old].concat());
    for answer in [b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), old, vec![0; 100]] {
        let dial = one.fabric.dial(&answers(answer).to_string());
        let end = deadline();
        while one.failures(dial) == 0 {
            assert!(now() < end, "it never fails");
            one.poll(SHORT);
        }
        assert_eq!(one.seen.pop(), Some(Event::Failed { dial, why: Broken::Stranger }));
    }
    assert_eq!(one.seen, []);
}

#[test]
fn who_say_nothing_are_hung_up_on_in_time() {
    let mut rig = OverTls::new();
    let mut one = Node::new(rig.end("one", b"", 4 << 10));
    let begun = now();
    let mut silent = TcpStream::connect(one.fabric.local_addr()).unwrap();
    silent.set_nonblocking(true).unwrap();
    // And one that is dialled, and accepts, and says nothing.
    let mute = TcpListener::bind(HERE).unwrap();
    let dial = one.fabric.dial(&mute.local_addr().unwrap().to_string());
    read_to_end(&mut one, &mut silent);
    assert!(now() - begun >= CONNECT_MAX);
    let end = deadline();
    while one.failures(dial) == 0 {
        assert!(now() < end, "it never fails");
        one.poll(Duration::from_millis(50));
    }
    assert_eq!(one.seen, [Event::Failed { dial, why: Broken::Silent }]);
}

#[test]
fn many_of_them_do_not_keep_a_member_out() {
    let mut rig = OverTls::new();
    let mut one = Node::new(rig.end("one", b"", 4 << 10));
    let mut other = Node::new(rig.end("other", b"", 4 << 10));
    let (address, begun) = (one.fabric.local_addr(), now());
    let mut silent = Vec::new();
    for _ in 0..2 * STRANGERS_MAX {
        silent.push(TcpStream::connect(address).unwrap());
        one.poll(Duration::ZERO);
    }
    // The first of them made room for the last.
    silent[0].set_nonblocking(true).unwrap();
    read_to_end(&mut one, &mut silent[0]);
    assert!(now() - begun < CONNECT_MAX, "it went when its time was over");
    connect(&mut rig, (&mut other, "other"), (&mut one, "one"));
    drop(silent);
}
