//! Which rare paths the runs have walked, and in how many of them.

use core::fmt::Write as _;

use notrace_store_protocol::mark::{Mark, Marks};

use crate::world::Report;

/// A scene that is only seen from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Scene {
    /// A leader died between its call to end the view and the next view.
    LeaderDied,
    /// Somebody died while another's failure was being dealt with.
    SecondFailure,
    /// A new member died before it was ready.
    JoinerDied,
    /// After a stop of all, fewer than a majority were back first.
    MinorityFirst,
    /// All stopped, and a majority came back.
    StoppedAll,
    /// An ambush was sprung.
    Ambushed,
    /// A node left by its own wish.
    Left,
}

/// A set of scenes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scenes(u32);

impl Scenes {
    /// Adds one.
    pub fn set(&mut self, scene: Scene) {
        self.0 |= 1 << scene as u8;
    }

    /// Whether it was played.
    #[must_use]
    pub const fn has(self, scene: Scene) -> bool {
        self.0 >> scene as u8 & 1 == 1
    }
}

/// All scenes.
pub const SCENES: [Scene; 7] = [
    Scene::LeaderDied,
    Scene::SecondFailure,
    Scene::JoinerDied,
    Scene::MinorityFirst,
    Scene::StoppedAll,
    Scene::Ambushed,
    Scene::Left,
];

/// All marks of the protocol.
pub const MARKS: [Mark; 27] = [
    Mark::TakeOverKept,
    Mark::TakeOverFresh,
    Mark::LearntDecision,
    Mark::SuspectedDuringFlush,
    Mark::InstalledSuspect,
    Mark::Carried,
    Mark::CutForGood,
    Mark::UnreadyAtEnd,
    Mark::ShardLost,
    Mark::ShardRevived,
    Mark::StoppedMinority,
    Mark::StoppedSuspected,
    Mark::RestartFresh,
    Mark::RestartKept,
    Mark::RestartFromLogs,
    Mark::RestartFromMemory,
    Mark::RestartByKeepers,
    Mark::RestartLost,
    Mark::Joined,
    Mark::Promoted,
    Mark::CutBack,
    Mark::Snapshot,
    Mark::Resumed,
    Mark::Departed,
    Mark::WindowFull,
    Mark::Nulls,
    Mark::Wrapped,
];

/// What many runs came to.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// How many runs.
    pub runs: u64,
    /// Steps of all groups in all of them.
    pub steps: u64,
    /// Updates delivered, counted at each node.
    pub delivered: u64,
    /// Views installed.
    pub views: u64,
    /// Runs after which the group could not go on, and no group could have.
    pub excused: u64,
    marks: [u64; MARKS.len()],
    scenes: [u64; SCENES.len()],
}

impl Coverage {
    /// Adds a run.
    pub fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.steps += report.steps;
        self.delivered += report.delivered;
        self.views += report.views;
        self.excused += u64::from(report.excused);
        for (count, mark) in self.marks.iter_mut().zip(MARKS) {
            *count += u64::from(report.marks.has(mark));
        }
        for (count, scene) in self.scenes.iter_mut().zip(SCENES) {
            *count += u64::from(report.scenes.has(scene));
        }
    }

    /// Adds the runs of another.
    pub fn join(&mut self, other: &Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.delivered += other.delivered;
        self.views += other.views;
        self.excused += other.excused;
        for (count, more) in self.marks.iter_mut().zip(other.marks) {
            *count += more;
        }
        for (count, more) in self.scenes.iter_mut().zip(other.scenes) {
            *count += more;
        }
    }

    /// The marks and scenes that no run has reached.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let marks = MARKS.iter().zip(self.marks).filter(|(_, count)| *count == 0);
        let scenes = SCENES.iter().zip(self.scenes).filter(|(_, count)| *count == 0);
        let marks = marks.map(|(mark, _)| format!("{mark:?}"));
        marks.chain(scenes.map(|(scene, _)| format!("{scene:?}"))).collect()
    }

    /// A table: each mark and scene, and how many runs reached it.
    #[must_use]
    pub fn table(&self) -> String {
        let marks = MARKS.iter().zip(self.marks).map(|(mark, count)| (format!("{mark:?}"), count));
        let scenes = SCENES.iter().zip(self.scenes);
        let scenes = scenes.map(|(scene, count)| (format!("{scene:?} (scene)"), count));
        let mut text = String::new();
        for (name, count) in marks.chain(scenes) {
            let _ = writeln!(text, "  {name:<28} {count:>8}");
        }
        text
    }
}

/// The marks of one run, by name.
#[must_use]
pub fn names(marks: Marks) -> Vec<String> {
    MARKS.iter().filter(|mark| marks.has(**mark)).map(|mark| format!("{mark:?}")).collect()
}
