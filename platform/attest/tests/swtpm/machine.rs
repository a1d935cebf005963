//! A machine with a TPM: a process, its state, and the socket that it is reached at.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use notrace_platform_attest::tpm::Device;
use tempfile::TempDir;

/// A TPM that is on, until it is dropped.
pub(crate) struct Machine {
    dir: TempDir,
}

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        let _ = writeln!(std::io::stderr(), "skipped: {program} is not installed here");
    }
    found
}

impl Machine {
    /// A new one, if there can be one here.
    pub(crate) fn new() -> Option<Self> {
        has("swtpm").then(|| {
            let machine = Self { dir: tempfile::tempdir().unwrap() };
            machine.start();
            machine
        })
    }

    /// Turns it on. The program returns once the socket is there.
    fn start(&self) {
        let at = |name: &str| self.path(name).display().to_string();
        let started = Command::new("swtpm")
            .args(["socket", "--tpm2", "--daemon", "--flags", "not-need-init,startup-clear"])
            .args(["--tpmstate", &format!("dir={}", self.dir.path().display())])
            .args(["--server", &format!("type=unixio,path={}", at("tpm"))])
            .args(["--ctrl", &format!("type=unixio,path={}", at("tpm.ctrl"))])
            .args(["--pid", &format!("file={}", at("pid"))])
            .output();
        let started = started.unwrap();
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    }

    /// Turns it off and on again: registers begin anew, what it was made with stays.
    pub(crate) fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Asks it to end, and waits until its socket is closed.
    fn stop(&self) {
        let line = UnixStream::connect(self.path("tpm"));
        if let Ok(pid) = fs::read_to_string(self.path("pid")) {
            let _ = Command::new("kill").arg(pid.trim()).status();
        }
        let mut rest = Vec::new();
        let _ = line.map(|mut line| line.read_to_end(&mut rest));
        let _ = fs::remove_file(self.path("tpm"));
        let _ = fs::remove_file(self.path("tpm.ctrl"));
        let _ = fs::remove_file(self.path("pid"));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn device(&self) -> Device {
        Device::Socket(self.path("tpm"))
    }

    /// Adds to a register, as firmware does with each thing it starts.
    pub(crate) fn extend(&self, register: u8, digest: [u8; 32]) {
        let mut command = vec![0x80, 0x02, 0, 0, 0, 65, 0, 0, 0x01, 0x82, 0, 0, 0, register];
        // The empty password; one digest, SHA-256.
        command.extend_from_slice(&[0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0]);
        command.extend_from_slice(&[0, 0, 0, 1, 0, 0x0b]);
        command.extend_from_slice(&digest);
        assert_eq!(command.len(), 65);
        let mut line = UnixStream::connect(self.path("tpm")).unwrap();
        line.write_all(&command).unwrap();
        let mut header = [0; 10];
        line.read_exact(&mut header).unwrap();
        assert_eq!(header[6..], [0; 4], "the TPM took it");
        let mut rest = vec![0; usize::from(header[5]) - 10];
        line.read_exact(&mut rest).unwrap();
    }

    /// Runs one of the TPM's usual tools in this machine's folder.
    pub(crate) fn tool(&self, program: &str, args: &[&str]) -> Output {
        let tcti = format!("swtpm:path={}", self.path("tpm").display());
        Command::new(program)
            .args(args)
            .env("TPM2TOOLS_TCTI", tcti)
            .current_dir(self.dir.path())
            .output()
            .unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A public key as the usual tools want it, from a TPM's public area.
pub(crate) fn write_pem(public: &[u8], to: &Path) {
    let y = &public[public.len() - 32..];
    let x = &public[public.len() - 66..public.len() - 34];
    let info = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    let der = [&info[..], x, y].concat();
    let der_file = to.with_extension("der");
    fs::write(&der_file, der).unwrap();
    let made = Command::new("openssl")
        .args(["pkey", "-pubin", "-inform", "DER", "-in"])
        .arg(der_file)
        .arg("-out")
        .arg(to)
        .status();
    assert!(made.unwrap().success());
}
