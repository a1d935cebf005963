//! What clients do with canaries, and the canaries they did it with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use notrace_tests_rig::Link;
use notrace_tests_rig::link::connect_telling;
use rustls::KeyLog;

use crate::canary::{Canary, What};
use crate::find::Find;
use crate::guest::{self, Mode, answer_to, turned};
use crate::hunt::in_settled_processes as in_processes;
use crate::keys;
use crate::places::files;
use crate::places::image::Image;
use crate::search::Search;
use crate::stage::{Door, Stage};

/// What is left of deeds for the hunt.
#[derive(Default)]
pub struct Deeds {
    /// All that must be nowhere any more.
    pub canaries: Vec<Canary>,
    /// Where the receipts are.
    pub receipts: Vec<String>,
    /// How many runs there were.
    pub runs: usize,
    /// What was found already, while what it is of was still there to be used.
    pub finds: Vec<Find>,
}

/// Sizes that inputs are filled up to: alone, within one record of TLS, over several, and more than
/// any buffer keeps.
const FILLERS: [usize; 4] = [0, 900, 40_000, 700_000];

/// How long compiling the task may take, in seconds.
const COMPILED_MAX_S: u32 = 120;

impl Deeds {
    /// Makes the pool and uploads the task; tells where it runs.
    ///
    /// # Errors  The node refuses.
    pub async fn prepare(door: &Door) -> Result<String> {
        let mut link = door.link().await?;
        make_pool(&mut link, "p").await?;
        let (data, name) = (Canary::text(What::Control)?, Canary::text(What::Control)?);
        push(&mut link, &guest::module(&data, &name)?).await
    }

    /// Runs the task at `path` so many times on one connection, which is returned: on inputs of all
    /// sizes and with all ends, with an argument and an object each.
    ///
    /// # Errors  A run does not go as it should.
    pub async fn run(&mut self, door: &Door, path: &str, count: usize) -> Result<Link> {
        let secrets = Arc::new(Secrets::default());
        let authority = door.authority()?;
        let ca = &door.credentials.ca_pem;
        let stream = connect_telling(authority, ca, secrets.clone()).await?;
        let mut link = Link::over(stream, authority, Some(&door.credentials.token)).await?;
        let object = Canary::raw(What::Object)?;
        let bytes = Bytes::copy_from_slice(object.bytes());
        link.ask_ok("PUT", "/v1/objects/p/k", &[], bytes.clone()).await?;
        let got = link.ask_ok("GET", "/v1/objects/p/k", &[], Bytes::new()).await?;
        ensure!(got == bytes, "the object does not come back");
        for index in self.runs..self.runs + count {
            let mode = match index % 16 {
                3 => Mode::Fails,
                7 => Mode::Traps,
                15 if index % 64 == 15 => Mode::Lasts,
                _ => Mode::Answers,
            };
            let filler = FILLERS.get(index % 7).copied().unwrap_or(0);
            self.run_once(&mut link, path, mode, filler, &object).await?;
        }
        self.runs += count;
        self.canaries.extend([turned(&object), object]);
        self.canaries.extend(secrets.taken().iter().map(|it| Canary::of(What::Session, it)));
        Ok(link)
    }

    async fn run_once(
        &mut self,
        link: &mut Link,
        path: &str,
        mode: Mode,
        filler: usize,
        object: &Canary,
    ) -> Result<()> {
        let canary = match mode {
            Mode::Fails => Canary::text(What::Message)?,
            _ => Canary::raw(What::Input)?,
        };
        let (argument, header) = (Canary::text(What::Argument)?, Canary::text(What::Header)?);
        let input = mode.input(&canary, filler);
        let timeout = if mode == Mode::Lasts { "200" } else { "20000" };
        let headers = [
            ("notrace-object", "p/k"),
            ("notrace-arg", argument.as_text()),
            ("notrace-timeout-ms", timeout),
            ("traceparent", header.as_text()),
            ("x-request-id", header.as_text()),
            ("user-agent", header.as_text()),
        ];
        let answer = link.ask("POST", path, &headers, input.clone().into()).await?;
        let status = answer.status().as_u16();
        match mode {
            Mode::Answers => {
                let expected = answer_to(&[input.as_slice(), object.bytes()].concat());
                ensure!(status == 200, "a run was answered {status}");
                ensure!(answer.body() == &expected, "the task answers something else");
            }
            Mode::Fails => {
                let said = String::from_utf8_lossy(answer.body()).into_owned();
                ensure!(said.contains(canary.as_text()), "the owner is not told why: {status}");
            }
            Mode::Traps | Mode::Lasts => ensure!(status == 422, "a run was answered {status}"),
        }
        let receipt = answer.headers().get("notrace-receipt").context("a run without a receipt")?;
        self.receipts.push(receipt.to_str()?.to_owned());
        let digest = Canary::digest_of(&input);
        self.canaries.extend([turned(&canary), canary, argument, header, digest]);
        Ok(())
    }

    /// Asks for what is refused, with a canary in every part of a request.
    ///
    /// # Errors  A refusal has no words, or something is not refused.
    pub async fn be_refused(&mut self, door: &Door) -> Result<()> {
        let mut link = door.link().await?;
        let canary = Canary::text(What::Header)?;
        let text = canary.as_text();
        let requests = [
            ("GET", format!("/v1/{text}")),
            ("GET", format!("/v1/objects/p/k?{text}={text}")),
            ("PUT", "/v1/pools/refused".to_owned()),
            ("POST", format!("/v1/tasks/sha256:{text}/run")),
            ("PUT", "/v1/tasks".to_owned()),
            ("POST", "/v1/objects/p".to_owned()),
            ("PATCH", "/v1/objects/p/k".to_owned()),
        ];
        for (method, path) in requests {
            let body = Bytes::copy_from_slice(text.as_bytes());
            let headers = [("idempotency-key", text), ("if-match", text), ("x-request-id", text)];
            let answer = link.ask(method, &path, &headers, body).await?;
            ensure!(answer.status().is_client_error(), "{method} was answered {}", answer.status());
            ensure!(!answer.body().is_empty(), "a refusal without a word");
        }
        drop(link);
        self.canaries.push(canary);
        Ok(())
    }

    /// Uploads a module with canaries, runs it, and removes it again.
    ///
    /// # Errors  The node refuses.
    pub async fn upload_and_remove(&mut self, stage: &Stage) -> Result<()> {
        let mut link = stage.door.link().await?;
        let (data, name) = (Canary::text(What::ModuleData)?, Canary::text(What::ModuleName)?);
        let path = push(&mut link, &guest::module(&data, &name)?).await?;
        let input = Canary::raw(What::Input)?;
        let body = Mode::Answers.input(&input, 0);
        link.ask_ok("POST", &path, &[], body.into()).await?;
        // While it can be run its code is in memory; on the disk it is never readable.
        let search = Search::of([&data, &name])?;
        for folder in stage.folders() {
            self.finds.extend(files::below(&search, &folder)?);
        }
        Image::write_out(stage.home())?;
        let task = path.strip_suffix("/run").context("a path")?;
        link.ask_ok("DELETE", task, &[], Bytes::new()).await?;
        drop(link);
        self.canaries.extend([data, name, turned(&input), input]);
        Ok(())
    }

    /// Makes a pool, puts an object into it, and shreds it: then its key is gone, and so are the
    /// master keys that ever opened the table it was in.
    ///
    /// # Errors  The node refuses, or its table of keys does not open.
    pub async fn shred(&mut self, stage: &Stage) -> Result<()> {
        let mut link = stage.door.link().await?;
        make_pool(&mut link, "doomed").await?;
        let object = Canary::raw(What::Object)?;
        let bytes = Bytes::copy_from_slice(object.bytes());
        link.ask_ok("PUT", "/v1/objects/doomed/k", &[], bytes).await?;
        let table = keys::read(stage.home())?;
        let key = table.key_of("doomed").context("the pool has no key in the table")?;
        // While it is in use it is in secret memory alone, which nobody reads.
        let in_use = Search::of([&Canary::of(What::PoolKey, key)])?;
        self.finds.extend(in_processes(stage, &in_use).await?);
        Image::write_out(stage.home())?;
        link.ask_ok("DELETE", "/v1/pools/doomed?shred=true", &[], Bytes::new()).await?;
        drop(link);
        let after = keys::read(stage.home())?;
        ensure!(after.key_of("doomed").is_none(), "the key is still in the table");
        ensure!(after.master != table.master, "the table is still under the same master key");
        self.canaries.push(object);
        self.canaries.push(Canary::of(What::PoolKey, key));
        self.canaries.push(Canary::of(What::MasterKey, &table.master));
        Ok(())
    }
}

async fn make_pool(link: &mut Link, name: &str) -> Result<()> {
    let spec = Bytes::from_static(b"{\"retain\":\"forever\"}");
    link.ask_ok("PUT", &format!("/v1/pools/{name}"), &[], spec).await.map(drop)
}

/// Uploads a module and tells where it runs.
async fn push(link: &mut Link, module: &[u8]) -> Result<String> {
    let headers = [("content-type", "application/wasm")];
    let module = Bytes::copy_from_slice(module);
    let answer = link.ask_ok("PUT", "/v1/tasks", &headers, module).await?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let digest = answer.get("digest").and_then(|digest| digest.as_str());
    Ok(format!("/v1/tasks/{}/run", digest.context("an upload without a digest")?))
}

/// Waits until the task can be run: in software, compiling takes a while.
///
/// # Errors  It is refused, or takes too long.
pub async fn compiled(door: &Door, path: &str) -> Result<()> {
    let task = path.strip_suffix("/run").context("a path")?;
    let mut link = door.link().await?;
    let mut again = tokio::time::interval(Duration::from_secs(1));
    for _ in 0..COMPILED_MAX_S {
        let about = link.ask_ok("GET", task, &[], Bytes::new()).await?;
        let about: serde_json::Value = serde_json::from_slice(&about)?;
        match about.get("state").and_then(serde_json::Value::as_str) {
            Some("ready") => return Ok(()),
            Some("compiling") => drop(again.tick().await),
            state => bail!("the task is {state:?}"),
        }
    }
    bail!("the task is never compiled")
}

/// What a client's connections are encrypted with.
#[derive(Default, Debug)]
struct Secrets(Mutex<Vec<Vec<u8>>>);

impl Secrets {
    fn taken(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl KeyLog for Secrets {
    fn log(&self, _: &str, _: &[u8], secret: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(secret.to_vec());
    }
}
