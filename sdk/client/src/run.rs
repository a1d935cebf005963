//! Running a task.

use std::time::Duration;

use notrace_policy_promise::name::ObjectName;
use notrace_sdk_wire::header;
use notrace_sdk_wire::path::{self, TASKS};
use reqwest::Method;

use crate::call::Call;
use crate::client::{Client, Reply};
use crate::deed::Deed;
use crate::download::Download;
use crate::error::Error;
use crate::limits::RUN_MARGIN;
use crate::receipt::ReceiptPath;
use crate::source::Source;
use crate::task::TaskRef;

/// What to run.
#[derive(Clone)]
pub struct Run {
    /// Which task.
    pub task: TaskRef,
    /// The objects it may read.
    pub objects: Vec<ObjectName>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its input.
    pub input: Source,
    /// How long it may take; the node's own bound if not said.
    pub timeout: Option<Duration>,
}

/// What a run answered.
pub struct Answer {
    /// Where its receipt will be.
    pub receipt: Option<ReceiptPath>,
    /// The answer itself, untouched.
    pub body: Download,
}

impl Client {
    /// Runs a task once. The request travels plain inside TLS: the node sees the input and the
    /// answer in passing, and the receipt says so.
    /// # Errors  `task_unknown`, `task_compiling`, `not_permitted`, `label_forbids`; `busy` once
    /// patience is out; [`Error::RunFailed`] if it took place and ended without an answer;
    /// [`Error::OutcomeUnknown`] if it may have taken place.
    /// # Cancel  Ends the waiting; the node scrubs all the same.
    pub async fn run(&self, run: &Run) -> Result<Answer, Error> {
        let mut call = Call::to(Deed::Run, Method::POST, format!("{TASKS}/{}/run", run.task))?;
        for object in &run.objects {
            call = call.with(header::OBJECT, &path::encode(&object.to_string()))?;
        }
        for arg in &run.args {
            call = call.with(header::ARG, &path::encode(arg))?;
        }
        if let Some(timeout) = run.timeout {
            let millis = timeout.as_millis().max(1).to_string();
            call = call.with(header::TIMEOUT_MS, &millis)?.silence_max(timeout + RUN_MARGIN);
        }
        let call = call.body(run.input.clone(), "application/octet-stream");
        let Reply { member, response, .. } = self.send(&call).await?;
        let receipt = response.headers().get(header::RECEIPT);
        let receipt: Option<ReceiptPath> =
            receipt.and_then(|value| value.to_str().ok()?.parse().ok());
        let receipt = receipt.map(|receipt| receipt.at(member));
        Ok(Answer { receipt, body: Download::new(response) })
    }
}
