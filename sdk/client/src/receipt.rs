//! Receipts: fetching one once its epoch has closed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use notrace_sdk_wire::path::RECEIPTS;
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;

use crate::call::Call;
use crate::client::{Client, Reply};
use crate::error::Error;
use crate::limits::{BACKOFF_FIRST, RECEIPT_BYTES_MAX, SILENCE_MAX};

const ID_BYTES_MAX: usize = 128;

/// Where a receipt will be: `/v1/receipts/{id}`, and at which member if that is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceiptPath {
    path: Box<str>,
    member: Option<Arc<str>>,
}

impl ReceiptPath {
    /// The same at this member, which ran the task.
    pub(crate) fn at(self, member: Arc<str>) -> Self {
        Self { member: Some(member), ..self }
    }
}

/// A text that is no receipt's path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a receipt is at {RECEIPTS}/ID")]
pub struct NotAReceiptPath;

impl FromStr for ReceiptPath {
    type Err = NotAReceiptPath;

    fn from_str(text: &str) -> Result<Self, NotAReceiptPath> {
        let id = text.strip_prefix(RECEIPTS).and_then(|rest| rest.strip_prefix('/'));
        let id = id.ok_or(NotAReceiptPath)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':');
        if (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(plain) {
            Ok(Self { path: text.into(), member: None })
        } else {
            Err(NotAReceiptPath)
        }
    }
}

impl fmt::Display for ReceiptPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl Client {
    /// The receipt as a `tlog-proof`, waiting up to `patience` for its epoch to close.
    /// # Errors  `receipt_unknown`; [`Error::TimedOut`] if patience ran out first.
    /// # Cancel  Loses nothing; ask again.
    pub async fn receipt(&self, path: &ReceiptPath, patience: Duration) -> Result<String, Error> {
        let mut left = patience;
        loop {
            // The node itself waits for the epoch before it answers.
            let call = Call::get(format!("{path}?wait=true")).silence_max(SILENCE_MAX);
            let Reply { response, body, .. } = self.whole(&call.first(path.member.clone())).await?;
            if response.status() != StatusCode::ACCEPTED {
                if body.len() > RECEIPT_BYTES_MAX {
                    return Err(Error::NotUnderstood("a receipt"));
                }
                return String::from_utf8(body).map_err(|_| Error::NotUnderstood("a receipt"));
            }
            let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let wait = wait.and_then(|value| value.parse().ok()).map(Duration::from_secs);
            let wait = wait.unwrap_or_default().max(BACKOFF_FIRST);
            left = left.checked_sub(wait).ok_or(Error::TimedOut)?;
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod a_receipt_path {
    use super::*;

    #[test]
    fn leads_to_receipts_and_nowhere_else() {
        assert!("/v1/receipts/4f-A_9".parse::<ReceiptPath>().is_ok());
        for bad in ["", "/v1/receipts/", "/v1/tasks/a", "/v1/receipts/../node", "/v1/receiptsx"] {
            assert_eq!(bad.parse::<ReceiptPath>(), Err(NotAReceiptPath), "{bad}");
        }
    }
}
