//! The arguments of `notrace cluster`.

use std::time::Duration;

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show the view, its members, and how far each shard is
    Status(ClusterStatus),
    /// Print a one-time token with which a node can join
    Invite(ClusterInvite),
    /// Let the node leave its group for good, once others hold what it held
    #[command(after_help = "Example:\n  notrace cluster leave")]
    Leave,
    /// Have the group forget a node that will not come back
    Forget(ClusterForget),
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace cluster forget 3")]
pub(crate) struct ClusterForget {
    /// The node's number, as `cluster status` shows it
    pub(crate) node: u32,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace cluster status --watch")]
pub(crate) struct ClusterStatus {
    /// Show it again each second, until interrupted
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace cluster invite --for 10m")]
pub(crate) struct ClusterInvite {
    /// How long the token is good: 90s, 10m, 12h; a day at most
    #[arg(
        long = "for",
        value_name = "TIME",
        default_value = "10m",
        value_parser = humantime::parse_duration
    )]
    pub(crate) good_for: Duration,
}
