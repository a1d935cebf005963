//! Where things are, and how names are spelt in a path.

use core::fmt::Write as _;

use notrace_policy_promise::name::{ObjectKey, PoolName};

/// Whether the node serves.
pub const HEALTH: &str = "/v1/health";
/// Evidence, keys, posture.
pub const NODE: &str = "/v1/node";
/// The group; `invites`, `join` or `leave` follows.
pub const CLUSTER: &str = "/v1/cluster";
/// Counts of what the node did.
pub const METRICS: &str = "/v1/metrics";
/// The rules in force.
pub const RULES: &str = "/v1/rules";
/// The signed promise.
pub const PROMISE: &str = "/v1/promise";
/// The ledger's latest checkpoint.
pub const CHECKPOINT: &str = "/v1/ledger/checkpoint";
/// The ledger's files; `checkpoint` or `tile/...` follows.
pub const LEDGER: &str = "/v1/ledger";
/// Tasks; a digest or name follows.
pub const TASKS: &str = "/v1/tasks";
/// Pools; a name follows.
pub const POOLS: &str = "/v1/pools";
/// Objects; a pool and a key follow.
pub const OBJECTS: &str = "/v1/objects";
/// Watches; a pool follows.
pub const WATCH: &str = "/v1/watch";
/// Receipts; an id follows.
pub const RECEIPTS: &str = "/v1/receipts";

/// The path of one object. Slashes of the key stay slashes.
pub fn object(pool: &PoolName, key: &ObjectKey) -> String {
    format!("{OBJECTS}/{pool}/{}", encode(key.as_str()))
}

/// `text` with every byte outside `A-Z a-z 0-9 - . _ ~ /` percent-encoded.
///
/// Source: RFC 3986 §2.3; the slash stays because keys are paths.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Undoes [`encode`], and any other percent-encoding of UTF-8. `+` stays a plus.
/// # Errors  `None` for a broken escape or for bytes that are not UTF-8.
pub fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push(u8::try_from(high << 4 | low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod a_path {
    use super::*;

    #[test]
    fn keeps_slashes_and_hides_everything_else() {
        assert_eq!(encode("a b/ü?#%+.png"), "a%20b/%C3%BC%3F%23%25%2B.png");
        assert_eq!(decode("a%20b/%c3%BC%3F%23%25%2B.png").as_deref(), Some("a b/ü?#%+.png"));
    }

    #[test]
    fn is_refused_when_an_escape_is_broken() {
        for bad in ["%", "%2", "%zz", "%ff", "a%2"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        assert_eq!(decode("a+b").as_deref(), Some("a+b"));
    }
}
