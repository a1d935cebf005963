//! What would come after the view: a pure function of the view and of the rows of those who are to
//! go on.

use std::sync::Arc;

use crate::ids::{NodeId, ShardId, Version, ViewId};
use crate::layout::{self, Candidate, LayoutSpec, Mode, Role};
use crate::limits::MEMBERS_MAX;
use crate::mark::{Mark, Marks};
use crate::membership::basis::{self, Basis, Report};
use crate::row::MemberRow;
use crate::view::{Duty, Fate, Member, ShardView, View};

/// A member that goes on, and what it says of itself.
pub(crate) struct Standing<'a> {
    pub(crate) member: Member,
    pub(crate) row: &'a MemberRow,
}

/// What a leader goes by.
pub(crate) struct Situation<'a> {
    pub(crate) view: &'a View,
    pub(crate) spec: &'a LayoutSpec,
    /// Those who go on, by rank.
    pub(crate) standing: &'a [Standing<'a>],
    pub(crate) joiners: &'a [Member],
    /// Shards that were already asked to wedge: they change, even if nobody comes or goes.
    pub(crate) called: &'a [ShardId],
    /// Lost shards that the operator gave up.
    pub(crate) given_up: &'a [ShardId],
}

/// The next view, as far as it is known.
pub(crate) struct Draft {
    /// The view, once every shard that changes is wedged by all who go on in it.
    pub(crate) view: Option<Arc<View>>,
    /// Shards that have to be wedged, ascending.
    pub(crate) wedge: Vec<ShardId>,
    pub(crate) marks: Marks,
}

/// What becomes of one shard.
enum Next {
    Same,
    Changed(ShardView),
    /// Not known before all have wedged it.
    Open,
}

/// Drafts the next view of a view that works; nothing if nothing changes.
pub(crate) fn next(situation: &Situation<'_>) -> Option<Draft> {
    let Situation { view, standing, joiners, .. } = *situation;
    let id = view.id.next()?;
    let targets = targets(situation.spec, view, &candidates(standing));
    let mut draft = Draft { view: None, wedge: Vec::new(), marks: Marks::default() };
    let (mut shards, mut open, mut changed) = (Vec::new(), false, false);
    for ((shard, now), target) in view.shards().zip(&targets) {
        let next = match (now.fate, situation.spec.mode(shard)) {
            (_, Mode::Unordered) => telemetry(id, now, target, standing),
            (Fate::Held, _) => held(situation, id, shard, target, &mut draft),
            (Fate::Lost, _) => lost(situation, id, shard, target, &mut draft.marks),
        };
        changed |= !matches!(next, Next::Same);
        match next {
            Next::Same => shards.push(now.clone()),
            Next::Changed(next) => shards.push(next),
            Next::Open => {
                open = true;
                shards.push(now.clone());
            }
        }
    }
    let members = members(standing, joiners, &shards);
    if !changed && members == view.members {
        return None;
    }
    if !open {
        draft.view = Some(Arc::new(View { id, members, shards }));
    }
    Some(draft)
}

/// The view after a restart; the flag says whether a shard would be lost that was not before.
pub(crate) fn after_restart(
    view: &View,
    spec: &LayoutSpec,
    standing: &[Standing<'_>],
) -> Option<(Arc<View>, Marks, bool)> {
    let id = view.id.next()?;
    let (mut marks, mut loses) = (Marks::default(), false);
    let targets = targets(spec, view, &candidates(standing));
    let shards = view.shards().zip(&targets).map(|((shard, now), target)| {
        let mode = spec.mode(shard);
        if mode == Mode::Unordered {
            return match telemetry(id, now, target, standing) {
                Next::Changed(next) => next,
                Next::Same | Next::Open => now.clone(),
            };
        }
        let reports = reports(standing, shard);
        let found = match mode {
            Mode::Durable => basis::after_restart(now, &reports),
            Mode::Volatile | Mode::Unordered => basis::from_memory(now, &reports),
        };
        match found {
            Some(basis) => {
                marks.set(basis.way);
                if now.fate == Fate::Lost {
                    marks.set(Mark::ShardRevived);
                }
                from_basis(id, now, &reports, basis)
            }
            None => {
                loses |= now.fate == Fate::Held;
                ShardView { fate: Fate::Lost, ..now.clone() }
            }
        }
    });
    let shards = shards.collect();
    let members = standing.iter().map(|standing| standing.member).collect();
    Some((Arc::new(View { id, members, shards }), marks, loses))
}

/// Whom the layout wants in which shard, of those who go on.
pub(crate) fn targets(
    spec: &LayoutSpec,
    view: &View,
    candidates: &[Candidate],
) -> Vec<Vec<NodeId>> {
    let goes_on = |node: &NodeId| candidates.iter().any(|candidate| candidate.node == *node);
    let current: Vec<Vec<NodeId>> = view
        .shards
        .iter()
        .map(|shard| match shard.fate {
            Fate::Held => shard.members.iter().copied().filter(goes_on).collect(),
            Fate::Lost => Vec::new(),
        })
        .collect();
    layout::target(spec, &current, candidates)
}

/// What a member is to the layout.
pub(crate) fn candidate(member: &Member, leaving: bool) -> Candidate {
    let role = match member.duty {
        Duty::Witness => Role::Witness,
        Duty::Full if leaving => Role::Leaving,
        Duty::Full => Role::Full,
    };
    Candidate { node: member.node, role }
}

fn candidates(standing: &[Standing<'_>]) -> Vec<Candidate> {
    standing.iter().map(|standing| candidate(&standing.member, standing.row.leaving)).collect()
}

/// Those who go on, without those who have handed over all they held; then those who join.
fn members(standing: &[Standing<'_>], joiners: &[Member], shards: &[ShardView]) -> Vec<Member> {
    let holds = |node: NodeId| shards.iter().any(|shard| shard.is_held_by(node));
    let staying = standing
        .iter()
        .filter(|standing| !standing.row.leaving || holds(standing.member.node))
        .map(|standing| standing.member);
    let mut members: Vec<Member> = staying.collect();
    if members.is_empty() {
        // The last one cannot leave a group to nobody.
        members.extend(standing.first().map(|standing| standing.member));
    }
    let room = MEMBERS_MAX.saturating_sub(members.len());
    members.extend(joiners.iter().take(room));
    members
}

fn held(
    situation: &Situation<'_>,
    id: ViewId,
    shard: ShardId,
    target: &[NodeId],
    draft: &mut Draft,
) -> Next {
    let Some(now) = situation.view.shard(shard) else { return Next::Same };
    let standing = situation.standing;
    let reports = reports(standing, shard);
    let basis = basis::from_memory(now, &reports);
    // Who has wedged and does not hold what the others do has to learn it.
    let lacks = |node: &NodeId| {
        let reported = reports.iter().any(|report| report.node == *node);
        let holders = basis.as_ref().map(|basis| &basis.holders);
        reported && !holders.is_some_and(|holders| holders.contains(node))
    };
    let goes_on = |node: &NodeId| standing.iter().any(|standing| standing.member.node == *node);
    let here: Vec<NodeId> = now.members.iter().copied().filter(goes_on).collect();
    let survivors: Vec<NodeId> = here.iter().copied().filter(|node| !lacks(node)).collect();
    // Who is not wanted any more stays until all who are wanted hold the shard themselves.
    let handed_over = target.iter().all(|node| survivors.contains(node)) && !target.is_empty();
    let stays = |node: &NodeId| !handed_over || target.contains(node);
    let promoted = standing.iter().filter(|standing| {
        let node = standing.member.node;
        let learned = standing.row.learned.iter();
        let mut learned = learned.filter(|it| it.shard == shard && it.since == now.since);
        target.contains(&node) && !here.contains(&node) && learned.next().is_some()
    });
    let mut members: Vec<NodeId> = survivors.iter().copied().filter(stays).collect();
    members.extend(promoted.map(|standing| standing.member.node));
    if members == now.members && !situation.called.contains(&shard) {
        return Next::Same;
    }
    draft.wedge.push(shard);
    let wedged = |node: &NodeId| {
        let mut reports = reports.iter().filter(|report| report.node == *node);
        reports.any(|report| report.held.since == now.since)
    };
    if !here.iter().all(wedged) {
        return Next::Open;
    }
    match basis {
        Some(basis) => {
            if here.len() > survivors.len() {
                draft.marks.set(Mark::UnreadyAtEnd);
            }
            if members.len() > survivors.len() {
                draft.marks.set(Mark::Promoted);
            }
            let next = from_basis(id, now, &reports, basis);
            Next::Changed(ShardView { members, ..next })
        }
        None => {
            draft.marks.set(Mark::ShardLost);
            Next::Changed(ShardView { fate: Fate::Lost, ..now.clone() })
        }
    }
}

fn lost(
    situation: &Situation<'_>,
    id: ViewId,
    shard: ShardId,
    target: &[NodeId],
    marks: &mut Marks,
) -> Next {
    let Some(now) = situation.view.shard(shard) else { return Next::Same };
    let free = now.is_unheld() || situation.given_up.contains(&shard);
    if free && !target.is_empty() {
        return Next::Changed(ShardView {
            since: id,
            through: Version::ZERO,
            witness: None,
            members: target.to_vec(),
            keepers: target.to_vec(),
            kept: Version::ZERO,
            fate: Fate::Held,
        });
    }
    if situation.spec.mode(shard) != Mode::Durable {
        return Next::Same;
    }
    let reports = reports(situation.standing, shard);
    match basis::after_restart(now, &reports) {
        Some(basis) => {
            marks.set(Mark::ShardRevived);
            Next::Changed(from_basis(id, now, &reports, basis))
        }
        None => Next::Same,
    }
}

/// Telemetry has no past: whoever is wanted is in at once, and if nobody can be, nobody misses it.
fn telemetry(id: ViewId, now: &ShardView, target: &[NodeId], standing: &[Standing<'_>]) -> Next {
    let goes_on = |node: &NodeId| standing.iter().any(|standing| standing.member.node == *node);
    let wished = if target.is_empty() { &now.members } else { target };
    let members: Vec<NodeId> = wished.iter().copied().filter(goes_on).collect();
    match (members.is_empty(), now.fate) {
        (true, Fate::Held) => Next::Changed(ShardView { fate: Fate::Lost, ..now.clone() }),
        (true, Fate::Lost) => Next::Same,
        (false, Fate::Held) if members == now.members => Next::Same,
        (false, _) => {
            Next::Changed(ShardView { since: id, members, fate: Fate::Held, ..now.clone() })
        }
    }
}

fn from_basis(id: ViewId, now: &ShardView, reports: &[Report], basis: Basis) -> ShardView {
    let (keepers, kept) = basis::keepers(now, reports);
    ShardView {
        since: id,
        through: basis.through,
        witness: Some(basis.witness),
        members: basis.holders,
        keepers,
        kept,
        fate: Fate::Held,
    }
}

fn reports(standing: &[Standing<'_>], shard: ShardId) -> Vec<Report> {
    let of_one = |standing: &Standing<'_>| {
        let held = standing.row.held.iter().find(|held| held.shard == shard)?;
        Some(Report { node: standing.member.node, held: *held })
    };
    standing.iter().filter_map(of_one).collect()
}
