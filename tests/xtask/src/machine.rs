//! A machine of its own under QEMU, searched from outside: what it is made of, and the search.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::step::{self, Outcome, Steps};
use crate::tools;

/// Debian's package that depends on the newest kernel for virtual machines.
const NEWEST: &str = "linux-image-cloud-amd64";

/// Builds what is needed, and has the machine run and searched.
pub(crate) fn run() -> Result<bool> {
    let mut steps = Steps::default();
    steps.step("machine", || {
        let has_qemu = answers("qemu-system-x86_64") || tools::apt_install(&["qemu-system-x86"]);
        if !has_qemu || !answers("mkfs.ext4") {
            let needs = "it needs Debian's qemu-system-x86 and e2fsprogs, and apt or root for them";
            return Ok(Outcome::Skipped(needs.to_owned()));
        }
        let folder = tools::cache()?.join("machine");
        if let Err(error) = parts(&folder) {
            return Ok(Outcome::Skipped(format!("its parts cannot be fetched: {error:#}")));
        }
        hunt(&folder)
    });
    Ok(steps.summary())
}

fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(if program == "mkfs.ext4" { "-V" } else { "--version" });
    let ran = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

/// Unpacks a kernel and a busybox below `folder`, unless they are there. Nothing is installed.
fn parts(folder: &Path) -> Result<()> {
    if !folder.join("busybox/bin/busybox").exists() {
        unpack("busybox-static", folder, "busybox")?;
    }
    if !folder.join("kernel/boot").exists() {
        let about = Command::new("apt-cache").args(["depends", NEWEST]).output()?;
        let about = String::from_utf8(about.stdout)?;
        let kernel = about.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
        unpack(kernel.context("apt knows no kernel")?.trim(), folder, "kernel")?;
    }
    Ok(())
}

/// Fetches a Debian package and unpacks it whole or not at all.
fn unpack(package: &str, folder: &Path, name: &str) -> Result<()> {
    let (fetched, unpacked) = (folder.join(format!("{name}.deb")), folder.join("unpacked"));
    for old in [&fetched, &unpacked] {
        // What is not there need not be removed.
        let _ = std::fs::remove_dir_all(old);
    }
    std::fs::create_dir_all(&fetched)?;
    let download =
        Command::new("apt-get").args(["download", package]).current_dir(&fetched).output();
    let download = download.context("apt-get")?;
    if !download.status.success() {
        bail!("{}", String::from_utf8_lossy(&download.stderr).trim());
    }
    let files: Vec<PathBuf> =
        std::fs::read_dir(&fetched)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let file = files.first().context("apt-get fetched nothing")?;
    let status = Command::new("dpkg-deb").arg("-x").arg(file).arg(&unpacked).status()?;
    if !status.success() {
        bail!("{package} cannot be unpacked");
    }
    std::fs::rename(&unpacked, folder.join(name))?;
    Ok(std::fs::remove_dir_all(fetched)?)
}

fn hunt(folder: &Path) -> Result<Outcome> {
    let build = ["build", "--release", "--quiet"];
    let what = ["--package", "notrace-platform-cli", "--package", "notrace-tests-residue"];
    let built = step::run(step::cargo(&[&build[..], &what].concat())?)?;
    if built != Outcome::Passed {
        return Ok(built);
    }
    let program = tools::target()?.join("release/notrace-tests-residue");
    let folder = folder.to_string_lossy();
    step::run(step::command(&program.to_string_lossy(), &["--machine", &folder])?)
}
