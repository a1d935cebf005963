//! A member that dies or stands still under load: how long clients of the others are without
//! service, and how much of that comes after the failure was noticed.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use crate::cluster::load::Work;
use crate::cluster::notrace::Members;
use crate::cluster::paced::{Answered, Paced, longest_gap};
use crate::cluster::system::{Client, Door};
use crate::cluster::{Bench, MEMBERS, now, say};

/// How long clients run before a member fails, and after.
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(4);
/// How often a member is asked whom it suspects.
const LOOK: Duration = Duration::from_millis(2);

/// How a member fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Kill,
    Stop,
}

/// What one failure cost.
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    /// Whether the member came first in its view, and so leads its changes.
    pub(crate) leads: bool,
    /// From the failure until one of the others suspects the member.
    pub(crate) noticed: Duration,
    /// From then until both of the others have answered a put that was sent since the failure.
    pub(crate) served: Duration,
    /// The longest that a client of the others was without an answer, to puts and to gets.
    pub(crate) gaps: [Duration; 2],
    /// The same for clients of the failed member, which turn to another.
    pub(crate) moved: Duration,
}

impl Bench {
    /// Lets the leading and another member fail in each way, once a round.
    ///
    /// # Errors  The group does not come together, or does not notice.
    pub(crate) async fn failover(&mut self) -> Result<()> {
        let dir = self.folder()?;
        let mut members = Members::new(&self.binary, dir, MEMBERS)?;
        for _ in 0..MEMBERS {
            members.add().await?;
        }
        members.whole().await?;
        members.system.make("calm", "all_durable").await?;
        for fault in [Fault::Kill, Fault::Stop] {
            for leads in [true, false] {
                let failure = fail(&mut members, fault, leads).await?;
                say(&format!(
                    "{} {}: noticed {:?}, served {:?}, longest gaps {:?}",
                    fault.name(),
                    whom(leads),
                    failure.noticed,
                    failure.served,
                    failure.gaps
                ));
                self.report.failures.push(failure);
            }
        }
        Ok(())
    }
}

impl Fault {
    /// What it is called in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::Stop => "SIGSTOP",
        }
    }
}

/// What the failed member is called in the table.
pub(crate) fn whom(leads: bool) -> &'static str {
    if leads { "the first of the view" } else { "the last of the view" }
}

/// One failure from a whole group to a whole group.
async fn fail(members: &mut Members, fault: Fault, leads: bool) -> Result<Failure> {
    let doors = members.system.doors.clone();
    let order = view(doors.first().context("a member")?).await?;
    let number = if leads { order.first() } else { order.last() };
    // Members are numbered in the order in which they joined, from one.
    let number = *number.context("a view with members")?;
    let victim = usize::try_from(number)?.checked_sub(1).context("a number")?;
    let groups: Vec<Vec<Door>> = (0..doors.len())
        .map(|at| match at == victim {
            // Clients of the one that fails know the others.
            true => doors.iter().cycle().skip(victim).take(doors.len()).cloned().collect(),
            false => doors.get(at).cloned().into_iter().collect(),
        })
        .collect();
    let place: Arc<str> = "calm".into();
    let clients = Paced::start(&groups, &place);
    tokio::time::sleep(BEFORE).await;
    let survivors = doors.iter().enumerate().filter(|(at, _)| *at != victim);
    let mut watchers: tokio::task::JoinSet<Result<Instant>> = survivors
        .map(|(_, door)| {
            let door = door.clone();
            async move { suspects(&door, number).await }
        })
        .collect();
    // The watchers' connections stand before it happens.
    tokio::time::sleep(BEFORE / 4).await;
    let began = now();
    match fault {
        Fault::Kill => members.system.nodes.get_mut(victim).context("a member")?.end(),
        Fault::Stop => stop(members.system.nodes.get(victim).context("a member")?.id())?,
    }
    let noticed = tokio::time::timeout(AFTER, watchers.join_next()).await;
    let noticed = noticed.context("nobody suspects the member")?.context("a watcher")???;
    watchers.abort_all();
    tokio::time::sleep(AFTER).await;
    let seen = clients.end().await?;
    let of = |survived: bool, work: Work| {
        let clients = seen.iter().filter(move |(at, ..)| (*at != victim) == survived);
        clients.filter(move |(_, did, _)| *did == work).map(|(_, _, answers)| answers)
    };
    let mut served = noticed;
    for answers in of(true, Work::Put) {
        served = served.max(first_since(answers, began).context("a client without service")?);
    }
    let gaps = [Work::Put, Work::Get].map(|work| longest_gap(of(true, work), began));
    let moved = longest_gap(of(false, Work::Put).chain(of(false, Work::Get)), began);
    members.restart(victim).await?;
    members.whole().await?;
    let (noticed, served) = (noticed - began, served - noticed);
    Ok(Failure { fault, leads, noticed, served, gaps, moved })
}

/// When the first request was answered that was due at `from` or later.
fn first_since(answers: &[Answered], from: Instant) -> Option<Instant> {
    answers.iter().find(|answer| answer.due >= from).map(|answer| answer.ended)
}

/// The numbers of the members of the view, in its order.
async fn view(door: &Door) -> Result<Vec<u64>> {
    let Client::Notrace(mut client) = door.open().await? else { bail!("another kind") };
    let state = client.ask(Method::GET, "/v1/cluster", Bytes::new()).await?;
    let numbers = members_of(&serde_json::from_slice(&state)?);
    Ok(numbers.into_iter().map(|(number, _)| number).collect())
}

/// When the member behind `door` was first seen to suspect another, or to be without it.
async fn suspects(door: &Door, number: u64) -> Result<Instant> {
    let Client::Notrace(mut client) = door.open().await? else { bail!("another kind") };
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        let state = client.ask(Method::GET, "/v1/cluster", Bytes::new()).await?;
        let members = members_of(&serde_json::from_slice(&state)?);
        if members.iter().all(|(other, suspected)| *other != number || *suspected) {
            return Ok(now());
        }
    }
}

fn members_of(state: &Value) -> Vec<(u64, bool)> {
    let members = state.get("members").and_then(Value::as_array).into_iter().flatten();
    let member =
        |member: &Value| Some((member.get("node")?.as_u64()?, member.get("suspected")?.as_bool()?));
    members.filter_map(member).collect()
}

/// Lets a process stand still, until it is killed.
fn stop(id: u32) -> Result<()> {
    let status = Command::new("kill").args(["-STOP", &id.to_string()]).status();
    ensure!(status.context("kill")?.success(), "the member does not stop");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_view_tells_whom_it_suspects() {
        let state = json!({"members": [
            {"node": 2, "suspected": false},
            {"node": 1, "suspected": true},
        ]});
        assert_eq!(members_of(&state), [(2, false), (1, true)]);
    }
}
