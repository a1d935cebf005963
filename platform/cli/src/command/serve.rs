//! `notrace serve`.

use std::io::IsTerminal as _;

use notrace_platform_front::{Banner, ServeError, ServeOptions};

use crate::args::Serve;
use crate::command::node::trust_level;
use crate::exit::{Done, Exit, Failure, Local};
use crate::{progress, say};

pub(crate) async fn serve(serve: Serve) -> Done {
    let exe = std::env::current_exe().map_err(|error| {
        let cause = format!("this program's own file cannot be found: {}", error.kind());
        Failure::local(Local::NodeNotStarted, cause)
    })?;
    let Serve { dir, listen, config, strict } = serve;
    let options = ServeOptions { dir, config, listen, strict, exe };
    let starting = std::io::stdout().is_terminal().then(|| progress::waiting("starting"));
    let ready = move |banner: &Banner| {
        drop(starting);
        // A node serves whether or not somebody reads its first lines.
        let _ = say::text(&lines(banner));
    };
    notrace_platform_front::serve(options, ready).await.map_err(|error| {
        let exit = match error {
            ServeError::Config(_) => Exit::Usage,
            _ => Exit::Unavailable,
        };
        Failure { exit, ..Failure::local(Local::NodeNotStarted, &error) }
    })
}

/// What a node says when it accepts connections; after that it says nothing about requests.
fn lines(banner: &Banner) -> String {
    let mut lines = format!(
        "notrace {} · one node, embedded store · trust level {} ({})\n  \
         {}   credentials {}   ledger {}\n  \
         posture: {} of {} mitigations on; `notrace posture` lists the rest\n",
        env!("CARGO_PKG_VERSION"),
        banner.trust_level,
        trust_level(banner.trust_level),
        banner.url,
        banner.credentials.display(),
        banner.ledger.display(),
        banner.mitigations_on,
        banner.mitigations,
    );
    if !banner.missing.is_empty() {
        let missing = banner.missing.join(", ");
        lines.push_str(&format!(
            "  missing here: {missing}; with --strict the node would refuse to serve\n"
        ));
    }
    lines
}

#[cfg(test)]
mod the_first_lines {
    use super::*;

    fn banner(missing: &[&str]) -> Banner {
        Banner {
            url: "https://127.0.0.1:7443".to_owned(),
            credentials: "./node/client.toml".into(),
            ledger: "./node/ledger".into(),
            trust_level: 0,
            mitigations_on: 9,
            mitigations: 14,
            missing: missing.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn are_the_three_that_are_documented() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            lines(&banner(&[])),
            format!(
                "notrace {version} · one node, embedded store · trust level 0 (software key)\n  \
                 https://127.0.0.1:7443   credentials ./node/client.toml   ledger ./node/ledger\n  \
                 posture: 9 of 14 mitigations on; `notrace posture` lists the rest\n"
            )
        );
    }

    #[test]
    fn name_the_fences_that_this_host_does_not_give() {
        let lines = lines(&banner(&["landlock", "seccomp"]));
        assert!(lines.ends_with(
            "  missing here: landlock, seccomp; with --strict the node would refuse to serve\n"
        ));
    }
}
