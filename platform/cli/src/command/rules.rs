//! `notrace rules`: what a node would make of rules, what they answer, which are in force.

mod questions;

use std::fs;
use std::path::Path;

use notrace_policy_rules::Rules;
use notrace_policy_rules::limits::RULES_BYTES_MAX;
use notrace_policy_rules::set::{Answer, RuleSet, Why};
use notrace_sdk_client::wire::Code;

use crate::args::{RulesCheck, RulesPush, RulesShow};
use crate::exit::{Done, Failure, Local, exit_for};
use crate::say;
use crate::session::Session;
use questions::Questions;

/// Longer questions are not read.
const QUESTIONS_BYTES_MAX: u64 = 1 << 20;

pub(super) async fn push(session: &Session, push: &RulesPush, json: bool) -> Done {
    let text = read(&push.file, RULES_BYTES_MAX as u64, malformed)?;
    // What is wrong with it is said here, where it may be quoted.
    parse(&push.file, &text)?;
    let pushed = session.client.rules_push(&text, push.if_version).await;
    let pushed = pushed.map_err(|error| session.fail(error))?;
    if json {
        return say::json(&pushed);
    }
    let version = pushed.version.map_or(String::new(), |version| format!("  version {version}"));
    say::line(format_args!("rules {}{version}  in force", pushed.digest))
}

pub(super) async fn show(session: &Session, show: &RulesShow, json: bool) -> Done {
    let rules = session.client.rules(show.version).await.map_err(|error| session.fail(error))?;
    if json { say::json(&rules) } else { say::text(&rules.text) }
}

pub(crate) fn check(check: &RulesCheck, json: bool) -> Done {
    let text = read(&check.file, RULES_BYTES_MAX as u64, malformed)?;
    let rules = parse(&check.file, &text)?;
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

/// Rules that a node would take.
fn parse(file: &Path, text: &str) -> Result<RuleSet, Failure> {
    let rules = RuleSet::parse(text).map_err(|mistakes| {
        let mut lines = mistakes.iter().flat_map(|mistake| {
            let help = mistake.help.as_ref().map(|help| format!("  {help}"));
            [Some(format!("{}: {mistake}", file.display())), help].into_iter().flatten()
        });
        let first = lines.next().unwrap_or_default();
        Failure { facts: lines.collect(), ..malformed(first) }
    })?;
    Rules::written(rules.clone()).map_err(|error| malformed(error.to_string()))?;
    Ok(rules)
}

/// The failure that pushing them would be.
fn malformed(cause: String) -> Failure {
    let code = Code::RulesMalformed;
    Failure {
        code: code.as_str(),
        exit: exit_for(code),
        cause,
        remedy: code.remedy().to_owned(),
        facts: Vec::new(),
        problem: None,
    }
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
    let bad = |what| Failure::local(Local::QuestionsMalformed, what);
    let text = read(file, QUESTIONS_BYTES_MAX, bad)?;
    let wrong = |what: String| bad(format!("{}: {what}", file.display()));
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

fn read(path: &Path, most: u64, bad: impl Fn(String) -> Failure) -> Result<String, Failure> {
    let about = fs::metadata(path).map_err(|error| Failure::unreadable(path, &error))?;
    if about.len() > most {
        return Err(bad(format!("{} has more than {most} bytes", path.display())));
    }
    let bytes = fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    String::from_utf8(bytes).map_err(|_| bad(format!("{} is not UTF-8", path.display())))
}
