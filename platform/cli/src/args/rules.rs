//! `notrace rules`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum RulesCommand {
    /// Check a file of rules, and what they answer; needs no node
    #[command(after_help = "Examples:\n  \
        notrace rules check rules.cedar\n  \
        notrace rules check rules.cedar --questions questions.toml\n\n\
        Rules are Cedar policies; platform/cli/README.md says what they can name, and\n\
        examples/rules has three sets with their questions.")]
    Check(RulesCheck),
}

#[derive(Args)]
pub(crate) struct RulesCheck {
    /// The rules
    pub(crate) file: PathBuf,
    /// Questions, and what the rules must answer them
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,
}
