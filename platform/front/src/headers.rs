//! Request headers, parsed.

use core::ops::Bound;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{
    CONTENT_RANGE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use notrace_platform_node::SessionKey;
use notrace_platform_node::leave::Principal;
use notrace_platform_node::store::Condition;
use notrace_policy_promise::label::Label;
use notrace_policy_promise::limits::{RUN_ARG_BYTES_MAX, RUN_ARGS_MAX, RUN_OBJECTS_MAX};
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::private::Private;
use notrace_sdk_wire::code::Code;
use notrace_sdk_wire::{header, path};

use crate::problem::{Answer, Refused, refuse};
use crate::translate;

/// See [`header::VIEW`].
pub(crate) const VIEW: HeaderName = HeaderName::from_static("notrace-view");

/// What a write requires of the object's current version.
pub(crate) fn condition(headers: &HeaderMap) -> Answer<Condition> {
    let matched = single(headers, IF_MATCH, "If-Match")?;
    let absent = single(headers, IF_NONE_MATCH, "If-None-Match")?;
    match (matched, absent) {
        (None, None) => Ok(Condition::Always),
        (None, Some("*")) => Ok(Condition::Absent),
        (None, Some(_)) => Err(malformed("If-None-Match", "`*`")),
        (Some(etag), None) => match notrace_sdk_wire::Version::from_etag(etag) {
            Ok(version) => Ok(Condition::VersionIs(translate::stored_version(version))),
            Err(_) => Err(malformed("If-Match", "one version in quotes, as in \"1:42\"")),
        },
        (Some(_), Some(_)) => Err(malformed("If-Match", "alone, without If-None-Match")),
    }
}

/// The idempotency key, scoped to who sent it.
pub(crate) fn session(headers: &HeaderMap, who: &Principal) -> Answer<Option<SessionKey>> {
    let Some(key) = single(headers, header_name(header::IDEMPOTENCY_KEY), "Idempotency-Key")?
    else {
        return Ok(None);
    };
    let printable = key.bytes().all(|byte| byte.is_ascii_graphic());
    if !printable || !header::IDEMPOTENCY_KEY_BYTES.contains(&key.len()) {
        return Err(malformed("Idempotency-Key", "8 to 128 printable ASCII characters"));
    }
    Ok(SessionKey::of(who, key))
}

/// The objects a run names, in order.
pub(crate) fn objects(headers: &HeaderMap) -> Answer<Vec<ObjectName>> {
    let mut objects = Vec::new();
    for value in headers.get_all(header::OBJECT) {
        if objects.len() == RUN_OBJECTS_MAX {
            return Err(too_many("objects", RUN_OBJECTS_MAX));
        }
        let text = value.to_str().ok().and_then(path::decode);
        let text = text.ok_or_else(|| malformed(header::OBJECT, "POOL/KEY, percent-encoded"))?;
        objects.push(text.parse()?);
    }
    Ok(objects)
}

/// The labels that a run's answer is not to carry.
pub(crate) fn declassify(headers: &HeaderMap) -> Answer<Vec<Label>> {
    let mut labels = Vec::new();
    for value in headers.get_all(header::DECLASSIFY) {
        if labels.len() == RUN_OBJECTS_MAX {
            return Err(too_many("labels", RUN_OBJECTS_MAX));
        }
        let label = value.to_str().ok().and_then(|text| text.parse().ok());
        labels.push(label.ok_or_else(|| malformed(header::DECLASSIFY, "a label"))?);
    }
    Ok(labels)
}

/// The arguments of a run, in order.
pub(crate) fn arguments(headers: &HeaderMap) -> Answer<Vec<Private<String>>> {
    let mut arguments = Vec::new();
    for value in headers.get_all(header::ARG) {
        if arguments.len() == RUN_ARGS_MAX {
            return Err(too_many("arguments", RUN_ARGS_MAX));
        }
        let text = value.to_str().ok().and_then(path::decode);
        let fits = text.filter(|text| text.len() <= RUN_ARG_BYTES_MAX && !text.contains('\0'));
        let form = "percent-encoded UTF-8 of at most 4096 bytes without NUL";
        arguments.push(Private::new(fits.ok_or_else(|| malformed(header::ARG, form))?));
    }
    Ok(arguments)
}

/// How long the client lets a run take.
pub(crate) fn timeout(headers: &HeaderMap) -> Answer<Option<Duration>> {
    let Some(text) = single(headers, header_name(header::TIMEOUT_MS), header::TIMEOUT_MS)? else {
        return Ok(None);
    };
    match text.parse::<u64>() {
        Ok(millis) if millis > 0 => Ok(Some(Duration::from_millis(millis))),
        _ => Err(malformed(header::TIMEOUT_MS, "a whole number of milliseconds above 0")),
    }
}

/// Whether a range is asked for of this very version, or of whichever there is. A client that
/// takes up a broken download sends the version it has the beginning of; of another one it gets
/// the whole.
/// Source: RFC 9110 §13.1.5.
pub(crate) fn is_of_this_version(headers: &HeaderMap, etag: Option<&HeaderValue>) -> bool {
    headers.get(IF_RANGE).is_none_or(|wanted| Some(wanted) == etag)
}

/// Which bytes of a value of `length` are asked for. Several ranges are answered with the whole
/// value, which RFC 9110 §14.2 leaves to a server.
pub(crate) fn range(headers: &HeaderMap, length: u64) -> Answer<Option<(u64, u64)>> {
    let Some(text) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let Some(text) = text.strip_prefix("bytes=").filter(|text| !text.contains(',')) else {
        return Ok(None);
    };
    let Some((first, last)) = text.trim().split_once('-') else { return Ok(None) };
    let bounds = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, Bound::Included(last)),
        (Ok(first), Err(_)) if last.is_empty() => (first, Bound::Unbounded),
        (Err(_), Ok(suffix)) if first.is_empty() && suffix > 0 => {
            (length.saturating_sub(suffix), Bound::Unbounded)
        }
        _ => return Ok(None),
    };
    let (first, last) = bounds;
    if first >= length {
        let mut refused = refuse(Code::RangeUnsatisfiable, "the range begins beyond the value");
        refused.problem.limit = Some(length);
        let whole = HeaderValue::try_from(format!("bytes */{length}"));
        refused.headers.extend(whole.map(|whole| (CONTENT_RANGE, whole)));
        return Err(refused);
    }
    let end = match last {
        Bound::Included(last) => last.saturating_add(1).min(length),
        Bound::Excluded(_) | Bound::Unbounded => length,
    };
    Ok(Some((first, end)))
}

/// The view of the group that the client knows of.
pub(crate) fn view(headers: &HeaderMap) -> Answer<Option<u32>> {
    let text = single(headers, header_name(header::VIEW), header::VIEW)?;
    let number = text.map(str::parse).transpose();
    number.map_err(|_| malformed(header::VIEW, "the number that an answer had"))
}

fn single<'a>(headers: &'a HeaderMap, name: HeaderName, shown: &str) -> Answer<Option<&'a str>> {
    let mut values = headers.get_all(&name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(malformed(shown, "given once"));
    }
    let text = first.map(|value| value.to_str()).transpose();
    text.map_err(|_| malformed(shown, "printable ASCII"))
}

fn header_name(name: &'static str) -> HeaderName {
    // The names are literals of the wire crate; one that hyper refuses would match nothing.
    HeaderName::try_from(name).unwrap_or(HeaderName::from_static("notrace-unknown"))
}

fn malformed(name: &str, form: &str) -> Box<Refused> {
    refuse(Code::HeaderMalformed, format!("the header {name} must be {form}"))
}

fn too_many(what: &str, most: usize) -> Box<Refused> {
    let mut refused = refuse(Code::TooMany, format!("a run may name at most {most} {what}"));
    refused.problem.limit = Some(most as u64);
    refused
}

#[cfg(test)]
mod request_headers {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    fn code<T>(answer: Answer<T>) -> Code {
        answer.err().unwrap().problem.code
    }

    #[test]
    fn make_a_write_conditional() {
        let condition_of = |name, value| condition(&with(name, value));
        assert!(matches!(condition(&HeaderMap::new()), Ok(Condition::Always)));
        assert!(matches!(condition_of("if-none-match", "*"), Ok(Condition::Absent)));
        assert!(matches!(condition_of("if-match", "\"1:42\""), Ok(Condition::VersionIs(_))));
        for bad in ["1:42", "*", "W/\"1:42\"", "\"1:42\", \"1:43\""] {
            assert_eq!(code(condition_of("if-match", bad)), Code::HeaderMalformed);
        }
    }

    #[test]
    fn ask_for_a_range_as_rfc_9110_has_it() {
        let range_of = |text: &str| range(&with("range", text), 10).ok().flatten();
        assert_eq!(range_of("bytes=0-3"), Some((0, 4)));
        assert_eq!(range_of("bytes=4-"), Some((4, 10)));
        assert_eq!(range_of("bytes=-3"), Some((7, 10)));
        assert_eq!(range_of("bytes=-99"), Some((0, 10)));
        assert_eq!(range_of("bytes=5-999"), Some((5, 10)));
        assert_eq!(range_of("bytes=0-1,4-5"), None);
        assert_eq!(range_of("lines=0-1"), None);
        assert_eq!(range_of("bytes=3-1"), None);
        assert_eq!(code(range(&with("range", "bytes=10-"), 10)), Code::RangeUnsatisfiable);
        assert_eq!(code(range(&with("range", "bytes=0-"), 0)), Code::RangeUnsatisfiable);
    }

    #[test]
    fn ask_for_the_rest_of_one_version_only() {
        let etag = HeaderValue::from_static("\"1:42\"");
        let of_this = |headers: &HeaderMap| is_of_this_version(headers, Some(&etag));
        assert!(of_this(&HeaderMap::new()));
        assert!(of_this(&with("if-range", "\"1:42\"")));
        assert!(!of_this(&with("if-range", "\"1:41\"")));
        assert!(!of_this(&with("if-range", "Sun, 22 Nov 2026 00:00:00 GMT")));
    }

    #[test]
    fn say_which_view_a_client_knows_of() {
        let view_of = |text: &str| view(&with("notrace-view", text));
        assert_eq!(view(&HeaderMap::new()).ok(), Some(None));
        assert_eq!(view_of("17").ok(), Some(Some(17)));
        for bad in ["", "-1", "1:2", "4294967296"] {
            assert_eq!(code(view_of(bad)), Code::HeaderMalformed);
        }
    }

    #[test]
    fn name_objects_percent_encoded() {
        let named = objects(&with("notrace-object", "photos/a%20b.png")).ok().unwrap();
        assert_eq!(named[0].key.as_str(), "a b.png");
        assert_eq!(code(objects(&with("notrace-object", "photos"))), Code::NameMalformed);
        assert_eq!(code(objects(&with("notrace-object", "%zz"))), Code::HeaderMalformed);
    }
}
