//! What is outside: the things that an attempt would reach if nothing were in between.

use std::io::Error;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;

use notrace_runtime_jail::weakened::raw;
use rustix::io::FdFlags;
use rustix::pipe::pipe;

/// Where things are, as told to the process that tries.
pub(crate) struct Place {
    pub(crate) port: u16,
    pub(crate) abstract_name: String,
    pub(crate) left_open: i32,
    pub(crate) shared_key: i32,
    pub(crate) pid: u32,
    pub(crate) host: String,
    pub(crate) folder: PathBuf,
    kept: Vec<Box<dyn std::any::Any>>,
}

impl Place {
    /// Sets everything up.
    ///
    /// # Errors  What the host lacks.
    pub(crate) fn new() -> Result<Self, Error> {
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let abstract_name = format!("notrace-fences-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name)?;
        let unix = UnixListener::bind_addr(&address)?;
        let (read, write) = pipe()?;
        // Forgotten, as a descriptor would be that an executed program inherits.
        rustix::io::fcntl_setfd(write.as_fd(), FdFlags::empty())?;
        let held = tempfile::tempdir()?;
        let folder = held.path().to_owned();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777))?;
        let program = folder.join("program");
        std::fs::copy(std::env::current_exe()?, &program)?;
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o4755))?;
        let shared_key = i32::try_from(std::process::id()).map_err(Error::other)?;
        let make = (libc::IPC_CREAT | 0o666) as usize;
        raw::call(libc::SYS_shmget, [shared_key as usize, 4096, make, 0, 0, 0])?;
        Ok(Self {
            port: tcp.local_addr()?.port(),
            abstract_name,
            left_open: write.as_raw_fd(),
            shared_key,
            pid: std::process::id(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            folder,
            kept: vec![Box::new((tcp, unix, read, write, held))],
        })
    }

    pub(crate) fn to_arg(&self) -> String {
        let Self { port, abstract_name, left_open, shared_key, pid, host, folder, .. } = self;
        let folder = folder.display();
        format!("{port} {abstract_name} {left_open} {shared_key} {pid} {host} {folder}")
    }

    pub(crate) fn from_arg(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.splitn(7, ' ').collect();
        let [port, abstract_name, left_open, shared_key, pid, host, folder] = *words.as_slice()
        else {
            return None;
        };
        Some(Self {
            port: port.parse().ok()?,
            abstract_name: abstract_name.to_owned(),
            left_open: left_open.parse().ok()?,
            shared_key: shared_key.parse().ok()?,
            pid: pid.parse().ok()?,
            host: host.to_owned(),
            folder: folder.into(),
            kept: vec![],
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        let found = raw::call(libc::SYS_shmget, [self.shared_key as usize, 0, 0, 0, 0, 0]);
        if let Ok(id) = found {
            let _ = raw::call(libc::SYS_shmctl, [id, libc::IPC_RMID as usize, 0, 0, 0, 0]);
        }
    }
}
