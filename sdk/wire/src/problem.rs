//! A refusal as a body: `application/problem+json`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::code::Code;
use crate::version::Version;

/// The media type of a [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was refused. Carries what a client needs to put it right, in members of their own,
/// and never a byte the client sent. The names of a module's imports are the one exception: they
/// are code, not data, and the refusal would be useless without them.
///
/// Source: RFC 9457.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct Problem {
    /// The stable code, spelt `urn:notrace:error:CODE`.
    #[serde(rename = "type", with = "urn")]
    #[schema(value_type = String)]
    pub code: Code,
    /// The code's meaning in one sentence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong with this request, and what to do about it.
    pub detail: String,
    /// The version that is current, where a condition on it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<Version>,
    /// The import that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<String>,
    /// Which of several operations or items failed, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The bound that was reached, in the unit that `detail` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How much of it was asked for or used, in the same unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    /// What ran out, where something did: `fuel`, `time`, `memory` or `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted: Option<Exhausted>,
    /// The exit status that a task chose, where it said no itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
    /// The kind of trap, as WebAssembly names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trap: Option<String>,
    /// The task's own frames at the trap, innermost first: names of functions, never of values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<String>,
    /// What a task said of its failure, sealed for who sealed the request, in base64 (RFC 4648 §4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// The known name that is nearest to the one that was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// Where in a module the fault lies, in bytes from its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// How long to wait before trying again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

crate::text::words! {
    /// What a task ran out of.
    Exhausted, NotExhausted, "a resource is fuel, time, memory, stack or output":
    /// Instructions.
    Fuel = "fuel",
    /// Wall time.
    Time = "time",
    /// Linear memory.
    Memory = "memory",
    /// The call stack.
    Stack = "stack",
    /// Bytes of answer.
    Output = "output",
}

impl Problem {
    /// A problem of this code, with the code's own title and status.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            title: code.meaning().to_owned(),
            status: code.status(),
            detail: detail.into(),
            current_version: None,
            import: None,
            index: None,
            limit: None,
            used: None,
            exhausted: None,
            exit_status: None,
            trap: None,
            frames: Vec::new(),
            sealed: None,
            nearest: None,
            offset: None,
            retry_after_ms: None,
        }
    }
}

mod urn {
    use core::fmt;
    use core::str::FromStr;
    use serde::{Deserializer, Serializer};

    use crate::code::{Code, NotACode};

    const PREFIX: &str = "urn:notrace:error:";

    struct Urn(Code);

    impl fmt::Display for Urn {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{PREFIX}{}", self.0)
        }
    }

    impl FromStr for Urn {
        type Err = NotACode;

        fn from_str(text: &str) -> Result<Self, NotACode> {
            text.strip_prefix(PREFIX).ok_or(NotACode)?.parse().map(Urn)
        }
    }

    pub(super) fn serialize<S: Serializer>(code: &Code, to: S) -> Result<S::Ok, S::Error> {
        crate::text::serialize(&Urn(*code), to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Code, D::Error> {
        crate::text::deserialize::<Urn, D>(from).map(|urn| urn.0)
    }
}
