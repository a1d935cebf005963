//! A disk that is full refuses writes by name, loses nothing, and takes them again when it is not.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use notrace_tests_rig::Node;
use tempfile::TempDir;

/// A small tmpfs, unmounted with its value.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().ok()?;
        let size = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path());
        mount.status().is_ok_and(|status| status.success()).then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_puts_and_loses_none() -> Result<()> {
    let Some(disk) = SmallDisk::mount("24m") else {
        skipped("mounting a tmpfs needs root");
        return Ok(());
    };
    let dir = tempfile::tempdir_in(disk.0.path())?;
    let node = Node::start_in(dir, 0).await?;
    let mut link = node.link().await?;
    let spec = Bytes::from_static(b"{\"retain\":\"forever\"}");
    link.ask_ok("PUT", "/v1/pools/p", &[], spec).await?;
    let mut stored = 0;
    let refused = loop {
        ensure!(stored < 200, "the disk does not fill");
        let path = format!("/v1/objects/p/{stored}");
        let answer = link.ask("PUT", &path, &[], Bytes::from(vec![stored as u8; 1 << 20])).await?;
        if !answer.status().is_success() {
            break answer;
        }
        stored += 1;
    };
    ensure!(refused.status() == 507, "a full disk is answered {}", refused.status());
    let problem = String::from_utf8_lossy(refused.body()).into_owned();
    ensure!(problem.contains("out_of_space"), "{problem}");
    ensure!(stored > 0, "nothing was stored before the disk was full");
    for number in 0..stored {
        let path = format!("/v1/objects/p/{number}");
        let value = link.ask_ok("GET", &path, &[], Bytes::new()).await?;
        ensure!(value == vec![number as u8; 1 << 20], "{number} changed");
    }
    let health = link.ask("GET", "/v1/health", &[], Bytes::new()).await?;
    ensure!(health.status() == 200, "the node is not alive");
    let node = node.kill_and_restart().await.context("restarting on a full disk")?;
    let value = node.link().await?.ask_ok("GET", "/v1/objects/p/0", &[], Bytes::new()).await?;
    ensure!(value.len() == 1 << 20, "a value is gone after the restart");
    Ok(())
}

/// Says why a test did nothing, where whoever runs it by hand sees it.
fn skipped(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
