//! How a command ends: an exit code, one line of cause, one line of remedy, a stable word.

use std::fmt;
use std::io;
use std::process::ExitCode;

use notrace_sdk_client::Error;
use notrace_sdk_client::wire::{Code, Problem};

/// The exit codes. What a script can tell apart without reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Done = 0,
    TaskFailed = 1,
    Usage = 2,
    NotFound = 3,
    NotPermitted = 4,
    Conflict = 5,
    NotTrusted = 6,
    Unavailable = 7,
    Limit = 8,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The stable word, as in `notrace explain WORD`.
    pub(crate) code: &'static str,
    pub(crate) exit: Exit,
    pub(crate) cause: String,
    pub(crate) remedy: String,
    /// More lines of fact, such as a trap's frames.
    pub(crate) facts: Vec<String>,
    /// The node's own words, where it was the node that refused.
    pub(crate) problem: Option<Box<Problem>>,
}

/// What every command comes to.
pub(crate) type Done = Result<(), Failure>;

impl Failure {
    /// A failure found on this side.
    pub(crate) fn local(word: Local, cause: impl fmt::Display) -> Self {
        Self {
            code: word.as_str(),
            exit: word.exit(),
            cause: cause.to_string(),
            remedy: word.remedy().to_owned(),
            facts: Vec::new(),
            problem: None,
        }
    }

    /// The same with a remedy that fits better than the word's own.
    #[must_use]
    pub(crate) fn help(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// A file that could not be read.
    pub(crate) fn unreadable(path: &std::path::Path, error: &io::Error) -> Self {
        let cause = format!("{} cannot be read: {}", path.display(), why(error.kind()));
        Self { exit: exit_of(error.kind()), ..Self::local(Local::FileUnreadable, cause) }
    }

    /// A file that could not be written.
    pub(crate) fn unwritable(path: &std::path::Path, error: &io::Error) -> Self {
        let cause = format!("{} cannot be written: {}", path.display(), why(error.kind()));
        Self { exit: exit_of(error.kind()), ..Self::local(Local::FileUnwritable, cause) }
    }

    /// Whether there is nobody left to tell: the reader of our output has gone.
    pub(crate) fn is_quiet(&self) -> bool {
        self.code == Local::OutputClosed.as_str()
    }
}

/// What the system said, in the words that people use.
fn why(kind: io::ErrorKind) -> String {
    match kind {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        kind => kind.to_string(),
    }
}

fn exit_of(kind: io::ErrorKind) -> Exit {
    match kind {
        io::ErrorKind::NotFound => Exit::NotFound,
        io::ErrorKind::PermissionDenied => Exit::NotPermitted,
        io::ErrorKind::AlreadyExists => Exit::Conflict,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Exit::Limit,
        _ => Exit::Usage,
    }
}

macro_rules! words {
    ($($variant:ident = $text:literal, $exit:ident, $meaning:literal, $remedy:literal;)+) => {
        /// What this side can find wrong by itself.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Local {
            $($variant),+
        }

        impl Local {
            pub(crate) const ALL: &'static [Local] = &[$(Local::$variant),+];

            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Local::$variant => $text),+ }
            }

            pub(crate) fn exit(self) -> Exit {
                match self { $(Local::$variant => Exit::$exit),+ }
            }

            pub(crate) fn meaning(self) -> &'static str {
                match self { $(Local::$variant => $meaning),+ }
            }

            pub(crate) fn remedy(self) -> &'static str {
                match self { $(Local::$variant => $remedy),+ }
            }
        }
    };
}

words! {
    CredentialsMissing = "credentials_missing", Usage,
        "No file says which node to talk to.",
        "Set NOTRACE_CONFIG to a node's client.toml, or run `notrace serve --dir ./node` here.";
    CredentialsMalformed = "credentials_malformed", Usage,
        "The credentials file is not one that a node wrote.",
        "Copy client.toml anew from the node's folder.";
    CertificateChanged = "certificate_changed", NotTrusted,
        "Another authority signed the certificate than the one in the credentials.",
        "If the node was made anew, take its new client.toml; if not, somebody stands in \
         between.";
    CertificateUnfit = "certificate_unfit", NotTrusted,
        "The certificate comes from the right authority but is not valid here or now.",
        "Check this machine's clock, and that `url` in the credentials names the node as \
         `names` in its configuration does.";
    DigestDiffers = "digest_differs", NotTrusted,
        "The node answered for another module than the one that was sent.",
        "Do not run it; ask the node's operator.";
    ReceiptFalse = "receipt_false", NotTrusted,
        "The receipt does not prove what it says.",
        "Keep the file: a false receipt is evidence. Check that the credentials are of the node \
         that wrote it.";
    PromiseFalse = "promise_false", NotTrusted,
        "The promise is not signed by the node's key.",
        "Do not rely on it; check that the credentials are of this node.";
    LedgerFalse = "ledger_false", NotTrusted,
        "The ledger's checkpoint is not signed by the node's key.",
        "Keep what was shown: it is evidence. Check that the credentials are of this node.";
    RequestKeyFalse = "request_key_false", NotTrusted,
        "The key that the node wants requests sealed to is not signed by the node's key.",
        "Keep what was shown: it is evidence. Check that the credentials are of this node, and \
         this machine's clock.";
    AnswerFalse = "answer_false", NotTrusted,
        "The answer is not what a worker sealed for this request.",
        "Do not rely on it; something between the worker and here altered it.";
    NoRequestKey = "no_request_key", Unavailable,
        "The node announces no key to seal requests to.",
        "It may be of an older version; `--plain` sends the request in TLS alone, and the node \
         sees it.";
    Unreachable = "unreachable", Unavailable,
        "Nobody answers at the node's address.",
        "Start it with `notrace serve`, or check `url` in the credentials.";
    Silent = "silent", Unavailable,
        "The node was silent for too long.",
        "Try again; `notrace status` says whether it serves.";
    CutOff = "cut_off", Unavailable,
        "The connection ended before the reply was complete.",
        "Try again; a change that was acknowledged is there.";
    NotUnderstood = "not_understood", Unavailable,
        "The reply is not what this client can read.",
        "Check that node and client are of the same version: `notrace --version`, `notrace \
         status`.";
    FileUnreadable = "file_unreadable", Usage,
        "A file on this machine cannot be read.",
        "Check its path and rights.";
    FileUnwritable = "file_unwritable", Usage,
        "A file on this machine cannot be written.",
        "Check its folder's rights and space.";
    FileExists = "file_exists", Conflict,
        "A file or folder of this name is there already.",
        "Choose another name, or move it away.";
    TooLarge = "too_large", Limit,
        "What was to be sent is larger than any node takes.",
        "Split it into smaller pieces.";
    TokenMalformed = "token_malformed", Usage,
        "There is no join token, or it is not one, or not for that long.",
        "Pass what `notrace cluster invite` printed, or a file that has it.";
    ConfigInvalid = "config_invalid", Usage,
        "A setting is not one that a node can start with.",
        "The line above names it; `notrace serve --help` and platform/node/README.md list them.";
    ListenFailed = "listen_failed", Unavailable,
        "The node cannot listen where it should.",
        "See who listens there, as with `ss -ltnp`; or choose another with --listen or --cluster.";
    FolderInUse = "folder_in_use", Unavailable,
        "Another process uses the node's folder.",
        "Stop it first, or choose another folder with --dir.";
    FolderDamaged = "folder_damaged", Unavailable,
        "Files in the node's folder are missing, damaged or of another version.",
        "A node of a group: empty the folder, and start it with --join and a new token; the others \
         have what it held. A node alone: put the folder back from a copy.";
    FolderCopied = "folder_copied", Unavailable,
        "Two processes were the same node: one folder is a copy of the other.",
        "Let one of the two run. For one more node, start in an empty folder with --join and a \
         token.";
    GroupLeft = "group_left", Unavailable,
        "The node left its group for good.",
        "Start in an empty folder, with --join and a token.";
    DiskFailed = "disk_failed", Unavailable,
        "The node's disk cannot be used, or is full, too slow or failing.",
        "Check the folder's rights and space, and the disk; then start the node again. In a group \
         it catches up.";
    NodeNotStarted = "node_not_started", Unavailable,
        "The node could not be started.",
        "The cause is in the line above. If it says nothing that you can change, please report it.";
    FabricMissing = "fabric_missing", Usage,
        "This program was built without the network that nodes are to meet on.",
        "Install libfabric 1.17 or later, such as Debian's libfabric-dev, and build with `cargo \
         build --release -p notrace-platform-cli --features libfabric`; or leave `fabric` out.";
    FencesMissing = "fences_missing", Unavailable,
        "This host does not give a worker the fences that --strict requires.",
        "They are named above. In a container, allow `unshare`, `mount`, `umount2` and \
         `pivot_root`, as with `--security-opt seccomp=deploy/container/seccomp.json`; on a host, \
         allow user namespaces. Without --strict the node serves and says what is missing.";
    CutShort = "cut_short", Unavailable,
        "The node was told to end a second time before it had drained.",
        "Start it again; nothing that was acknowledged is lost. One signal lets it finish.";
    DemoFailed = "demo_failed", Unavailable,
        "The demo did not come to its end.",
        "The step that failed is named above; please report it with the code.";
    QuestionsMalformed = "questions_malformed", Usage,
        "The file of questions is not one.",
        "See examples/rules for three of them.";
    RulesDiffer = "rules_differ", Conflict,
        "The rules answer a question otherwise than its writer expects.",
        "Mend the rules, or the question; the lines above say which rules decided.";
    OutputClosed = "output_closed", Done,
        "Nobody reads the output.",
        "Nothing.";
}

/// Which exit code a node's refusal is.
pub(crate) fn exit_for(code: Code) -> Exit {
    match code {
        Code::TaskFailed | Code::TaskTrapped | Code::TaskExhausted | Code::TaskKilled => {
            Exit::TaskFailed
        }
        Code::ModuleMalformed
        | Code::RulesMalformed
        | Code::EntryMissing
        | Code::ImportRefused
        | Code::NameMalformed
        | Code::ParameterUnknown
        | Code::AddressMalformed
        | Code::ParameterMalformed
        | Code::HeaderMalformed
        | Code::BodyMalformed
        | Code::MediaTypeUnknown
        | Code::SealMalformed
        | Code::RangeUnsatisfiable
        | Code::MethodNotAllowed => Exit::Usage,
        Code::TaskUnknown
        | Code::PoolUnknown
        | Code::PoolShredded
        | Code::ObjectUnknown
        | Code::ObjectShredded
        | Code::HistoryTrimmed
        | Code::ReceiptUnknown
        | Code::NodeUnknown
        | Code::NotFound => Exit::NotFound,
        Code::SealBroken => Exit::NotTrusted,
        Code::Unauthenticated
        | Code::NotPermitted
        | Code::InviteUnknown
        | Code::SealedRequired
        | Code::LabelForbids => Exit::NotPermitted,
        Code::Conflict
        | Code::PoolExists
        | Code::VersionMismatch
        | Code::PreconditionRequired
        | Code::IdempotencyMismatch
        | Code::NotACluster
        | Code::LastMember
        | Code::MemberPresent
        | Code::AddressTaken
        | Code::SealReplayed
        | Code::NotTogether => Exit::Conflict,
        Code::Busy
        | Code::TaskCompiling
        | Code::RequestTimeout
        | Code::Unavailable
        | Code::Stopping
        | Code::PostureLost
        | Code::OutcomeUnknown
        | Code::NoMajority
        | Code::SealKeyUnknown
        | Code::SealKeySpent
        | Code::Internal => Exit::Unavailable,
        Code::ModuleTooLarge
        | Code::ModuleUncompilable
        | Code::ObjectTooLarge
        | Code::InputTooLarge
        | Code::BodyTooLarge
        | Code::TooMany
        | Code::HeadersTooLarge
        | Code::OutOfSpace => Exit::Limit,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let word = match &error {
            Error::Refused(problem)
            | Error::HistoryTrimmed(problem)
            | Error::RunFailed { problem, .. } => {
                return refused(problem.clone());
            }
            Error::OutcomeUnknown => {
                let problem = Problem::new(Code::OutcomeUnknown, error.to_string());
                return refused(Box::new(problem));
            }
            Error::SinkUnwritable(io::ErrorKind::BrokenPipe) => Local::OutputClosed,
            Error::CertificateChanged { .. } => Local::CertificateChanged,
            Error::CertificateUnfit { .. } => Local::CertificateUnfit,
            Error::DigestDiffers { .. } => Local::DigestDiffers,
            Error::ReceiptFalse(_) => Local::ReceiptFalse,
            Error::PromiseFalse(_) => Local::PromiseFalse,
            Error::LedgerFalse(_) => Local::LedgerFalse,
            Error::KeyFalse(_) => Local::RequestKeyFalse,
            Error::AnswerFalse(_) => Local::AnswerFalse,
            Error::NoRequestKey => Local::NoRequestKey,
            Error::Unreachable => Local::Unreachable,
            Error::TimedOut => Local::Silent,
            Error::CutOff => Local::CutOff,
            Error::NotUnderstood(_) | Error::NoRandomness => Local::NotUnderstood,
            Error::CredentialsUnreadable(_) | Error::CredentialsMalformed(_) => {
                Local::CredentialsMalformed
            }
            Error::SourceUnreadable(_) => Local::FileUnreadable,
            Error::SinkUnwritable(_) => Local::FileUnwritable,
            Error::TooLarge { .. } => Local::TooLarge,
        };
        Failure::local(word, &error)
    }
}

fn refused(problem: Box<Problem>) -> Failure {
    let mut facts = Vec::new();
    let detail = &problem.detail;
    if let Some(version) = problem.current_version.filter(|v| !detail.contains(&v.to_string())) {
        facts.push(format!("current version: {version}"));
    }
    if let Some(nearest) = problem.nearest.as_ref().filter(|name| !detail.contains(*name)) {
        facts.push(format!("did you mean: {nearest}"));
    }
    facts.extend(problem.frames.iter().map(|frame| format!("at {frame}")));
    Failure {
        code: problem.code.as_str(),
        exit: exit_for(problem.code),
        cause: problem.detail.clone(),
        remedy: problem.code.remedy().to_owned(),
        facts,
        problem: Some(problem),
    }
}

#[cfg(test)]
mod a_failure {
    use super::*;

    #[test]
    fn of_every_code_has_an_exit_code_of_its_kind() {
        for (code, exit) in [
            ("task_trapped", 1),
            ("module_malformed", 2),
            ("object_shredded", 3),
            ("unauthenticated", 4),
            ("version_mismatch", 5),
            ("busy", 7),
            ("out_of_space", 8),
        ] {
            assert_eq!(exit_for(code.parse().unwrap()) as u8, exit, "{code}");
        }
    }

    #[test]
    fn has_one_word_whether_the_node_found_it_or_this_side() {
        for &local in Local::ALL {
            assert!(local.as_str().parse::<Code>().is_err(), "{}", local.as_str());
            assert!(local.meaning().ends_with('.') && local.remedy().ends_with('.'));
        }
    }

    #[test]
    fn of_trust_is_never_mistaken_for_anything_else() {
        for word in ["certificate_changed", "certificate_unfit", "digest_differs", "receipt_false"]
        {
            let local = Local::ALL.iter().find(|local| local.as_str() == word).unwrap();
            assert_eq!(local.exit(), Exit::NotTrusted);
        }
    }
}
