//! The peer to overtake: `workerd` with a new wasm instance for each request, without TLS.
//!
//! It reuses its process from request to request, which we never do; the ratio says what a process
//! for each run costs.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;

use crate::load;
use crate::table::Table;
use notrace_tests_rig::Link;
use notrace_tests_rig::process::{self, Process, until};

const ECHO: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "run") (param i32) (result i32) local.get 0))"#;

const WORKER: &str = r#"
import echo from "./echo.wasm";
export default { async fetch(request) {
  const input = new Uint8Array(await request.arrayBuffer());
  const instance = new WebAssembly.Instance(echo, {});
  const memory = new Uint8Array(instance.exports.memory.buffer);
  memory.set(input, 0);
  const length = instance.exports.run(input.length);
  return new Response(memory.slice(0, length));
} };
"#;

const CONFIG: &str = r#"
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .echoWorker) ],
  sockets = [ (name = "http", address = "127.0.0.1:PORT", http = (), service = "main") ] );
const echoWorker :Workerd.Worker = (
  modules = [ (name = "worker.js", esModule = embed "worker.js"),
              (name = "echo.wasm", wasm = embed "echo.wasm") ],
  compatibilityDate = "2024-09-01" );
"#;

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let Some(binary) = install() else {
        table.note("workerd was not measured: npm or its package is not to be had here");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    fs::write(dir.path().join("echo.wasm"), wat::parse_str(ECHO)?)?;
    fs::write(dir.path().join("worker.js"), WORKER)?;
    let config = dir.path().join("config.capnp");
    fs::write(&config, CONFIG.replace("PORT", &port.to_string()))?;
    let peer = Process::start(Command::new(binary).arg("serve").arg(config))?;
    let authority = format!("127.0.0.1:{port}");
    let answers = || std::net::TcpStream::connect(&authority).ok();
    until(Duration::from_secs(20), answers).await.context("workerd")?;
    for connections in [1, 16] {
        let mut links = Vec::new();
        for _ in 0..connections {
            links.push(Link::plain(&authority).await?);
        }
        let what = format!("peer workerd, new instance, no TLS, {connections} connections");
        let input = Bytes::from(vec![b'x'; 1024]);
        let rounds = load::rounds(table, &what, &mut links, async move |link, _| {
            let answer = link.ask_ok("POST", "/", &[], input.clone()).await?;
            ensure!(answer == input, "an answer that is not the input");
            Ok(())
        });
        rounds.await?;
    }
    let resident: f64 = peer.tree().iter().map(|id| process::memory_mb(*id).0).sum();
    table.add("peer workerd: memory after the load (PSS)", "MB", vec![resident]);
    Ok(())
}

/// The workerd binary from its npm package, kept between runs; none where npm is missing.
fn install() -> Option<std::path::PathBuf> {
    let cache = std::env::home_dir()?.join(".cache/notrace/peer");
    let binary = cache.join("node_modules/@cloudflare/workerd-linux-64/bin/workerd");
    if !binary.exists() {
        fs::create_dir_all(&cache).ok()?;
        let mut npm = Command::new("npm");
        npm.current_dir(&cache).args(["install", "--silent", "--no-audit", "workerd"]);
        npm.status().ok()?;
    }
    binary.exists().then_some(binary)
}
