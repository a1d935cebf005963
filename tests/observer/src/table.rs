//! The findings, as a table.

use crate::pairs::Told;
use crate::stage::POLICIES;

/// By what each pair of secrets could be told apart, under each policy.
pub fn of(told: &[Told]) -> String {
    let mut text = String::from("| a task |");
    for policy in POLICIES {
        text += &format!(" `{}` |", policy.pool);
    }
    text += "\n|---|";
    text += &"---|".repeat(POLICIES.len());
    for Told { pair, by } in told {
        text += &format!("\n| {pair} |");
        for names in by {
            let names = if names.is_empty() { "-".to_owned() } else { names.join(", ") };
            text += &format!(" {names} |");
        }
    }
    text + "\n"
}

/// What is not as it must be: under the last policy nothing may be told, under the first each.
pub fn faults(told: &[Told]) -> Vec<String> {
    let mut faults = Vec::new();
    for Told { pair, by } in told {
        if by.first().is_none_or(Vec::is_empty) {
            faults.push(format!("{pair}: nothing shows where everything may"));
        }
        if by.last().is_none_or(|names| !names.is_empty()) {
            faults.push(format!("{pair}: shows where nothing may, by {by:?}"));
        }
    }
    faults
}
