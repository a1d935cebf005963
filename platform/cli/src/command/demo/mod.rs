//! `notrace demo`: the whole story on one machine, on a folder that is gone afterwards.

mod child;
mod cluster;
mod props;
mod search;

use std::path::Path;
use std::time::Duration;

use notrace_policy_promise::name::{ObjectName, PoolName};
use notrace_policy_promise::release::Sizes;
use notrace_sdk_client::object::{At, Condition};
use notrace_sdk_client::run::{Passage, Run};
use notrace_sdk_client::source::Source;
use notrace_sdk_client::task::{Push, TaskRef};
use notrace_sdk_client::wire::Code;
use notrace_sdk_client::wire::pool::{PoolSpec, Retain};

use crate::exit::{Done, Failure, Local};
use crate::session::Session;
use crate::{progress, say};
use child::Child;
use search::Fragments;

/// How long the demo waits for one answer or receipt.
const PATIENCE: Duration = Duration::from_secs(30);
/// How wide the story is told; digests stand out.
const COLUMNS: usize = 88;
/// The largest answer that the demo takes.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Tells the story, and cleans up however it ends: node and folder go when they are dropped.
pub(super) async fn tell(with_cluster: bool) -> Done {
    let story = async { if with_cluster { cluster::story().await } else { story().await } };
    tokio::select! {
        told = story => told,
        _ = tokio::signal::ctrl_c() => {
            Err(Failure::local(Local::DemoFailed, "the demo was interrupted; its folder is gone")
                .help("Start it again with `notrace demo`."))
        }
    }
}

async fn story() -> Done {
    say::line("notrace runs code on private data and leaves nothing behind. Watch it do so.\n")?;
    let folder = tempfile::Builder::new().prefix("notrace-demo-").tempdir();
    let folder = folder.map_err(|error| failed("a folder for the demo", error.kind()))?;
    let dir = folder.path().join("node");
    let shown = progress::waiting("starting a node");
    let child = Child::start(&dir, &[]).await?;
    drop(shown);
    let session = Session::at(&dir.join("client.toml"))?;
    step("A node started on this machine, with keys and a certificate of its own.")?;

    let [thumbnail, redact] = upload(&session).await?;
    let [photo, note] = store(&session).await?;
    let proof = run(&session, [&thumbnail, &redact], &photo, &note).await?;
    verify(&session, &redact, &proof, folder.path())?;
    look_for_traces(&dir, folder.path(), "while the data is stored")?;
    shred(&session, [&photo, &note]).await?;
    child.end().await?;
    step("The node was told to stop: it drained, and ended.")?;
    look_for_traces(&dir, folder.path(), "after the end")?;

    let path = folder.path().to_owned();
    folder.close().map_err(|error| failed("the demo's folder, to remove it", error.kind()))?;
    if path.exists() {
        return Err(Failure::local(Local::DemoFailed, "the demo's folder is still there"));
    }
    step("The demo's folder was removed. Nothing is left.")?;
    say::line(
        "\nYour turn: `notrace serve --dir ./node`, then `notrace task new hello --lang wat`.",
    )
}

async fn upload(session: &Session) -> Result<[TaskRef; 2], Failure> {
    let mut tasks = Vec::new();
    for (name, what, module) in props::TASKS {
        let (shown, told) = progress::push(module.len() as u64);
        let push = Push {
            module: (*module).into(),
            name: name.parse().ok(),
            if_version: None,
            progress: Some(told),
        };
        let accepted = session.client.task_push(&push).await;
        drop(shown);
        let accepted = accepted.map_err(|error| session.fail(error))?;
        let size = say::counted(module.len() as u64, "byte");
        step(&format!(
            "The task `{name}` ({what}, {size}) went up over HTTPS; it was checked: \
            it can reach nothing but what it is given."
        ))?;
        tasks.push(TaskRef::Digest(accepted.digest));
    }
    tasks.try_into().map_err(|_| Failure::local(Local::DemoFailed, "a task is missing"))
}

async fn store(session: &Session) -> Result<[ObjectName; 2], Failure> {
    let pool: PoolName = named("demo")?;
    let spec = PoolSpec {
        retain: Retain::For(Duration::from_secs(24 * 60 * 60)),
        durability: None,
        consistency: None,
        transport: None,
        label: None,
        release: None,
    };
    session.client.pool_create(&pool, &spec).await.map_err(|error| session.fail(error))?;
    let mut names = Vec::new();
    for (key, what, bytes) in [props::PHOTO, props::NOTE] {
        let name: ObjectName = named(&format!("demo/{key}"))?;
        let put = session.client.put(&name, Source::bytes(bytes), Condition::IfAbsent).await;
        let put = put.map_err(|error| session.fail(error))?;
        let size = say::counted(bytes.len() as u64, "byte");
        step(&format!(
            "{what} ({size}) was stored as {name}, version {}: sealed under a key of \
            its own before it reached the disk.",
            put.version
        ))?;
        names.push(name);
    }
    names.try_into().map_err(|_| Failure::local(Local::DemoFailed, "an object is missing"))
}

/// Runs both tasks; returns the second one's receipt.
async fn run(
    session: &Session,
    [thumbnail, redact]: [&TaskRef; 2],
    photo: &ObjectName,
    note: &ObjectName,
) -> Result<String, Failure> {
    let small = answer(session, thumbnail, photo).await?;
    let (what, size) = (picture(&small.0), say::counted(small.0.len() as u64, "byte"));
    step(&format!(
        "`thumbnail` ran once on the photo, in a process of its own that is dead now, \
        and answered with {what} of {size}. Request and answer were sealed: they could be \
        read there and here, and not in the node between."
    ))?;
    let masked = answer(session, redact, note).await?;
    step("`redact` ran once on the note. What went in, and what came out:")?;
    let before = String::from_utf8_lossy(props::NOTE.2);
    let after = String::from_utf8_lossy(&masked.0);
    let differing = before.lines().zip(after.lines()).filter(|(before, after)| before != after);
    for (before, after) in differing.take(3) {
        say::line(format_args!("      {before}\n    > {after}"))?;
    }
    let shown = progress::waiting("waiting for the receipt");
    let proof = session.client.receipt(&masked.1, PATIENCE).await;
    drop(shown);
    proof.map_err(|error| session.fail(error))
}

async fn answer(
    session: &Session,
    task: &TaskRef,
    object: &ObjectName,
) -> Result<(Vec<u8>, notrace_sdk_client::receipt::ReceiptPath), Failure> {
    let run = Run {
        declassify: Vec::new(),
        task: task.clone(),
        objects: vec![object.clone()],
        args: Vec::new(),
        input: Source::bytes(Vec::new()),
        timeout: Some(PATIENCE),
        passage: Passage::Sealed,
        sizes: Sizes::Powers,
    };
    let answer = session.client.run(&run).await.map_err(|error| session.fail(error))?;
    let receipt = answer.receipt;
    let receipt =
        receipt.ok_or_else(|| Failure::local(Local::DemoFailed, "a run named no receipt"))?;
    Ok((answer.body.read(ANSWER_BYTES_MAX).await?, receipt))
}

fn verify(session: &Session, task: &TaskRef, proof: &str, folder: &Path) -> Done {
    let file = folder.join("r.proof");
    std::fs::write(&file, proof).map_err(|error| Failure::unwritable(&file, &error))?;
    let kept =
        std::fs::read_to_string(&file).map_err(|error| Failure::unreadable(&file, &error))?;
    let trust = notrace_sdk_client::verify::trust(&session.credentials)?;
    let task = match task {
        TaskRef::Digest(digest) => Some(*digest),
        TaskRef::Name(_) => None,
    };
    let verified = notrace_sdk_client::verify::receipt(&kept, &trust, task)?;
    step("The receipt of that run was verified offline, with the ledger's public key alone:")?;
    say::text(&wrapped("      ", "      ", &verified.to_string()))
}

/// Looks for pieces of what was stored in every file of the node, and makes sure that it would
/// have found them.
fn look_for_traces(dir: &Path, folder: &Path, when: &str) -> Done {
    let fragments = Fragments::of(&[props::PHOTO.2, props::NOTE.2])?;
    let control = folder.join("control");
    std::fs::write(&control, [b"before".as_slice(), props::NOTE.2, b"after"].concat())
        .map_err(|error| Failure::unwritable(&control, &error))?;
    let found_control = fragments.search(&control)?;
    std::fs::remove_file(&control).map_err(|error| Failure::unwritable(&control, &error))?;
    if found_control.hits == 0 {
        return Err(Failure::local(Local::DemoFailed, "the search does not find what is there"));
    }
    let found = fragments.search(dir)?;
    if found.hits > 0 {
        let cause = format!("{} pieces of the data lie in the node's files", found.hits);
        return Err(Failure::local(Local::DemoFailed, cause));
    }
    let (files, bytes) = (say::counted(found.files, "file"), say::counted(found.bytes, "byte"));
    let pieces = say::counted(fragments.count(), "piece");
    step(&format!(
        "Searched {files} of the node ({bytes}) {when} for {pieces} of the photo and \
        the note: none. (The same search finds them in a file that has them.)"
    ))
}

async fn shred(session: &Session, names: [&ObjectName; 2]) -> Done {
    for name in names {
        session.client.shred(name).await.map_err(|error| session.fail(error))?;
        match session.client.get(name, At::Now).await {
            Err(error) if error.code() == Some(Code::ObjectShredded) => {}
            Err(error) => return Err(session.fail(error)),
            Ok(_) => return Err(Failure::local(Local::DemoFailed, "a shredded object was read")),
        }
    }
    step(
        "Both were shredded: their keys are destroyed, and the node answers 410 Gone. \
        What is left on the disk can be opened by nobody.",
    )
}

fn step(sentence: &str) -> Done {
    say::text(&wrapped("  ✓ ", "    ", sentence))
}

/// `text` in lines of a terminal's width, the first after `first`, the others after `indent`.
fn wrapped(first: &str, indent: &str, text: &str) -> String {
    let mut out = String::new();
    let mut line = first.to_owned();
    for word in text.split_whitespace() {
        let begun = line.len() > indent.len() && !line.ends_with("✓ ");
        if begun && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            out.push_str(&line);
            out.push('\n');
            line = indent.to_owned();
        } else if begun {
            line.push(' ');
        }
        line.push_str(word);
    }
    out + &line + "\n"
}

fn named<T: std::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::local(Local::DemoFailed, "a name of the demo's own is none"))
}

/// What kind of picture this is, by its first bytes.
fn picture(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => "a PNG",
        [0xff, 0xd8, 0xff, ..] => "a JPEG",
        _ => "a picture",
    }
}

fn failed(what: &str, kind: std::io::ErrorKind) -> Failure {
    Failure::local(Local::DemoFailed, format_args!("the system refuses {what}: {kind}"))
}

#[cfg(test)]
mod a_step {
    use super::*;

    #[test]
    fn is_told_in_lines_that_fit() {
        assert_eq!(wrapped("  ✓ ", "    ", "a b"), "  ✓ a b\n");
        let long = "word ".repeat(40);
        let told = wrapped("  ✓ ", "    ", &long);
        assert!(told.lines().all(|line| line.chars().count() <= COLUMNS));
        assert!(told.lines().skip(1).all(|line| line.starts_with("    word")));
        assert_eq!(told.matches("word").count(), 40);
        let digest = format!("a {} b", "9".repeat(100));
        assert_eq!(wrapped("  ", "  ", &digest).lines().count(), 3);
    }
}
