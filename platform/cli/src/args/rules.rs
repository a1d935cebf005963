//! `notrace rules`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use notrace_sdk_client::wire::Version;

#[derive(Subcommand)]
pub(crate) enum RulesCommand {
    /// Check a file of rules, and what they answer; needs no node
    #[command(after_help = "Examples:\n  \
        notrace rules check rules.cedar\n  \
        notrace rules check rules.cedar --questions questions.toml\n\n\
        Rules are Cedar policies; platform/cli/README.md says what they can name, and\n\
        examples/rules has three sets with their questions.")]
    Check(RulesCheck),
    /// Put rules in force
    #[command(after_help = "Examples:\n  \
        notrace rules push rules.cedar\n  \
        notrace rules push rules.cedar --if-version 1:42")]
    Push(RulesPush),
    /// Print the rules in force, as they were written
    #[command(after_help = "Examples:\n  \
        notrace rules show\n  \
        notrace rules show --version 1:42 > rules.cedar")]
    Show(RulesShow),
}

#[derive(Args)]
pub(crate) struct RulesPush {
    /// The rules
    pub(crate) file: PathBuf,
    /// Only if the rules in force have this version
    #[arg(long, value_name = "VERSION")]
    pub(crate) if_version: Option<Version>,
}

#[derive(Args)]
pub(crate) struct RulesShow {
    /// Those of this version instead
    #[arg(long)]
    pub(crate) version: Option<Version>,
}

#[derive(Args)]
pub(crate) struct RulesCheck {
    /// The rules
    pub(crate) file: PathBuf,
    /// Questions, and what the rules must answer them
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,
}
