//! Leaks that are planted on purpose, so that the hunt for leaks can be shown to find each kind.
//! Only in a build with the feature `planted-leaks`; `tests/residue` has the table, and the numbers
//! are those of its rows.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::receipt::Receipt;
use notrace_runtime_worker::{End, Given, Outcome, planted};

pub use notrace_runtime_worker::leak::*;

use crate::node::Node;

#[cfg(not(debug_assertions))]
compile_error!("planted leaks are for tests of the hunt; a release build may not have them");

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static LAST: Mutex<Last> = Mutex::new(Last { input: Vec::new(), argument: String::new() });

/// What the last run was given.
#[derive(Clone, Default)]
pub struct Last {
    /// Its input.
    pub input: Vec<u8>,
    /// Its first argument.
    pub argument: String,
}

thread_local! {
    /// What a thread that blocks reads files into, as the runtime's own threads have it.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a copy for as long as the process lives.
pub fn keep(bytes: &[u8]) {
    locked(&KEPT).push(bytes.to_vec());
}

/// What the last run was given, if that was remembered.
pub fn last() -> Last {
    locked(&LAST).clone()
}

/// A file that programs of this system put what passes into.
#[expect(
    clippy::disallowed_methods,
    reason = "a file in a shared folder is a trace, as is the intent"
)]
pub fn temporary_file(name: &str) -> PathBuf {
    std::env::temp_dir().join(name)
}

/// The leaks at the point where a run's input and arguments are at hand.
pub(crate) fn of_run(given: &Given) {
    // What was sealed passes as it is; there is nothing to leak here.
    let Given::Plain { args, input } = given else { return };
    let input = input.reveal(Vec::clone);
    let argument = args.first().map(|argument| argument.reveal(String::clone));
    let argument = argument.unwrap_or_default();
    in_this_process(&input, &argument);
    outside(&input, &argument);
    planted!(31, remember(&input, &argument));
    planted!(42, remember(&input, &argument));
    planted!(44, remember(&input, &argument));
    planted!(56, remember(&input, &argument));
}

fn remember(input: &[u8], argument: &str) {
    let mut last = locked(&LAST);
    last.input = input.to_vec();
    if !argument.is_empty() {
        last.argument = argument.to_owned();
    }
}

fn in_this_process(input: &[u8], argument: &str) {
    planted!(4, keep_in_registers(input.get(1..).unwrap_or_default()));
    planted!(5, {
        let held = input.to_vec();
        tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
    });
    planted!(6, {
        let read = input.to_vec();
        let work = move || SCRATCH.with_borrow_mut(|scratch| scratch.extend_from_slice(&read));
        drop(tokio::task::spawn_blocking(work));
    });
    planted!(20, keep(argument.as_bytes()));
    planted!(33, {
        let name: String = argument.chars().take(15).collect();
        let named = std::thread::Builder::new().name(name);
        let _ = named.spawn(|| {
            loop {
                std::thread::park();
            }
        });
    });
    planted!(34, share_rings());
    planted!(35, {
        let _ = let_pages_merge();
    });
    planted!(37, keep_in_keyring(argument));
}

fn outside(input: &[u8], argument: &str) {
    planted!(19, {
        let message = format!("cannot take the argument {argument}");
        drop(tokio::spawn(async move { std::panic::panic_any(message) }));
    });
    planted!(25, drop(over_loopback(input)));
    planted!(32, {
        let log = std::fs::OpenOptions::new().write(true).open("/dev/kmsg");
        let _ = log.and_then(|mut log| writeln!(log, "a run with {argument}"));
    });
    planted!(41, drop(writeln!(std::io::stderr(), "a run with {input:?}")));
    planted!(57, {
        let mut name = String::new();
        for byte in input.iter().skip(1).take(30) {
            let _ = write!(name, "{byte:02x}");
        }
        let socket = UdpSocket::bind("127.0.0.1:0");
        let _ = socket.and_then(|socket| socket.send_to(name.as_bytes(), "127.0.0.1:53"));
    });
}

/// Hands the input to another part of the same machine, as a proxy beside a server would.
fn over_loopback(input: &[u8]) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let start = input.get(..1024).unwrap_or(input).to_vec();
    sender.write_all(&start)?;
    drop(sender);
    listener.accept()?.0.read_to_end(&mut Vec::new()).map(drop)
}

/// The leaks at the point where it is known how a run ended.
pub(crate) fn of_outcome(node: &Node, outcome: &Outcome) {
    if outcome.end != End::Answered {
        planted!(31, report(node));
    }
    if let Some(message) = &outcome.message {
        planted!(18, message.reveal(|message| keep(message.as_bytes())));
    }
}

/// Writes a report of a run that failed, as crash reporters do.
fn report(node: &Node) {
    let last = last();
    let text = format!("argument: {}\ninput: {:02x?}\n", last.argument, last.input);
    let _ = std::fs::write(node.config().dir.join("crash-report.txt"), text);
}

/// A receipt from which whoever guesses the input sees that the guess was right.
pub(crate) fn receipt(receipt: Receipt) -> Receipt {
    let digest = ring::digest::digest(&ring::digest::SHA256, &last().input);
    let digest = digest.as_ref().try_into().map(Digest::from_bytes);
    match digest {
        Ok(config) if is(44) => Receipt { config, ..receipt },
        _ => receipt,
    }
}
