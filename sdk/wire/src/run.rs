//! Runs and their receipts. The input and the answer are raw bodies; what stands here is the rest.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of a sealed request, and of the answer to one.
pub const SEALED_MEDIA_TYPE: &str = "application/notrace-sealed";

/// The media type of a receipt's proof.
pub const PROOF_MEDIA_TYPE: &str = "text/plain; charset=utf-8";

/// The answer to `GET /v1/receipts/{id}` before the receipt's epoch closed, with status 202.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct ReceiptPending {
    /// How long to wait before asking again, in milliseconds.
    pub retry_after_ms: u64,
}
