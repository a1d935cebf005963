//! A machine that runs.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use notrace_sdk_wire::Credentials;
use notrace_tests_rig::Process;
use notrace_tests_rig::process::until;
use tempfile::TempDir;

use super::recipe::{Images, Recipe};
use crate::stage::Door;

/// What the guest has.
const MEMORY_MIB: u32 = 768;
/// In software, booting and starting a node take a while.
const BOOT_MAX: Duration = Duration::from_secs(300);
const COMMAND_MAX: Duration = Duration::from_secs(60);
const PAGE_BYTES: u64 = 4096;
/// What a bit of a page's flags says.
const PAGE_FLAGS: [(u32, &str); 8] = [
    (5, "in use"),
    (7, "of the slab allocator"),
    (10, "free"),
    (11, "mapped"),
    (12, "anonymous"),
    (20, "missing"),
    (26, "a page table"),
    (32, "reserved"),
];
/// What a command's last line begins with.
const DONE: &str = "done ";

/// What the kernel does with memory that nobody needs any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Freed {
    /// It is zeroed at once.
    Zeroed,
    /// It stays as it was until somebody gets it.
    Kept,
}

pub(super) struct Guest {
    machine: Process,
    folder: TempDir,
    images: Images,
    port: u16,
    line: UnixStream,
    control: UnixStream,
}

impl Guest {
    /// Builds a machine and switches it on.
    ///
    /// # Errors  It does not come up.
    pub(super) async fn boot(recipe: &Recipe, freed: Freed) -> Result<(Self, Door)> {
        let folder = tempfile::tempdir()?;
        let images = recipe.build(folder.path())?;
        // Somebody else may take it until the machine does, which then does not come up.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let machine = start(folder.path(), &images, freed, port)?;
        let connect = |name: &str| {
            let path = folder.path().join(name);
            move || UnixStream::connect(&path).ok()
        };
        let line = until(COMMAND_MAX, connect("line")).await.context("no serial line")?;
        let control = until(COMMAND_MAX, connect("control")).await.context("no control")?;
        for stream in [&line, &control] {
            stream.set_read_timeout(Some(COMMAND_MAX))?;
        }
        let mut guest = Self { machine, folder, images, port, line, control };
        guest.order("qmp_capabilities")?;
        let door = guest.door().await?;
        Ok((guest, door))
    }

    /// Waits for the node to serve; how it is reached from here.
    ///
    /// # Errors  It does not.
    pub(super) async fn door(&mut self) -> Result<Door> {
        let health = format!("127.0.0.1:{}", self.port);
        let mut credentials = None;
        let mut again = tokio::time::interval(Duration::from_secs(1));
        for _ in 0..BOOT_MAX.as_secs() {
            ensure!(self.machine.is_alive(), "the machine ended: {}", self.console());
            if std::net::TcpStream::connect(&health).is_ok()
                && let Ok(text) = self.types("cat /data/node/client.toml")
                && let Ok(mut read) = toml::from_str::<Credentials>(&text)
                && !read.ledger_vkey.is_empty()
            {
                read.url = format!("https://localhost:{}", self.port);
                let door = Door { credentials: read };
                if door.is_open().await {
                    credentials = Some(door);
                    break;
                }
            }
            again.tick().await;
        }
        credentials.with_context(|| format!("no node: {}", self.console()))
    }

    fn console(&self) -> String {
        let read = std::fs::read(self.folder.path().join("console")).unwrap_or_default();
        String::from_utf8_lossy(&read).into_owned()
    }

    /// Has the guest's shell do something; what that printed.
    ///
    /// # Errors  It fails, or takes too long.
    pub(super) fn types(&mut self, line: &str) -> Result<String> {
        self.line.write_all(format!("{line}\n").as_bytes())?;
        let mut said = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&said).replace('\r', "");
            if let Some((before, status)) = text.rsplit_once(DONE)
                && status.ends_with('\n')
            {
                ensure!(status.trim() == "0", "`{line}` failed: {before}");
                return Ok(before.to_owned());
            }
            match self.line.read(&mut piece).context("the guest's shell")? {
                0 => bail!("the guest's shell ended"),
                count => said.extend_from_slice(piece.get(..count).unwrap_or_default()),
            }
        }
    }

    /// What the kernel says of the page at a physical address.
    ///
    /// Source: Linux, Documentation/admin-guide/mm/pagemap.rst (`/proc/kpageflags`).
    ///
    /// # Errors  The guest's shell fails.
    pub(super) fn page(&mut self, address: u64) -> Result<String> {
        let number = address / PAGE_BYTES;
        let flags = self.types(&format!(
            "dd if=/proc/kpageflags bs=8 skip={number} count=1 2>/dev/null | od -An -tx8"
        ))?;
        let flags = u64::from_str_radix(flags.trim(), 16).context("the page's flags")?;
        let known = PAGE_FLAGS.iter().filter(|(bit, _)| flags >> bit & 1 == 1);
        let names: Vec<&str> = known.map(|(_, name)| *name).collect();
        Ok(match names.as_slice() {
            [] => "a page of the kernel's own: its image, a stack or other".to_owned(),
            names => format!("a page that is {}", names.join(", ")),
        })
    }

    /// Gives the machine itself an order, as QEMU's protocol for that has it.
    fn order(&mut self, what: &str) -> Result<()> {
        self.control.write_all(format!("{{\"execute\":\"{what}\"}}\n").as_bytes())?;
        let mut said = String::new();
        let mut piece = [0; 4096];
        while !said.contains("\"return\"") {
            ensure!(!said.contains("\"error\""), "{what}: {said}");
            let count = self.control.read(&mut piece).context("the machine's control")?;
            ensure!(count > 0, "the machine ended");
            said.push_str(&String::from_utf8_lossy(piece.get(..count).unwrap_or_default()));
        }
        Ok(())
    }

    /// Lets `look` look at the machine's memory and disk while nothing in it moves.
    ///
    /// # Errors  The machine does not stop, or `look` fails.
    pub(super) fn at_a_standstill<T>(
        &mut self,
        look: impl FnOnce(&Path, &Path) -> Result<T>,
    ) -> Result<T> {
        self.types("sync")?;
        self.order("stop")?;
        let seen = look(&self.memory(), &self.images.disk);
        self.order("cont")?;
        seen
    }

    fn memory(&self) -> PathBuf {
        self.folder.path().join("memory")
    }

    /// Cuts the power, and lets `look` look at the disk.
    ///
    /// # Errors  `look` fails.
    pub(super) fn cut_power<T>(mut self, look: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        self.machine.end();
        look(&self.images.disk)
    }
}

fn start(folder: &Path, images: &Images, freed: Freed, port: u16) -> Result<Process> {
    let at = |name: &str| folder.join(name).display().to_string();
    let zeroing = if freed == Freed::Zeroed { 1 } else { 0 };
    let boot = format!(
        "console=ttyS0 loglevel=4 secretmem.enable=1 init_on_free={zeroing} init_on_alloc={zeroing}"
    );
    let memory =
        format!("memory-backend-file,id=ram,size={MEMORY_MIB}M,mem-path={},share=on", at("memory"));
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-accel", "tcg", "-cpu", "max", "-display", "none", "-nodefaults", "-no-reboot"]);
    command.args(["-m", &MEMORY_MIB.to_string(), "-object", &memory]);
    command.args(["-machine", "pc,memory-backend=ram", "-append", &boot]);
    command.arg("-kernel").arg(&images.kernel).arg("-initrd").arg(&images.first);
    let disk = format!("file={},if=virtio,format=raw,cache=writethrough", images.disk.display());
    let net = format!("user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:7443");
    command.args(["-drive", &disk, "-netdev", &net, "-device", "virtio-net-pci,netdev=net"]);
    command.args(["-serial", &format!("file:{}", at("console"))]);
    command.args(["-serial", &format!("unix:{},server=on,wait=off", at("line"))]);
    command.args(["-qmp", &format!("unix:{},server=on,wait=off", at("control"))]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(folder.join("said"))?);
    Process::start_heard(&mut command).context("QEMU does not start")
}
