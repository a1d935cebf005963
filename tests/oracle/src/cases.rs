//! Questions made up from a seed, with the answers of the shipped functions.

use notrace_store_protocol::order;

/// Up to how many senders and members a case has.
const ROW_MAX: u64 = 12;
/// Counts have at most so many bits, so that no slot reaches the 63 of the other side's integers.
const COUNT_BITS: u64 = 48;

/// A question as the proved program reads it, and what the shipped function answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// A word for the function, then its numbers.
    pub question: String,
    /// Numbers, or the word `none`.
    pub answer: String,
}

/// Endless cases; the same seed makes the same ones.
#[derive(Debug, Clone)]
pub struct Cases {
    state: u64,
}

impl Cases {
    /// Begins with a seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Source: `SplitMix64`, in Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
    /// Generators" (2014).
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    fn row(&mut self, least: u64, top: u64) -> Vec<u64> {
        let length = least + self.below(ROW_MAX - least);
        (0..length).map(|_| self.below(top)).collect()
    }

    /// Small counts, where ties and holes are frequent, as often as those of any size.
    fn top(&mut self) -> u64 {
        let bits = if self.below(2) == 0 { self.below(4) } else { self.below(COUNT_BITS) };
        1 << bits
    }

    fn case(&mut self) -> Case {
        let top = self.top();
        match self.below(10) {
            0 => self.slot(top),
            1 => self.sent_in(top),
            2 => prefix("prefix", &self.row(0, top)),
            // The other side walks slot by slot.
            3 => prefix("walk", &self.row(0, top.min(16))),
            4 | 5 => self.owed(top),
            6 => filled(&self.row(1, top)),
            7 => stable(&self.row(0, top)),
            8 => trim(&self.row(0, top)),
            _ => majority(self.row(0, top)),
        }
    }

    fn slot(&mut self, top: u64) -> Case {
        let senders = 1 + self.below(ROW_MAX) as u16;
        let (sender, index) = (self.below(senders.into()) as u16, self.below(top));
        let slot = order::slot(senders, sender, index);
        Case {
            question: asked("slot", &[senders.into(), sender.into(), index]),
            answer: slot.to_string(),
        }
    }

    fn sent_in(&mut self, top: u64) -> Case {
        let senders = 1 + self.below(ROW_MAX) as u16;
        let slot = self.below(top);
        let (sender, index) = order::sent_in(senders, slot);
        Case {
            question: asked("sent_in", &[senders.into(), slot]),
            answer: words(&[sender.into(), index]),
        }
    }

    fn owed(&mut self, top: u64) -> Case {
        let received = self.row(1, top);
        let me = self.below(received.len() as u64);
        let numbers = [&[me], &received[..]].concat();
        Case {
            question: asked("owed", &numbers),
            answer: order::owed(me as u16, &received).to_string(),
        }
    }
}

impl Iterator for Cases {
    type Item = Case;

    fn next(&mut self) -> Option<Case> {
        Some(self.case())
    }
}

fn prefix(question: &str, received: &[u64]) -> Case {
    Case { question: asked(question, received), answer: order::prefix(received).to_string() }
}

/// What everybody has sent once it has sent what it owes.
fn filled(received: &[u64]) -> Case {
    let filled = received.iter().zip(0..).map(|(sent, me)| *sent.max(&order::owed(me, received)));
    Case { question: asked("filled", received), answer: words(&filled.collect::<Vec<_>>()) }
}

fn stable(prefixes: &[u64]) -> Case {
    let stable = order::stable(prefixes.iter().copied());
    Case { question: asked("stable", prefixes), answer: stable.to_string() }
}

fn trim(held: &[u64]) -> Case {
    let trim = order::trim(held.iter().copied());
    let answer = trim.map(|(at, least)| words(&[at as u64, least]));
    Case { question: asked("trim", held), answer: answer.unwrap_or_else(none) }
}

fn majority(mut reached: Vec<u64>) -> Case {
    let question = asked("majority", &reached);
    let answer = order::reached_by_majority(&mut reached);
    Case { question, answer: answer.map_or_else(none, |it| it.to_string()) }
}

fn asked(question: &str, numbers: &[u64]) -> String {
    format!("{question} {}", words(numbers)).trim_end().to_owned()
}

fn words(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

fn none() -> String {
    "none".to_owned()
}

#[cfg(test)]
mod cases_of_a_seed {
    use super::*;

    #[test]
    fn are_always_the_same_and_differ_from_those_of_another() {
        let first = |seed| Cases::of(seed).take(50).collect::<Vec<_>>();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn ask_about_every_function() {
        for word in
            ["slot", "sent_in", "prefix", "walk", "owed", "filled", "stable", "trim", "majority"]
        {
            let asks = |case: &Case| case.question.split(' ').next() == Some(word);
            assert!(Cases::of(3).take(1000).filter(asks).count() > 20, "{word}");
        }
    }

    #[test]
    fn are_small_as_well_as_large() {
        let largest = |case: &Case| {
            case.question.split(' ').filter_map(|it| it.parse::<u64>().ok()).max().unwrap_or(0)
        };
        let largest: Vec<u64> = Cases::of(4).take(1000).map(|case| largest(&case)).collect();
        assert!(largest.iter().filter(|it| **it < 8).count() > 200);
        assert!(largest.iter().filter(|it| **it > 1 << 32).count() > 50);
        assert!(largest.iter().all(|it| *it < 1 << COUNT_BITS));
    }
}
