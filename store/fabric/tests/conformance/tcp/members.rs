//! What a member may not say, although it is one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use notrace_store_fabric::limits::{HELLO_BYTES_MAX, PING_AFTER, SILENCE_MAX};
use notrace_store_fabric::tcp::{Tcp, TcpConfig, TcpIdentity};
use notrace_store_fabric::{Broken, Event, Fabric};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use super::{Authority, HERE, OverTls};
use crate::rig::{Node, Rig, SHORT, Wire, connect, deadline, now};

const ALPN: &[u8] = b"notrace-fabric/1";
const ROOM: u32 = 64 << 10;

/// Believes everybody: it is the other end that is tested.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

struct Story {
    authority: Authority,
    node: Node<Tcp>,
}

impl Story {
    fn new() -> Self {
        let authority = Authority::new();
        let identity = authority.identity("one");
        let config = TcpConfig { listen: HERE, hello: Vec::new(), region_bytes: ROOM, identity };
        Self { node: Node::new(Tcp::open(config).unwrap()), authority }
    }

    /// Connects with a certificate or without, says `said` within TLS, and waits until the node
    /// hung up.
    fn say(&mut self, identity: Option<TcpIdentity>, alpn: &[&[u8]], said: Vec<Vec<u8>>) {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody));
        let mut config = match identity {
            Some(it) => config.with_client_auth_cert(it.certificates, it.key).unwrap(),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let address = self.node.fabric.local_addr();
        let talk = std::thread::spawn(move || {
            let name = ServerName::try_from("one.demo.internal").unwrap();
            let tls = ClientConnection::new(Arc::new(config), name).unwrap();
            let mut stream = StreamOwned::new(tls, TcpStream::connect(address).unwrap());
            for bytes in said {
                if stream.write_all(&bytes).and_then(|()| stream.flush()).is_err() {
                    break;
                }
            }
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let end = deadline();
        while !talk.is_finished() {
            assert!(now() < end, "it never hangs up");
            self.node.poll(SHORT);
        }
        talk.join().unwrap();
        self.node.poll(Duration::ZERO);
    }

    /// The same as a member, after a greeting; what the node saw.
    fn as_member(&mut self, said: &[u8]) -> Vec<Event> {
        let identity = self.authority.identity("other");
        self.say(Some(identity), &[ALPN], vec![greeting(1, ROOM, b"hi"), said.to_vec()]);
        std::mem::take(&mut self.node.seen)
    }
}

fn greeting(version: u8, room: u32, hello: &[u8]) -> Vec<u8> {
    let length = (hello.len() as u16).to_le_bytes();
    [&[version][..], &room.to_le_bytes(), &length, hello].concat()
}

fn write(offset: u32, length: u32) -> Vec<u8> {
    [&[1][..], &offset.to_le_bytes(), &length.to_le_bytes()].concat()
}

#[test]
fn nobody_is_let_in_without_a_certificate() {
    let mut story = Story::new();
    story.say(None, &[ALPN], vec![greeting(1, ROOM, b"hi")]);
    assert_eq!(story.node.seen, []);
}

#[test]
fn nobody_is_let_in_from_another_group() {
    let mut story = Story::new();
    for name in ["other.elsewhere.internal", "demo.internal", "a.b.demo.internal"] {
        let (certificate, key) = story.authority.issue(&[name, "other.demo.internal"]);
        let certificates = vec![certificate];
        let identity = TcpIdentity { certificates, key, ..story.authority.identity("other") };
        story.say(Some(identity), &[ALPN], vec![greeting(1, ROOM, b"hi")]);
    }
    assert_eq!(story.node.seen, []);
}

#[test]
fn nobody_is_let_in_who_speaks_something_else() {
    let mut story = Story::new();
    let other = story.authority.identity("other");
    story.say(Some(other), &[], vec![greeting(1, ROOM, b"hi")]);
    let other = story.authority.identity("other");
    story.say(Some(other), &[b"h2"], vec![greeting(1, ROOM, b"hi")]);
    assert_eq!(story.node.seen, []);
}

#[test]
fn a_greeting_that_is_none_ends_it() {
    let mut story = Story::new();
    let long = vec![0; HELLO_BYTES_MAX + 1];
    let wrong = [
        greeting(2, ROOM, b"hi"),
        greeting(1, 0, b"hi"),
        greeting(1, u32::MAX, b"hi"),
        greeting(1, ROOM, &long),
        vec![2, 1, 2, 3, 4],
    ];
    for said in wrong {
        let other = story.authority.identity("other");
        story.say(Some(other), &[ALPN], vec![said]);
    }
    assert_eq!(story.node.seen, []);
}

#[test]
fn what_breaks_the_rules_cuts_the_link() {
    let mut story = Story::new();
    let wrong = [
        vec![0],
        vec![9],
        write(ROOM, 1),
        write(0, ROOM + 1),
        write(u32::MAX, 1),
        write(1, u32::MAX),
    ];
    for mut said in wrong {
        // Before it, all is well; after it, nothing counts.
        said.splice(0..0, [2, 7, 0, 0, 0]);
        said.extend([2, 8, 0, 0, 0]);
        let seen = story.as_member(&said);
        assert_eq!(seen.len(), 3);
        let Event::Up { link, dialled: None, peer } = &seen[0] else { panic!("not up") };
        assert_eq!((peer.name.as_str(), &peer.hello[..], peer.room), ("other", &b"hi"[..], ROOM));
        assert_eq!(seen[1], Event::Bell { link: *link, word: 7 });
        assert_eq!(seen[2], Event::Down { link: *link, why: Broken::Rules });
    }
}

#[test]
fn every_cut_between_two_bytes_is_the_same() {
    // Frames byte by byte, each in a record of its own.
    let mut story = Story::new();
    let mut said = [write(3, 4), b"abcd".to_vec(), vec![2, 1, 2, 3, 4, 3, 4]].concat();
    said.extend([&write(100, 0)[..], &[2, 5, 6, 7, 8], &[9]].concat());
    let whole = story.as_member(&said);
    let identity = story.authority.identity("other");
    let bytes = [greeting(1, ROOM, b"hi"), said].concat();
    story.say(Some(identity), &[ALPN], bytes.iter().map(|byte| vec![*byte]).collect());
    let words = |events: &[Event]| -> Vec<u32> {
        let word = |event: &Event| match event {
            Event::Bell { word, .. } => Some(*word),
            _ => None,
        };
        events.iter().filter_map(word).collect()
    };
    assert_eq!(words(&whole), [0x0403_0201, 0x0807_0605]);
    assert_eq!(words(&story.node.seen), words(&whole));
}

#[test]
fn who_falls_silent_is_found_and_who_is_only_idle_is_not() {
    let mut rig = OverTls::new();
    let mut one = Node::new(rig.end("one", b"", ROOM));
    let mut idle = Node::new(rig.end("idle", b"", ROOM));
    let mut other = Node::new(rig.end("other", b"", ROOM));
    let (to_idle, from_one) = connect(&mut rig, (&mut one, "one"), (&mut idle, "idle"));
    let (to_other, _) = connect(&mut rig, (&mut one, "one"), (&mut other, "other"));
    let begun = now();
    rig.hold("other", "one");
    let end = deadline();
    while one.downs(to_other) == 0 {
        assert!(now() < end, "nobody notices");
        for node in [&mut one, &mut idle, &mut other] {
            node.poll(Duration::from_millis(20));
        }
    }
    assert!(now() - begun >= SILENCE_MAX - PING_AFTER);
    assert_eq!(one.seen.last(), Some(&Event::Down { link: to_other, why: Broken::Silent }));
    assert_eq!((one.downs(to_idle), idle.downs(from_one)), (0, 0));
    one.fabric.ring(to_idle, 1).unwrap();
    while idle.bells(from_one).is_empty() {
        assert!(now() < end, "the idle link is of no use");
        one.poll(SHORT);
        idle.poll(SHORT);
    }
}
