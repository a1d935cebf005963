//! What a task is given, as bytes: the input, and behind it the arguments, so that the input stays
//! where it is when it is opened.

use notrace_policy_promise::limits::{INPUT_BYTES_MAX, RUN_ARG_BYTES_MAX, RUN_ARGS_MAX};
use notrace_policy_promise::private::Private;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::SealError;
use crate::limits::CONTENT_TRAILER_BYTES;
use crate::padding::is_zeros;
use crate::request::Content;

/// What a worker opened.
pub struct Opened {
    /// The task's arguments.
    pub args: Vec<Private<String>>,
    /// Its input.
    pub input: Private<Vec<u8>>,
}

/// What stands behind the input: each argument after its length and how many there are; and, at
/// the very end, how long that is and how long the input. Zeros between fill it up.
pub(crate) fn behind(
    content: &Content<'_>,
) -> Result<(Zeroizing<Vec<u8>>, [u8; CONTENT_TRAILER_BYTES]), SealError> {
    let Content { args, input, .. } = content;
    let fits = args.iter().all(|arg| arg.len() <= RUN_ARG_BYTES_MAX && !arg.contains('\0'));
    if args.len() > RUN_ARGS_MAX || input.len() > INPUT_BYTES_MAX || !fits {
        return Err(SealError::TooLarge);
    }
    let length = 2 + args.iter().map(|arg| arg.len() + 2).sum::<usize>();
    let mut behind = Zeroizing::new(Vec::with_capacity(length));
    for arg in *args {
        behind.extend_from_slice(&(arg.len() as u16).to_be_bytes());
        behind.extend_from_slice(arg.as_bytes());
    }
    behind.extend_from_slice(&(args.len() as u16).to_be_bytes());
    let [a, b, c, d] = (length as u32).to_be_bytes();
    let [e, f, g, h] = (input.len() as u32).to_be_bytes();
    Ok((behind, [a, b, c, d, e, f, g, h]))
}

/// Takes content apart. The input keeps its allocation.
pub(crate) fn read(content: Vec<u8>) -> Result<Opened, SealError> {
    let mut input = Private::new(content);
    let args = input.reveal_mut(|content| {
        let (rest, start) = content.split_last_chunk::<4>()?;
        let (rest, length) = rest.split_last_chunk::<4>()?;
        let start = u32::from_be_bytes(*start) as usize;
        let end = start.checked_add(u32::from_be_bytes(*length) as usize)?;
        let args = args(rest.get(start..end)?)?;
        if !is_zeros(rest.get(end..)?) {
            return None;
        }
        content.get_mut(start..)?.zeroize();
        content.truncate(start);
        (start <= INPUT_BYTES_MAX).then_some(args)
    });
    Ok(Opened { args: args.ok_or(SealError::Form)?, input })
}

fn args(tail: &[u8]) -> Option<Vec<Private<String>>> {
    let (mut rest, count) = tail.split_last_chunk::<2>()?;
    let count = usize::from(u16::from_be_bytes(*count));
    if count > RUN_ARGS_MAX {
        return None;
    }
    let mut args = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (arg, after) = after.split_at_checked(length)?;
        let arg = core::str::from_utf8(arg).ok()?;
        if length > RUN_ARG_BYTES_MAX || arg.contains('\0') {
            return None;
        }
        args.push(Private::new(arg.to_owned()));
        rest = after;
    }
    rest.is_empty().then_some(args)
}

#[cfg(test)]
mod what_a_task_is_given {
    use super::*;
    use notrace_policy_promise::release::Sizes;

    fn whole(args: &[String], input: &[u8]) -> Vec<u8> {
        let (args, tail) = behind(&Content { args, input, sizes: Sizes::Exact }).unwrap();
        [input, &args, &[0; 5], &tail].concat()
    }

    fn opened(bytes: Vec<u8>) -> Option<(Vec<String>, Vec<u8>)> {
        let Opened { args, input } = read(bytes).ok()?;
        let args = args.iter().map(|arg| arg.reveal(String::clone)).collect();
        Some((args, input.reveal(Vec::clone)))
    }

    #[test]
    fn comes_apart_as_it_was_put_together() {
        let many = vec!["x".repeat(RUN_ARG_BYTES_MAX); RUN_ARGS_MAX];
        for args in [vec![], vec![String::new()], vec!["--größe".to_owned(), "2".to_owned()], many]
        {
            for input in [&b""[..], b"input"] {
                assert_eq!(opened(whole(&args, input)), Some((args.clone(), input.to_vec())));
            }
        }
    }

    #[test]
    fn has_one_form() {
        let good = whole(&["a".to_owned()], b"in");
        for at in 2..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                // A bit of the argument itself makes another argument, and nothing else does.
                let other = opened(bad).is_some();
                assert!(!other || at == 4, "{at}");
            }
        }
        for length in 0..good.len() {
            assert!(opened(good[..length].to_vec()).is_none(), "{length}");
        }
    }

    #[test]
    fn beyond_what_a_run_may_be_given_is_not_sealed() {
        let long = ["x".repeat(RUN_ARG_BYTES_MAX + 1)];
        let many = vec![String::new(); RUN_ARGS_MAX + 1];
        for args in [&long[..], &many, &["\0".to_owned()]] {
            let refused = behind(&Content { args, input: b"", sizes: Sizes::Exact });
            assert_eq!(refused.err(), Some(SealError::TooLarge));
        }
        let input = vec![0; INPUT_BYTES_MAX + 1];
        assert!(behind(&Content { args: &[], input: &input, sizes: Sizes::Exact }).is_err());
    }
}
