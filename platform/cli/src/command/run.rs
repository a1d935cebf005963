//! `notrace run`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use notrace_policy_promise::limits::INPUT_BYTES_MAX;
use notrace_policy_promise::receipt::Commitment;
use notrace_policy_promise::verify::Expected;
use notrace_sdk_client::Error;
use notrace_sdk_client::receipt::ReceiptPath;
use notrace_sdk_client::run::{self, Passage};
use notrace_sdk_client::source::Source;
use notrace_sdk_client::task::TaskRef;
use notrace_sdk_client::verify;

use crate::args::Run;
use crate::command::object::source;
use crate::exit::{Done, Failure};
use crate::progress;
use crate::session::Session;

/// How long a receipt is waited for: an epoch lasts a minute at most.
const RECEIPT_PATIENCE: Duration = Duration::from_secs(90);

pub(super) async fn run(session: &Session, run: Run) -> Done {
    let input = match &run.input {
        Some(path) => source(path, "the input", INPUT_BYTES_MAX)?,
        None => Source::bytes(Vec::new()),
    };
    let Run { task, objects, declassify, args, timeout, receipt, plain, sizes, .. } = run;
    let passage = if plain { Passage::Plain } else { Passage::Sealed };
    let shown = progress::waiting("running");
    let run = run::Run { task, objects, declassify, args, input, timeout, passage, sizes };
    let answer = session.client.run(&run).await;
    drop(shown);
    let answer = match (answer, &receipt) {
        (Ok(answer), _) => answer,
        // A run that failed took place: its receipt is kept before its failure is told.
        (Err(Error::RunFailed { problem, receipt: path, request }), Some(file)) => {
            keep(session, &path, file, &run.task, request).await?;
            return Err(session.fail(Error::RunFailed { problem, receipt: path, request }));
        }
        (Err(error), _) => return Err(session.fail(error)),
    };
    // Whoever read the answer may have had enough of it; the receipt is wanted all the same.
    let path = answer.receipt;
    let written = answer.body.write_to(&mut io::stdout().lock()).await;
    let written = written.map(drop).map_err(Failure::from);
    let Some(file) = receipt else { return written };
    let path = path.ok_or(Failure::from(Error::NotUnderstood("no receipt was named")))?;
    keep(session, &path, &file, &run.task, answer.request).await?;
    written
}

/// Waits for a receipt, writes it, and then verifies it: one that is not true is evidence.
async fn keep(
    session: &Session,
    path: &ReceiptPath,
    file: &Path,
    task: &TaskRef,
    request: Option<Commitment>,
) -> Done {
    let shown = progress::waiting("waiting for the receipt");
    let proof = session.client.receipt(path, RECEIPT_PATIENCE).await;
    drop(shown);
    let proof = proof.map_err(|error| session.fail(error))?;
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(file);
    opened
        .and_then(|mut open| open.write_all(proof.as_bytes()))
        .map_err(|error| Failure::unwritable(file, &error))?;
    let task = match task {
        TaskRef::Digest(digest) => Some(*digest),
        TaskRef::Name(_) => None,
    };
    let expected = Expected { task, request, ..Expected::default() };
    verify::receipt_of(&proof, &verify::trust(&session.credentials)?, &expected)?;
    Ok(())
}
