//! Running a task.

use std::time::Duration;

use notrace_policy_promise::label::Label;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::receipt::Commitment;
pub use notrace_policy_promise::receipt::Passage;
pub use notrace_policy_promise::release::Sizes;
use notrace_sdk_seal::Told;
use notrace_sdk_seal::limits::SEALED_ANSWER_BYTES_MAX;
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
use crate::sealing::{self, Sealing};
use crate::source::Source;
use crate::task::TaskRef;

/// What to run.
#[derive(Clone)]
pub struct Run {
    /// Which task.
    pub task: TaskRef,
    /// The objects it may read.
    pub objects: Vec<ObjectName>,
    /// The labels that its answer is not to carry, which takes a right.
    pub declassify: Vec<Label>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its input.
    pub input: Source,
    /// How long it may take; the node's own bound if not said.
    pub timeout: Option<Duration>,
    /// Who may see it on its way.
    pub passage: Passage,
    /// To which length arguments and input are filled up when they travel sealed, so that those
    /// who see ciphertext do not learn it. What comes back is filled up as its pools say.
    pub sizes: Sizes,
}

/// What a run answered.
pub struct Answer {
    /// Where its receipt will be.
    pub receipt: Option<ReceiptPath>,
    /// The answer itself, untouched.
    pub body: Download,
    /// What the receipt must be bound to, if the request was sealed.
    pub request: Option<Commitment>,
}

impl Client {
    /// Runs a task once. Sealed, arguments, input and answer can be read by the task's worker and
    /// by this client, and by nobody in between; the answer is opened whole before any of it is
    /// given out. Plain, they travel inside TLS, and the node sees them in passing. The receipt
    /// says which.
    /// # Errors  `task_unknown`, `not_permitted`, `label_forbids`; `busy` and `task_compiling`
    /// once patience is out; [`Error::RunFailed`] if it took place and ended without an answer;
    /// [`Error::OutcomeUnknown`] if it may have taken place; [`Error::KeyFalse`] if the node's
    /// request key is not vouched for; [`Error::AnswerFalse`] if the answer is not the worker's.
    /// # Cancel  Ends the waiting; the node scrubs all the same.
    pub async fn run(&self, run: &Run) -> Result<Answer, Error> {
        let task = match (&run.task, run.passage) {
            // What is sealed is for one module, so a name's is looked up first.
            (TaskRef::Name(_), Passage::Sealed) => {
                TaskRef::Digest(self.task(&run.task).await?.digest)
            }
            (task, _) => task.clone(),
        };
        let mut call = Call::to(Deed::Run, Method::POST, format!("{TASKS}/{task}/run"))?;
        for object in &run.objects {
            call = call.with(header::OBJECT, &path::encode(&object.to_string()))?;
        }
        for label in &run.declassify {
            call = call.with(header::DECLASSIFY, label.as_str())?;
        }
        if let Some(timeout) = run.timeout {
            let millis = timeout.as_millis().max(1).to_string();
            call = call.with(header::TIMEOUT_MS, &millis)?.silence_max(timeout + RUN_MARGIN);
        }
        let call = match (task, run.passage) {
            (TaskRef::Digest(task), Passage::Sealed) => {
                let (objects, args) = (run.objects.clone(), run.args.clone());
                let (input, sizes) = (run.input.whole()?, run.sizes);
                call.sealed(Sealing { task, objects, args, input, sizes })
            }
            _ => {
                for arg in &run.args {
                    call = call.with(header::ARG, &path::encode(arg))?;
                }
                call.body(run.input.clone(), "application/octet-stream")
            }
        };
        let Reply { member, response, opener, .. } = self.send(&call).await?;
        let receipt = response.headers().get(header::RECEIPT);
        let receipt: Option<ReceiptPath> =
            receipt.and_then(|value| value.to_str().ok()?.parse().ok());
        let receipt = receipt.map(|receipt| receipt.at(member));
        let Some(opener) = opener else {
            return Ok(Answer { receipt, body: Download::new(response), request: None });
        };
        let sealed = Download::new(response).read(SEALED_ANSWER_BYTES_MAX).await?;
        let request = Some(opener.commitment());
        match opener.answer(sealed)? {
            Told::Answer(answer) => Ok(Answer { receipt, body: Download::opened(answer), request }),
            Told::Failure(failure) => {
                let problem = Box::new(sealing::problem_of(&failure));
                let receipt = receipt.ok_or(Error::NotUnderstood("a run without a receipt"))?;
                Err(Error::RunFailed { problem, receipt, request })
            }
        }
    }
}
