//! Where each rule of a set begins. The language's reader keeps that to itself.

use crate::limits::{RULE_BYTES_MAX, RULE_DEPTH_MAX, RULES_MAX};

/// What a first look at a text finds.
pub(super) struct Outline {
    /// The byte at which each rule begins.
    pub(super) starts: Vec<usize>,
}

/// Why the reader is not shown a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum TooMuch {
    #[error("more than {RULES_MAX} rules")]
    Rules,
    #[error("brackets more than {RULE_DEPTH_MAX} deep")]
    Depth,
    #[error("more than {RULE_DEPTH_MAX} `if`s in one rule")]
    Ifs,
    #[error("more than {RULE_BYTES_MAX} bytes in one rule")]
    Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Rules,
    Comment,
    Text,
    Escape,
}

/// Finds rules, counts brackets and `if`s: all that the reader follows down its stack without a
/// bound of its own.
///
/// # Errors  [`TooMuch`], and the byte at which it is.
pub(super) fn outline(text: &str) -> Result<Outline, (usize, TooMuch)> {
    let mut outline = Outline { starts: Vec::new() };
    let mut rule = Rule::default();
    let (mut within, mut last) = (Within::Rules, '\0');
    for (at, letter) in text.char_indices() {
        within = match (within, letter) {
            (Within::Comment, '\n') => Within::Rules,
            (Within::Text, '\\') => Within::Escape,
            (Within::Escape, _) => Within::Text,
            (Within::Text, '"') => Within::Rules,
            (Within::Rules, '"') => Within::Text,
            (Within::Rules, '/') if last == '/' => Within::Comment,
            (within, _) => within,
        };
        last = if last == '/' { '\0' } else { letter };
        if within == Within::Rules {
            let begins = !rule.begun && (letter == '@' || letter.is_alphabetic());
            if begins && outline.starts.len() == RULES_MAX {
                return Err((at, TooMuch::Rules));
            }
            if begins {
                outline.starts.push(at);
                rule.begun = true;
            }
            rule.read(letter).map_err(|what| (at, what))?;
        }
    }
    Ok(outline)
}

/// What was read of one rule.
#[derive(Default)]
struct Rule {
    begun: bool,
    bytes: usize,
    brackets: usize,
    ifs: usize,
    word: String,
}

impl Rule {
    fn read(&mut self, letter: char) -> Result<(), TooMuch> {
        self.bytes += letter.len_utf8();
        if letter.is_alphanumeric() || letter == '_' {
            // Two letters decide, and a third that it is not that word.
            if self.word.chars().count() < 3 {
                self.word.push(letter);
            }
            return if self.bytes > RULE_BYTES_MAX { Err(TooMuch::Bytes) } else { Ok(()) };
        }
        self.ifs += usize::from(self.word == "if");
        self.word.clear();
        match letter {
            '(' | '[' | '{' => self.brackets += 1,
            ')' | ']' | '}' => self.brackets = self.brackets.saturating_sub(1),
            ';' => *self = Self::default(),
            _ => {}
        }
        match () {
            () if self.brackets > RULE_DEPTH_MAX => Err(TooMuch::Depth),
            () if self.bytes > RULE_BYTES_MAX => Err(TooMuch::Bytes),
            () if self.ifs > RULE_DEPTH_MAX => Err(TooMuch::Ifs),
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod an_outline {
    use super::*;

    #[test]
    fn finds_where_each_rule_begins() {
        let text = "// a; b\npermit (principal == Group::\"x;y\\\";\", action, resource);\n  \
                    @id(\"z\") forbid (a);";
        let starts = outline(text).ok().map(|it| it.starts);
        assert_eq!(starts, Some(vec![8, text.find('@').unwrap()]));
    }

    #[test]
    fn stops_at_what_is_too_deep_or_too_much() {
        let deep = "permit".to_owned() + &"(".repeat(RULE_DEPTH_MAX + 1);
        let ifs = "when { ".to_owned() + &"if a then b else ".repeat(RULE_DEPTH_MAX + 1);
        assert_eq!(outline(&ifs).err().map(|(_, what)| what), Some(TooMuch::Ifs));
        let many = "permit;".repeat(RULES_MAX + 1);
        assert_eq!(outline(&deep).err(), Some((6 + RULE_DEPTH_MAX, TooMuch::Depth)));
        assert_eq!(outline(&many).err(), Some((7 * RULES_MAX, TooMuch::Rules)));
        assert!(outline(&"permit;".repeat(RULES_MAX)).is_ok());
    }
}
