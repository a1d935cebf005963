//! `notrace serve`.

use std::io::IsTerminal as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use notrace_platform_front::{Banner, ServeError, ServeOptions};
use notrace_platform_node::{Cluster, Config, IdentityError, ToChange, group};
use notrace_sdk_client::cluster::{Joiner, MemberAddress};
use zeroize::Zeroizing;

use crate::args::Serve;
use crate::command::node::trust_level;
use crate::exit::{Done, Exit, Failure, Local};
use crate::{progress, say};

pub(crate) async fn serve(serve: Serve) -> Done {
    let exe = std::env::current_exe().map_err(|error| {
        let cause = format!("this program's own file cannot be found: {}", error.kind());
        Failure::local(Local::NodeNotStarted, cause)
    })?;
    join_if_told(&serve).await?;
    let Serve { dir, listen, config, strict, cluster, advertise, invites, .. } = serve;
    let (shards, copies, fabric, provider, cohosting) =
        (serve.shards, serve.copies, serve.fabric, serve.provider, serve.cohosting);
    let options = ServeOptions {
        dir,
        config,
        listen,
        strict,
        cohosting,
        cluster,
        fabric,
        provider,
        advertise,
        shards,
        copies,
        invites,
        exe,
    };
    let starting = std::io::stdout().is_terminal().then(|| progress::waiting("starting"));
    let ready = move |banner: &Banner| {
        drop(starting);
        // A node serves whether or not somebody reads its first lines.
        let _ = say::text(&lines(banner));
    };
    let served = notrace_platform_front::serve(options, ready).await;
    served.map_err(|error| Failure::local(word_for(&error), &error))
}

/// The stable word for why a node does not serve.
fn word_for(error: &ServeError) -> Local {
    match error {
        ServeError::Config(_) => Local::ConfigInvalid,
        ServeError::Listen { .. } => Local::ListenFailed,
        ServeError::CutShort => Local::CutShort,
        ServeError::Identity(IdentityError::Damaged) => Local::FolderDamaged,
        ServeError::Start(error) => match error.to_change() {
            ToChange::Setting => Local::ConfigInvalid,
            ToChange::Fences => Local::FencesMissing,
            ToChange::Program => Local::FabricMissing,
            ToChange::Address => Local::ListenFailed,
            ToChange::FolderUser => Local::FolderInUse,
            ToChange::Folder => Local::FolderDamaged,
            ToChange::Copy => Local::FolderCopied,
            ToChange::Group => Local::GroupLeft,
            ToChange::Disk => Local::DiskFailed,
            ToChange::Unknown => Local::NodeNotStarted,
        },
        ServeError::Identity(IdentityError::Files { .. }) | ServeError::Credentials(_) => {
            Local::DiskFailed
        }
        _ => Local::NodeNotStarted,
    }
}

/// Joins the group that the command names, unless the folder is in one already.
async fn join_if_told(serve: &Serve) -> Done {
    let (Some(at), Some(cluster)) = (&serve.join, serve.cluster) else { return Ok(()) };
    let failed = |cause: &dyn std::fmt::Display| Failure::local(Local::NodeNotStarted, cause);
    let belongs = group::belongs_to_a_group(&serve.dir).map_err(|error| failed(&error))?;
    if belongs {
        return Ok(());
    }
    let token = token_of(serve)?;
    let listen = serve.listen.unwrap_or_else(|| Config::new(&serve.dir).listen);
    let told = Cluster { advertise: serve.advertise.clone(), ..Cluster::at(cluster) }.told();
    let joiner = Joiner {
        address: told.map_err(|error| Failure::local(Local::ConfigInvalid, &error))?,
        url: format!("https://{listen}"),
        key: group::key_to_join_with(&serve.dir).map_err(|error| failed(&error))?,
    };
    let welcome = notrace_sdk_client::cluster::join(at, &token, &joiner).await;
    let welcome = welcome.map_err(|error| match Failure::from(error) {
        failure if failure.exit == Exit::Unavailable && failure.problem.is_none() => {
            failure.help("--join names where a member serves clients; check it, and the member.")
        }
        failure => failure,
    })?;
    if !welcome.owner_token.is_empty() {
        // Before the folder is a member's, so that a start which is cut short begins anew.
        let (authority, token) = (&welcome.authority_pem, &welcome.owner_token);
        let kept = notrace_platform_front::let_owner_in(&serve.dir, authority, token);
        kept.map_err(|error| failed(&error))?;
    }
    let members = welcome.members.into_iter();
    let other = |member: MemberAddress| group::Other {
        node: member.node,
        address: member.address,
        key: member.key,
    };
    let welcomed = group::Welcomed {
        node: welcome.node,
        group: welcome.group,
        authority_pem: welcome.authority_pem,
        authority_key_pem: welcome.authority_key_pem.into(),
        owner: welcome.owner,
        group_key: welcome.group_key.into(),
        ledger_key: welcome.ledger_key.into(),
        members: members.map(other).collect(),
        shape: group::GroupShape { shards: welcome.shards, copies: welcome.copies },
    };
    group::settle_in(&serve.dir, &welcomed).map_err(|error| failed(&error))
}

fn token_of(serve: &Serve) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let usage = |cause: &str| Failure::local(Local::TokenMalformed, cause);
    let text = match (&serve.token, &serve.token_file) {
        (Some(token), _) => Zeroizing::new(token.clone()),
        (None, Some(path)) => {
            let read = std::fs::read_to_string(path).map(Zeroizing::new);
            read.map_err(|_| usage("the file with the token cannot be read"))?
        }
        (None, None) => return Err(usage("--join needs --token or --token-file")),
    };
    let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map(Zeroizing::new);
    let bytes = bytes.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    bytes.map(Zeroizing::new).ok_or_else(|| usage("a token is 43 letters, digits, `-` and `_`"))
}

/// What a node says when it accepts connections; after that it says nothing about requests.
fn lines(banner: &Banner) -> String {
    let mut lines = format!(
        "notrace {} · {} · trust level {} ({})\n  \
         {}   credentials {}   ledger {}\n  \
         posture: {} of {} mitigations on; `notrace posture` lists the rest\n",
        env!("CARGO_PKG_VERSION"),
        store(banner),
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

fn store(banner: &Banner) -> String {
    match &banner.cluster {
        None => "one node, embedded store".to_owned(),
        Some((address, 1)) => format!("one node of a group at {address}"),
        Some((address, members)) => format!("one of {members} nodes, at {address}"),
    }
}

#[cfg(test)]
mod the_first_lines {
    use super::*;

    fn banner(missing: &[&str]) -> Banner {
        Banner {
            url: "https://127.0.0.1:7443".to_owned(),
            credentials: "./node/client.toml".into(),
            ledger: "./node/ledger".into(),
            cluster: None,
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
