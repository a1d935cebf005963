//! The table, and whether it is as it must be.

use std::fmt::Write;

use crate::beyond::BEYOND;
use crate::hatch::Counted;
use crate::runs::{Fate, Seen};
use crate::walls::{Wall, Walls};
use crate::zoo;

/// How many techniques must be shown to work where there is no wall.
const TECHNIQUES_MIN: usize = 60;

pub(crate) struct Table {
    pub(crate) text: String,
    pub(crate) holds: bool,
}

impl Table {
    pub(crate) fn of(
        seen: &Seen,
        compilers: &Seen,
        refused: &[(String, bool)],
        hatch: &[Counted],
    ) -> Self {
        let mut table = Self { text: String::new(), holds: true };
        // Writing to a string does not fail.
        let _ = table.techniques(seen);
        let _ = table.choices(seen);
        let _ = table.ground(seen);
        let _ = table.compilers(compilers);
        let _ = table.imports(refused);
        let _ = table.hatch(hatch);
        let _ = table.beyond();
        let verdict = if table.holds { "every wall holds by itself" } else { "NOT AS IT MUST BE" };
        table.text.push_str(verdict);
        table.text.push('\n');
        table
    }

    fn techniques(&mut self, seen: &Seen) -> std::fmt::Result {
        let columns = [Walls::NONE]
            .into_iter()
            .chain(Wall::ALL.into_iter().map(Walls::only))
            .chain([Walls::WHOLE]);
        let columns: Vec<Walls> = columns.collect();
        let text = &mut self.text;
        write!(text, "{:46}", "technique, and which wall alone stands")?;
        for walls in &columns {
            let name = if *walls == Walls::WHOLE { "all".to_owned() } else { walls.names() };
            write!(text, "{name:>9}")?;
        }
        writeln!(text)?;
        let (mut open, mut lacking) = (0, Vec::new());
        for (number, technique) in zoo::all().into_iter().enumerate() {
            let fate = |walls: &Walls| seen.get(walls).and_then(|fates| fates.get(number).copied());
            if fate(&Walls::NONE) != Some(Fate::Out) {
                lacking.push(technique.name);
                continue;
            }
            open += 1;
            write!(text, "{:46}", technique.name)?;
            for walls in &columns {
                let word = match fate(walls) {
                    Some(Fate::Out) if may_pass(*walls, technique) => "(out)",
                    Some(Fate::Out) => "OUT",
                    Some(Fate::NotTaken) => "-",
                    Some(Fate::Killed) => "killed",
                    Some(Fate::Refused) => "refused",
                    None => "?",
                };
                write!(text, "{word:>9}")?;
            }
            writeln!(text)?;
        }
        writeln!(text, "{open} techniques work where no wall is: OUT in the first column.")?;
        writeln!(text, "(out): the wall does not concern it; the others do.")?;
        if !is_root() {
            writeln!(
                text,
                "not run as root: workers are no users of their own, and right lacks that"
            )?;
        }
        for name in &lacking {
            writeln!(text, "not on this host, and so not counted: {name}")?;
        }
        self.holds &= open >= TECHNIQUES_MIN;
        Ok(())
    }

    /// Every choice of walls, with the techniques that got out.
    fn choices(&mut self, seen: &Seen) -> std::fmt::Result {
        writeln!(self.text)?;
        self.each_choice(seen)
    }

    fn each_choice(&mut self, seen: &Seen) -> std::fmt::Result {
        let walled = |walls: &Walls| *walls != Walls::NONE && walls.has_ground();
        for (walls, fates) in seen.iter().filter(|(walls, _)| walled(walls)) {
            let (may, must_not): (Vec<_>, Vec<_>) = out(fates).partition(|it| may_pass(*walls, it));
            write!(self.text, "{:26}", walls.names())?;
            writeln!(self.text, "{} got out, {} unconcerned", must_not.len(), may.len())?;
            for technique in &must_not {
                writeln!(self.text, "    GOT OUT: {}", technique.name)?;
            }
            self.holds &= must_not.is_empty();
        }
        Ok(())
    }

    /// What two of the walls would be without what they have in common. Nothing follows from it but
    /// how much they have.
    fn ground(&mut self, seen: &Seen) -> std::fmt::Result {
        writeln!(self.text, "\nwithout the ground that they share (no descriptor, no file)")?;
        for walls in Walls::without_ground() {
            let out: Vec<_> =
                seen.get(&walls).map(|fates| out(fates).collect()).unwrap_or_default();
            writeln!(self.text, "{:26}{} get out", walls.names(), out.len())?;
            for technique in &out {
                writeln!(self.text, "    {}", technique.name)?;
            }
        }
        Ok(())
    }

    fn compilers(&mut self, seen: &Seen) -> std::fmt::Result {
        let open = seen.get(&Walls::NONE).map_or(0, |fates| out(fates).count());
        writeln!(self.text, "\na compiler without walls lets {open} techniques out; with")?;
        self.holds &= open >= TECHNIQUES_MIN;
        self.each_choice(seen)
    }

    fn imports(&mut self, refused: &[(String, bool)]) -> std::fmt::Result {
        let (asks_nothing, asking) = match refused.split_first() {
            Some(((_, was_refused), rest)) => (!was_refused, rest),
            None => (false, refused),
        };
        let taken: Vec<_> = asking.iter().filter(|(_, was_refused)| !was_refused).collect();
        let count = asking.len();
        writeln!(self.text, "\n{count} imports that reach out, {} of them taken", taken.len())?;
        for (name, _) in &taken {
            writeln!(self.text, "    TAKEN: {name}")?;
        }
        self.holds &= asks_nothing && taken.is_empty();
        Ok(())
    }

    fn hatch(&mut self, counted: &[Counted]) -> std::fmt::Result {
        let text = &mut self.text;
        writeln!(text, "\nthe hatch: of so many symbols tried, who tells how many apart")?;
        let [tried, process, asker, receipt] = ["tried", "process", "who asked", "the log"];
        writeln!(text, "{:46}{tried:>9}{process:>9}{asker:>11}{receipt:>9}", "way")?;
        for way in counted {
            let Counted { name, tried, asker, receipt, .. } = way;
            let process = way.process.map(|told| told.to_string()).unwrap_or_default();
            write!(text, "{name:46}{tried:>9}{process:>9}{asker:>11}{receipt:>9}")?;
            writeln!(text, "{}", if way.holds() { "" } else { "  NOT AS IT MUST BE" })?;
        }
        self.holds &= counted.iter().all(Counted::holds);
        Ok(())
    }

    fn beyond(&mut self) -> std::fmt::Result {
        writeln!(self.text, "\nwhat no wall stops, and what bounds it")?;
        for (channel, bound) in BEYOND {
            writeln!(self.text, "{channel:46}  {bound}")?;
        }
        writeln!(self.text)
    }
}

fn out(fates: &[Fate]) -> impl Iterator<Item = &'static zoo::Technique> {
    fates.iter().zip(zoo::all()).filter(|(fate, _)| **fate == Fate::Out).map(|(_, it)| it)
}

/// Whether none of these walls says anything about the technique.
fn may_pass(walls: Walls, technique: &zoo::Technique) -> bool {
    let says_nothing = |wall: Wall| {
        // Somebody other than root has no other users to give to workers.
        let same_user = technique.by_user && wall == Wall::Right && !is_root();
        same_user || technique.unconcerned.contains(&wall)
    };
    walls != Walls::NONE && Wall::ALL.into_iter().all(|it| !walls.has(it) || says_nothing(it))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
