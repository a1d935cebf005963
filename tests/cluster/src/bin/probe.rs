//! One small thing on a host, so that tests see whether a fault bites there.
//!
//! ```text
//! count            prints how many packets arrive until none does for a while
//! send ADDRESS     sends 100 packets
//! answer           sends each packet back, for ever
//! take             takes 40 kB over a connection, and says so
//! give ADDRESS     gives them, and prints the milliseconds it took
//! sync FILE        writes and synchronizes a file, and prints the milliseconds it took
//! clock            prints the wall clock in milliseconds
//! lab              makes a lab of one host with `answer` on it, prints its folder and address, and
//!                  keeps it until it is killed
//! ```

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a probe says what time it is here")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use notrace_tests_cluster::lab::Lab;

const PORT: u16 = 5000;
const EVERYWHERE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
/// After so long without a packet there comes none.
const SILENCE: Duration = Duration::from_millis(400);
const GIFT_BYTES: usize = 40_000;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["count"] => count(),
        ["send", to] => send(to),
        ["answer"] => answer(),
        ["take"] => take(),
        ["give", to] => give(to),
        ["sync", file] => sync(file),
        ["clock"] => say(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis()),
        ["lab"] => {
            let lab = Lab::start(1)?;
            let host = lab.host(0)?;
            let mut answering = host.command(&std::env::current_exe()?).arg("answer").spawn()?;
            say(lab.folder().display())?;
            say(host.address)?;
            // Until the input ends, which is when somebody lets go of this process.
            std::io::stdin().read_to_end(&mut Vec::new())?;
            answering.kill().context("ending what answers")
        }
        _ => bail!("there is no such probe"),
    }
}

fn say(what: impl std::fmt::Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}")?;
    out.flush().context("nobody listens")
}

fn count() -> Result<()> {
    let socket = UdpSocket::bind((EVERYWHERE, PORT))?;
    socket.set_read_timeout(Some(SILENCE))?;
    say("ready")?;
    let mut packets = 0;
    while socket.recv(&mut [0; 16]).is_ok() {
        packets += 1;
    }
    say(packets)
}

fn send(to: &str) -> Result<()> {
    let socket = UdpSocket::bind((EVERYWHERE, 0))?;
    (0..100).try_for_each(|_| socket.send_to(b"packet", (to, PORT)).map(drop))?;
    Ok(())
}

fn answer() -> Result<()> {
    let socket = UdpSocket::bind((EVERYWHERE, PORT))?;
    say("ready")?;
    loop {
        let mut packet = [0; 16];
        let (length, from) = socket.recv_from(&mut packet)?;
        socket.send_to(packet.get(..length).unwrap_or_default(), from)?;
    }
}

fn take() -> Result<()> {
    let listener = TcpListener::bind((EVERYWHERE, PORT))?;
    say("ready")?;
    let (mut stream, _) = listener.accept()?;
    stream.read_exact(&mut [0; GIFT_BYTES])?;
    Ok(stream.write_all(b"!")?)
}

fn give(to: &str) -> Result<()> {
    let began = Instant::now();
    let mut stream = TcpStream::connect((to, PORT))?;
    stream.write_all(&[1; GIFT_BYTES])?;
    stream.read_exact(&mut [0])?;
    say(began.elapsed().as_millis())
}

fn sync(path: &str) -> Result<()> {
    let mut file = File::create(path)?;
    file.write_all(b"data")?;
    let began = Instant::now();
    // Once by way of the C library and once past it: stores do either.
    file.sync_data()?;
    rustix::fs::fdatasync(&file)?;
    say(began.elapsed().as_millis())
}
