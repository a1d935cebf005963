//! Every way a node says no, as a stable word.

use core::fmt;
use core::str::FromStr;

use crate::text::as_text;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal,
       $meaning:literal, $remedy:literal;)+) => {
        /// Why a request was refused. The words never change their meaning and are never reused.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $(#[doc = $meaning] $variant),+
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// The code as it is spelt on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text),+ }
            }

            /// The HTTP status that carries it.
            pub const fn status(self) -> u16 {
                match self { $(Code::$variant => $status),+ }
            }

            /// What it means, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning),+ }
            }

            /// What to do about it, in one sentence.
            pub const fn remedy(self) -> &'static str {
                match self { $(Code::$variant => $remedy),+ }
            }
        }

        impl FromStr for Code {
            type Err = NotACode;

            fn from_str(text: &str) -> Result<Self, NotACode> {
                match text { $($text => Ok(Code::$variant),)+ _ => Err(NotACode) }
            }
        }
    };
}

codes! {
    ModuleMalformed = "module_malformed", 400,
        "The upload is not a complete WebAssembly module or component.",
        "Build the source to .wasm and upload that file; `notrace task check FILE` says what is \
         wrong and where.";
    ModuleTooLarge = "module_too_large", 413,
        "The module is larger than a node accepts.",
        "Strip debug sections or split the program; the limit is in the reply.";
    ModuleUncompilable = "module_uncompilable", 422,
        "The module is valid but could not be compiled within the limits.",
        "Make its functions smaller or fewer; `notrace task check FILE` names the limit.";
    EntryMissing = "entry_missing", 422,
        "The module has no entry point that a node knows how to run.",
        "Export `_start` (WASI command), `wasi:cli/run` or `notrace:task/run`.";
    ImportRefused = "import_refused", 422,
        "The module asks for something that no task is given.",
        "Remove the import that the reply names; `notrace task check FILE` lists what is offered \
         instead.";
    TaskUnknown = "task_unknown", 404,
        "No task has this digest or name.",
        "See `notrace task list`, or upload it with `notrace task push FILE`.";
    TaskCompiling = "task_compiling", 409,
        "The task is still being compiled.",
        "Wait for its events to say `ready`, or try again after the time in `Retry-After`.";
    TaskFailed = "task_failed", 422,
        "The task ran and said itself that it failed.",
        "Look at its exit status; its input or arguments may not be what it expects.";
    TaskTrapped = "task_trapped", 422,
        "The task did something that WebAssembly forbids and was stopped.",
        "Look at the kind of trap and its frames, and mend the task.";
    TaskExhausted = "task_exhausted", 422,
        "The task used up its fuel, time, memory or output and was stopped.",
        "The reply says which, how much and the limit; give it less to do, or a longer \
         `--timeout`.";
    TaskKilled = "task_killed", 422,
        "The task's worker was ended from outside the task: by a fence, a fault, or the host.",
        "Try again; if it happens each time, the module does what no task may.";
    Unauthenticated = "unauthenticated", 401,
        "No credential came with the request, or not one this node issued.",
        "Send the bearer token or client certificate from the node's client.toml.";
    NotPermitted = "not_permitted", 403,
        "The rules do not let this client do this.",
        "Ask who manages the rules, or use a credential that may; `notrace rules show` prints \
         them.";
    SealedRequired = "sealed_required", 403,
        "A pool that was named takes only requests sealed to the worker.",
        "Seal the request, or use a pool whose transport is `tls`.";
    SealMalformed = "seal_malformed", 400,
        "The body is not in the form of a sealed request.",
        "Seal it as `sdk/seal` says, or send it plain, where the pools it names allow that.";
    SealBroken = "seal_broken", 400,
        "A sealed request does not open: it was altered, or is for another task, promise or \
         objects.",
        "Seal it anew for what it is sent for; if that happens each time, somebody alters it.";
    SealKeyUnknown = "seal_key_unknown", 421,
        "A request is sealed to a key that this node does not have, or has no more.",
        "Fetch `request_key` from this node's `GET /v1/node` and seal it anew; nothing was run.";
    SealReplayed = "seal_replayed", 409,
        "A sealed request came a second time.",
        "Seal each request anew, with a nonce of its own.";
    SealKeySpent = "seal_key_spent", 429,
        "A request key has taken as many requests as the node remembers of one.",
        "Fetch the next one from the node's `GET /v1/node` after the time in `Retry-After`.";
    LabelForbids = "label_forbids", 451,
        "The answer carries a label that this client has no right to see.",
        "Run the task on objects whose label you may see.";
    RulesMalformed = "rules_malformed", 422,
        "The rules are not ones that a node can follow.",
        "`notrace rules check FILE` names each mistake with its place; policy/rules/README.md says \
         what rules can name.";
    Conflict = "conflict", 409,
        "Something else changed what this request relied on.",
        "Read again, and repeat the request on what is there now.";
    PoolExists = "pool_exists", 409,
        "There is a pool of this name with other settings.",
        "Choose another name, or use the pool as it is: `notrace pool show NAME`.";
    PoolUnknown = "pool_unknown", 404,
        "There is no pool of this name.",
        "See `notrace pool list`, or create it with `notrace pool create NAME --retain 30d`.";
    PoolShredded = "pool_shredded", 410,
        "The pool's keys were destroyed, and everything in it with them.",
        "Nothing brings it back; create a pool of another name.";
    VersionMismatch = "version_mismatch", 412,
        "The object's current version is not the one the request named.",
        "Read it again; the reply carries the current version.";
    PreconditionRequired = "precondition_required", 428,
        "This change needs to say which version it replaces.",
        "Send `If-Match` with the current version, or `If-None-Match: *`.";
    ObjectUnknown = "object_unknown", 404,
        "There is no object of this key, or not at that version or time.",
        "See `notrace ls POOL` and `notrace history POOL/KEY`.";
    ObjectShredded = "object_shredded", 410,
        "The object's keys were destroyed; no version of it can be opened again.",
        "Nothing brings it back; store it anew if you still have it.";
    ObjectTooLarge = "object_too_large", 413,
        "The value is larger than one object may be.",
        "Split it; the limit is in the reply.";
    InputTooLarge = "input_too_large", 413,
        "The input is larger than one run may be given.",
        "Store it as an object and name that, or split it.";
    BodyTooLarge = "body_too_large", 413,
        "The body is larger than this request may carry.",
        "Send less at a time; the limit is in the reply.";
    TooMany = "too_many", 413,
        "The request names more objects, arguments or operations than one may.",
        "Split it into several; the limit is in the reply.";
    HeadersTooLarge = "headers_too_large", 431,
        "The request's headers are larger than a node accepts.",
        "Send fewer or shorter ones.";
    OutOfSpace = "out_of_space", 507,
        "The node's disk has no room for this.",
        "Free space on the node, or shred what is no longer needed.";
    HistoryTrimmed = "history_trimmed", 410,
        "What happened at that version is no longer kept.",
        "Start from the current state: list, then watch from the newest version.";
    ReceiptUnknown = "receipt_unknown", 404,
        "No receipt has this id, or its time has passed.",
        "Fetch receipts within the window that `notrace promise show` states.";
    NameMalformed = "name_malformed", 400,
        "A pool, key, task or version is not spelt as one.",
        "The reply says how it is spelt.";
    ParameterUnknown = "parameter_unknown", 400,
        "A query parameter or field is not one this request has.",
        "Use the nearest known one, which the reply names, or leave it out.";
    ParameterMalformed = "parameter_malformed", 400,
        "A query parameter has a value that it cannot have.",
        "The reply says what it may be.";
    HeaderMalformed = "header_malformed", 400,
        "A header has a value that it cannot have.",
        "The reply names the header and how it is spelt.";
    BodyMalformed = "body_malformed", 400,
        "The body is not what this request takes.",
        "The reply says what it takes.";
    MediaTypeUnknown = "media_type_unknown", 415,
        "The body comes as a type that this request does not take.",
        "Set `Content-Type` as the reply says.";
    RangeUnsatisfiable = "range_unsatisfiable", 416,
        "The range lies beyond the end of the value.",
        "Ask for a range within its size, which `HEAD` tells.";
    IdempotencyMismatch = "idempotency_mismatch", 422,
        "This idempotency key was used before, for another request.",
        "Use a fresh key for every new request.";
    Busy = "busy", 429,
        "No worker was free in time.",
        "Try again after the time in `Retry-After`.";
    RequestTimeout = "request_timeout", 408,
        "The request did not arrive in time.",
        "Send it again, on a faster line or in smaller parts.";
    NotFound = "not_found", 404,
        "There is nothing at this path.",
        "`GET /v1/openapi.json` lists what there is.";
    MethodNotAllowed = "method_not_allowed", 405,
        "This path does not take that verb.",
        "Use one of those in `Allow`.";
    Unavailable = "unavailable", 503,
        "The node cannot serve this now.",
        "Try again after the time in `Retry-After`; `notrace status` says more.";
    Stopping = "stopping", 503,
        "The node is about to end and takes nothing new; nothing of this request was done.",
        "Ask another node of the group, or this one once it is back.";
    PostureLost = "posture_lost", 503,
        "The host has lost a protection that it had when the node started; no task runs until it \
         is back.",
        "`notrace posture` says which one and how to turn it on; or ask another node.";
    OutcomeUnknown = "outcome_unknown", 503,
        "Whether the change was made is not known.",
        "Repeat it under the same `Idempotency-Key`, which makes it once; without one, look \
         whether it is there. `notrace cluster status` shows whether some member's disk takes \
         nothing.";
    NoMajority = "no_majority", 503,
        "Too few of the group's members are left to change anything or to know what is latest.",
        "Bring back nodes until more than half are there; `notrace cluster status` names them.";
    InviteUnknown = "invite_unknown", 403,
        "The join token is not one of this group, has been used, or has expired.",
        "Ask for a new one: `notrace cluster invite`.";
    NotACluster = "not_a_cluster", 409,
        "This node keeps its store alone and listens to no other.",
        "Start it again with `--cluster HOST:PORT`.";
    LastMember = "last_member", 409,
        "This node is the last of its group that is left, and holds all that there is.",
        "Stop it with SIGTERM; or let another node join before this one leaves.";
    NodeUnknown = "node_unknown", 404,
        "No node of the group has this number.",
        "`notrace cluster status` lists those that there are.";
    MemberPresent = "member_present", 409,
        "The node is a member at the moment, and what it holds is needed.",
        "Have it leave with `notrace cluster leave`; or end it, and forget it once it is absent.";
    AddressTaken = "address_taken", 409,
        "A member of the group is at this address already.",
        "Choose another with --cluster or --advertise. The token is good still.";
    AddressMalformed = "address_malformed", 400,
        "Other nodes could not reach a node there.",
        "Say `HOST:PORT` with --advertise, as in `n3.example:7444`. The token is good still.";
    NotTogether = "not_together", 409,
        "The keys of the transaction are kept in different shards.",
        "Give keys that change together a common tag in braces, as in `{kitchen}/lamp`.";
    Internal = "internal", 500,
        "The node failed at something that is its own duty.",
        "Try again; if it persists, tell the node's operator the code and the time.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotACode;

impl fmt::Display for NotACode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no error of this code")
    }
}

impl core::error::Error for NotACode {}

as_text!(Code);

#[cfg(test)]
mod every_code {
    use super::*;

    #[test]
    fn reads_back_and_is_a_refusal() {
        for &code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
            assert!((400..600).contains(&code.status()), "{code}");
        }
        assert_eq!("no_such_thing".parse::<Code>(), Err(NotACode));
    }

    #[test]
    fn says_what_it_means_and_what_to_do_in_a_sentence_each() {
        for &code in Code::ALL {
            for sentence in [code.meaning(), code.remedy()] {
                assert!(sentence.ends_with('.'), "{code}: {sentence}");
                assert!(!sentence.contains("  "), "{code}: {sentence}");
            }
        }
    }

    #[test]
    fn has_a_word_of_its_own() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
