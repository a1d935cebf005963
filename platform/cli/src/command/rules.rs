//! `notrace rules check`: what a node would make of rules, and what they answer.

mod questions;

use std::fs;
use std::path::Path;

use notrace_policy_rules::limits::RULES_BYTES_MAX;
use notrace_policy_rules::set::{Answer, RuleSet, Why};

use crate::args::RulesCheck;
use crate::exit::{Done, Failure, Local};
use crate::say;
use questions::Questions;

/// Longer questions are not read.
const QUESTIONS_BYTES_MAX: u64 = 1 << 20;

pub(crate) fn check(check: &RulesCheck, json: bool) -> Done {
    let text = read(&check.file, RULES_BYTES_MAX as u64, Local::RulesMalformed)?;
    let rules = RuleSet::parse(&text).map_err(|mistakes| {
        let mut lines = mistakes.iter().flat_map(|mistake| {
            let help = mistake.help.as_ref().map(|help| format!("  {help}"));
            [Some(format!("{}: {mistake}", check.file.display())), help].into_iter().flatten()
        });
        let first = lines.next().unwrap_or_default();
        Failure { facts: lines.collect(), ..Failure::local(Local::RulesMalformed, first) }
    })?;
    let asked = match &check.questions {
        Some(file) => asked(&rules, file)?,
        None => Vec::new(),
    };
    if json {
        say::json(&as_json(&rules, &asked))?;
    } else {
        let count = say::counted(rules.count() as u64, "rule");
        say::line(format_args!("rules {}  {count}", rules.digest()))?;
        say::table(&asked.iter().map(Asked::told).collect::<Vec<_>>())?;
    }
    let wrong: Vec<&Asked> = asked.iter().filter(|asked| !asked.right).collect();
    let Some(first) = wrong.first() else { return Ok(()) };
    let count = say::counted(wrong.len() as u64, "question");
    let cause = format!("{count} answered otherwise; the first: {}", first.says);
    Err(Failure::local(Local::RulesDiffer, cause))
}

/// A question and what came of it.
struct Asked {
    says: String,
    answer: Answer,
    right: bool,
}

impl Asked {
    fn told(&self) -> [String; 3] {
        let mark = if self.right { "ok" } else { "WRONG" };
        [mark.to_owned(), self.says.clone(), self.answer.to_string()]
    }
}

fn asked(rules: &RuleSet, file: &Path) -> Result<Vec<Asked>, Failure> {
    let text = read(file, QUESTIONS_BYTES_MAX, Local::QuestionsMalformed)?;
    let wrong = |what: String| {
        Failure::local(Local::QuestionsMalformed, format!("{}: {what}", file.display()))
    };
    let questions: Questions = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let all = questions.asked().map_err(wrong)?;
    let answered = all.into_iter().map(|question| {
        let answer = rules.answer(&question.question());
        let by = match &answer {
            Answer::Allowed(by) | Answer::Refused(Why::Forbidden(by) | Why::Failed(by)) => {
                by.as_slice()
            }
            Answer::Refused(Why::NothingPermits) => &[],
        };
        let named = |id: &String| by.iter().any(|rule| rule.id.as_ref() == Some(id));
        let right = answer.is_allowed() == question.yes && question.by.as_ref().is_none_or(named);
        Asked { says: question.says.clone(), answer, right }
    });
    Ok(answered.collect())
}

fn as_json(rules: &RuleSet, asked: &[Asked]) -> serde_json::Value {
    let asked = asked.iter().map(|asked| {
        serde_json::json!({
            "says": asked.says,
            "allowed": asked.answer.is_allowed(),
            "why": asked.answer.to_string(),
            "as_expected": asked.right,
        })
    });
    serde_json::json!({
        "digest": rules.digest().to_string(),
        "rules": rules.count(),
        "questions": asked.collect::<Vec<_>>(),
    })
}

fn read(path: &Path, most: u64, word: Local) -> Result<String, Failure> {
    let about = fs::metadata(path).map_err(|error| Failure::unreadable(path, &error))?;
    if about.len() > most {
        let cause = format!("{} has more than {most} bytes", path.display());
        return Err(Failure::local(word, cause));
    }
    let bytes = fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    String::from_utf8(bytes)
        .map_err(|_| Failure::local(word, format!("{} is not UTF-8", path.display())))
}
