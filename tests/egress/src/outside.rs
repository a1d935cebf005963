//! The outside: where data would arrive, if it got out.
//!
//! Everything has a fixed name below [`Outside::base`], so that an attempt inside finds it without
//! being told anything but a few numbers.

use std::fs::Permissions;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use notrace_runtime_worker::weakened::raw;
use rustix::fs::{Mode, OFlags};
use rustix::io::FdFlags;

use crate::walls::Walls;
use crate::zoo::zero_ended;

/// What an attempt is told of the outside, as part of the name of the program it runs in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    /// The process outside; names and keys contain it.
    pub(crate) pid: u32,
    /// Another process outside, that does nothing.
    pub(crate) victim: u32,
    /// A TCP and a UDP port.
    pub(crate) port: u16,
    /// A pipe and a socket that were left open.
    pub(crate) pipe: i32,
    /// See `pipe`.
    pub(crate) socket: i32,
    /// Where in the memory of the process outside a message may be left.
    pub(crate) mailbox: usize,
}

impl Numbers {
    pub(crate) fn to_name(self) -> String {
        let Self { pid, victim, port, pipe, socket, mailbox } = self;
        format!("{pid}-{victim}-{port}-{pipe}-{socket}-{mailbox}")
    }

    pub(crate) fn from_words(words: &[&str]) -> Option<Self> {
        let [pid, victim, port, pipe, socket, mailbox] = words else { return None };
        Some(Self {
            pid: pid.parse().ok()?,
            victim: victim.parse().ok()?,
            port: port.parse().ok()?,
            pipe: pipe.parse().ok()?,
            socket: socket.parse().ok()?,
            mailbox: mailbox.parse().ok()?,
        })
    }

    /// A folder that everybody may write to.
    pub(crate) fn folder(self) -> PathBuf {
        PathBuf::from(format!("/tmp/notrace-egress-{}", self.pid))
    }

    pub(crate) fn abstract_name(self, kind: &str) -> String {
        format!("notrace-egress-{}-{kind}", self.pid)
    }

    /// The key of System V objects.
    pub(crate) fn key(self) -> usize {
        self.pid as usize
    }

    /// What is to get out, told apart by the attempt and the walls it is made against: what one
    /// left behind is not taken for another's.
    pub(crate) fn token(self, walls: Walls, technique: u32) -> String {
        self.token_of(u32::from(walls.bits()) << 8 | technique)
    }

    /// The token whose number is all that came.
    fn token_of(self, number: u32) -> String {
        format!("egress-{}-{number:04}", self.pid)
    }
}

/// Everything that listens.
pub(crate) struct Outside {
    pub(crate) numbers: Numbers,
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
    streams: Vec<UnixListener>,
    datagrams: Vec<UnixDatagram>,
    reads: Vec<std::fs::File>,
    _kept: Vec<OwnedFd>,
    victim: Child,
    queue: usize,
    shared: usize,
    semaphore: usize,
    _mailbox: Vec<u8>,
    domain: Vec<u8>,
}

const MAILBOX_BYTES: usize = 64;
/// Source: keyctl(2).
pub(crate) const OF_THE_USER: usize = -4_isize as usize;
const UNLINK: usize = 9;
const SEARCH: usize = 10;

impl Outside {
    pub(crate) fn new() -> Result<Self> {
        let pid = std::process::id();
        let victim =
            Command::new("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let port = tcp.local_addr()?.port();
        let left = LeftOpen::new()?;
        let mailbox = vec![0; MAILBOX_BYTES];
        let numbers = Numbers {
            pid,
            victim: victim.id(),
            port,
            pipe: left.pipe.as_raw_fd(),
            socket: left.socket.as_raw_fd(),
            mailbox: mailbox.as_ptr() as usize,
        };
        let (fifo, streams, mut datagrams) = named(numbers)?;
        datagrams.push(left.socket_ours);
        datagrams.iter().try_for_each(|it| it.set_nonblocking(true))?;
        streams.iter().try_for_each(|it| it.set_nonblocking(true))?;
        let mut udp = vec![UdpSocket::bind(("127.0.0.1", port))?];
        let mut tcp = vec![tcp];
        // A host without the newer protocol has two techniques less.
        tcp.extend(TcpListener::bind(("::1", port)));
        udp.extend(UdpSocket::bind(("::1", port)));
        tcp.iter().try_for_each(|it| it.set_nonblocking(true))?;
        udp.iter().try_for_each(|it| it.set_nonblocking(true))?;
        let make = (libc::IPC_CREAT | 0o666) as usize;
        let key = numbers.key();
        Ok(Self {
            numbers,
            tcp,
            udp,
            streams,
            datagrams,
            reads: vec![fifo.into(), left.pipe_ours.into()],
            _kept: vec![left.pipe, left.socket.into()],
            victim,
            queue: raw::call(libc::SYS_msgget, [key, make, 0, 0, 0, 0]).context("queue")?,
            shared: raw::call(libc::SYS_shmget, [key, 4096, make, 0, 0, 0]).context("shared")?,
            semaphore: raw::call(libc::SYS_semget, [key, 1, make, 0, 0, 0]).context("semaphore")?,
            _mailbox: mailbox,
            domain: rustix::system::uname().domainname().to_bytes().to_vec(),
        })
    }

    /// Whether `token` arrived anywhere since this was asked last. Everything is emptied.
    pub(crate) fn has(&mut self, token: &str) -> bool {
        let mut heard = Vec::new();
        for listener in &self.tcp {
            while let Ok((mut stream, _)) = listener.accept() {
                // The other process is dead, so that there is an end to what it sent.
                let _ = stream.set_nonblocking(false);
                let _ = stream.set_read_timeout(Some(std::time::Duration::from_millis(500)));
                let _ = stream.read_to_end(&mut heard);
            }
        }
        for listener in &self.streams {
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.set_nonblocking(true);
                let _ = stream.read_to_end(&mut heard);
            }
        }
        let mut buffer = [0; 2048];
        let mut take = |got: std::io::Result<usize>, buffer: &[u8]| {
            got.map(|bytes| heard.extend_from_slice(buffer.get(..bytes).unwrap_or_default()))
                .is_ok()
        };
        for socket in &self.udp {
            while take(socket.recv(&mut buffer), &buffer.clone()) {}
        }
        for socket in &self.datagrams {
            while take(socket.recv(&mut buffer), &buffer.clone()) {}
        }
        for read in &mut self.reads {
            while let Ok(bytes @ 1..) = read.read(&mut buffer) {
                heard.extend_from_slice(buffer.get(..bytes).unwrap_or_default());
            }
        }
        self.shared_objects(&mut heard);
        self.key(token, &mut heard);
        self.files(&mut heard);
        heard.windows(token.len()).any(|window| window == token.as_bytes())
    }

    fn shared_objects(&self, heard: &mut Vec<u8>) {
        let mut message = [0u8; 256];
        let at = message.as_mut_ptr() as usize;
        let no_wait = libc::IPC_NOWAIT as usize;
        while raw::call(libc::SYS_msgrcv, [self.queue, at, 240, 0, no_wait, 0]).is_ok() {
            heard.extend_from_slice(&message);
        }
        if let Ok(at) = raw::call(libc::SYS_shmat, [self.shared, 0, 0, 0, 0, 0]) {
            raw::peek(at, &mut message);
            raw::poke(at, &[0; 256]);
            heard.extend_from_slice(&message);
            let _ = raw::call(libc::SYS_shmdt, [at, 0, 0, 0, 0, 0]);
        }
        // One number, of which the token is told by its own.
        let get = [self.semaphore, 0, libc::GETVAL as usize, 0, 0, 0];
        if let Ok(number @ 1..) = raw::call(libc::SYS_semctl, get) {
            let number = u32::try_from(number).unwrap_or(0);
            heard.extend_from_slice(self.numbers.token_of(number).as_bytes());
            let set = [self.semaphore, 0, libc::SETVAL as usize, 0, 0, 0];
            let _ = raw::call(libc::SYS_semctl, set);
        }
        let now = rustix::system::uname();
        if now.domainname().to_bytes() != self.domain {
            heard.extend_from_slice(now.domainname().to_bytes());
            let _ = rustix::system::setdomainname(&self.domain);
        }
        let mut mailbox = [0; MAILBOX_BYTES];
        raw::peek(self.numbers.mailbox, &mut mailbox);
        raw::poke(self.numbers.mailbox, &[0; MAILBOX_BYTES]);
        heard.extend_from_slice(&mailbox);
    }

    /// A key of this name in the keyring of this user.
    fn key(&self, token: &str, heard: &mut Vec<u8>) {
        let (kind, name) = (zero_ended("user"), zero_ended(token));
        let (kind, name) = (kind.as_ptr() as usize, name.as_ptr() as usize);
        let found = raw::call(libc::SYS_keyctl, [SEARCH, OF_THE_USER, kind, name, 0, 0]);
        if let Ok(key) = found {
            heard.extend_from_slice(token.as_bytes());
            let _ = raw::call(libc::SYS_keyctl, [UNLINK, key, OF_THE_USER, 0, 0, 0]);
        }
    }

    /// Names and contents in the folder, and targets of links.
    fn files(&self, heard: &mut Vec<u8>) {
        let folder = self.numbers.folder();
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            heard.extend_from_slice(entry.file_name().as_encoded_bytes());
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_symlink() {
                let target = std::fs::read_link(&path).unwrap_or_default();
                heard.extend_from_slice(target.as_os_str().as_encoded_bytes());
            }
            if kind.is_file() {
                heard.extend(std::fs::read(&path).unwrap_or_default());
                let mut value = [0u8; 64];
                if let Ok(bytes) = rustix::fs::getxattr(&path, "user.egress", &mut value[..]) {
                    heard.extend_from_slice(value.get(..bytes).unwrap_or_default());
                    let _ = rustix::fs::removexattr(&path, "user.egress");
                }
            }
            if !["file", "fifo", "stream", "datagram"].iter().any(|name| path.ends_with(name)) {
                let _ = std::fs::remove_dir(&path);
                let _ = std::fs::remove_file(&path);
            }
        }
        let _ = std::fs::write(folder.join("file"), "");
    }
}

/// A pipe and a socket, as a program leaves them that forgets to close them.
struct LeftOpen {
    pipe: OwnedFd,
    pipe_ours: OwnedFd,
    socket: UnixDatagram,
    socket_ours: UnixDatagram,
}

impl LeftOpen {
    fn new() -> Result<Self> {
        let (pipe_ours, pipe) = rustix::pipe::pipe()?;
        let (socket_ours, socket) = UnixDatagram::pair()?;
        rustix::io::fcntl_setfd(pipe.as_fd(), FdFlags::empty())?;
        rustix::io::fcntl_setfd(socket.as_fd(), FdFlags::empty())?;
        rustix::io::ioctl_fionbio(&pipe_ours, true)?;
        Ok(Self { pipe, pipe_ours, socket, socket_ours })
    }
}

/// The folder with a file, a pipe and sockets that everybody may write to, and sockets without a
/// path.
fn named(numbers: Numbers) -> Result<(OwnedFd, Vec<UnixListener>, Vec<UnixDatagram>)> {
    let folder = numbers.folder();
    let open_to_all = |name: &str, mode: u32| {
        std::fs::set_permissions(folder.join(name), Permissions::from_mode(mode))
    };
    std::fs::create_dir(&folder)?;
    open_to_all("", 0o777)?;
    std::fs::write(folder.join("file"), "")?;
    let fifo = folder.join("fifo");
    let (kind, mode) = (rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o666));
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0)?;
    let abstract_name = |kind| SocketAddr::from_abstract_name(numbers.abstract_name(kind));
    let streams = vec![
        UnixListener::bind(folder.join("stream"))?,
        UnixListener::bind_addr(&abstract_name("stream")?)?,
    ];
    let datagrams = vec![
        UnixDatagram::bind(folder.join("datagram"))?,
        UnixDatagram::bind_addr(&abstract_name("datagram")?)?,
    ];
    for name in ["file", "fifo", "stream", "datagram"] {
        open_to_all(name, 0o666)?;
    }
    let fifo = rustix::fs::open(&fifo, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty())?;
    Ok((fifo, streams, datagrams))
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let remove = libc::IPC_RMID as usize;
        let _ = raw::call(libc::SYS_msgctl, [self.queue, remove, 0, 0, 0, 0]);
        let _ = raw::call(libc::SYS_shmctl, [self.shared, remove, 0, 0, 0, 0]);
        let _ = raw::call(libc::SYS_semctl, [self.semaphore, 0, remove, 0, 0, 0]);
        let _ = std::fs::remove_dir_all(self.numbers.folder());
    }
}
