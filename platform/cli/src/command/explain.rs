//! `notrace explain`.

use notrace_sdk_client::wire::Code;

use crate::args::Explain;
use crate::exit::{Done, Exit, Failure, Local, exit_for};
use crate::say;

/// All there is to say of a code, whoever found it.
struct Explained {
    code: &'static str,
    status: Option<u16>,
    exit: Exit,
    meaning: &'static str,
    remedy: &'static str,
}

pub(crate) fn explain(explain: &Explain, json: bool) -> Done {
    let Some(asked) = &explain.code else { return list(json) };
    let all = all();
    match all.iter().find(|known| known.code == asked) {
        Some(known) if json => say::json(&as_json(known)),
        Some(known) => {
            let status = known.status.map(|status| format!("HTTP {status}, ")).unwrap_or_default();
            let Explained { code, exit, meaning, remedy, .. } = known;
            let exit = *exit as u8;
            say::text(&format!("{code} ({status}exit code {exit})\n{meaning}\n{remedy}\n"))
        }
        None => {
            let nearest = nearest(asked, &all);
            let failure = Failure::local(Local::FileUnreadable, "there is no error of this code");
            let failure = Failure { code: "not_found", exit: Exit::NotFound, ..failure };
            Err(failure.help(match nearest {
                Some(code) => format!("Did you mean `notrace explain {code}`?"),
                None => "`notrace explain` lists all codes.".to_owned(),
            }))
        }
    }
}

fn list(json: bool) -> Done {
    let all = all();
    if json {
        return say::json(&all.iter().map(as_json).collect::<Vec<_>>());
    }
    let rows = all.iter().map(|known| {
        let status = known.status.map_or("-".to_owned(), |status| status.to_string());
        let exit = (known.exit as u8).to_string();
        [known.code.to_owned(), status, exit, known.meaning.to_owned()]
    });
    let heading = ["code", "HTTP", "exit", "meaning"].map(str::to_owned);
    say::table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

fn all() -> Vec<Explained> {
    let from_nodes = Code::ALL.iter().map(|&code| Explained {
        code: code.as_str(),
        status: Some(code.status()),
        exit: exit_for(code),
        meaning: code.meaning(),
        remedy: code.remedy(),
    });
    // That nobody reads any more is never said to anybody.
    let told = Local::ALL.iter().filter(|local| **local != Local::OutputClosed);
    let from_here = told.map(|local| Explained {
        code: local.as_str(),
        status: None,
        exit: local.exit(),
        meaning: local.meaning(),
        remedy: local.remedy(),
    });
    from_nodes.chain(from_here).collect()
}

fn as_json(known: &Explained) -> serde_json::Value {
    let Explained { code, status, exit, meaning, remedy } = known;
    let exit = *exit as u8;
    serde_json::json!({
        "code": code, "status": status, "exit": exit, "meaning": meaning, "remedy": remedy,
    })
}

/// The code that shares the most pairs of letters with what was asked, if it shares half.
fn nearest(asked: &str, all: &[Explained]) -> Option<&'static str> {
    let asked = pairs(asked.get(..64.min(asked.len())).unwrap_or_default());
    let score = |known: &Explained| {
        let own = pairs(known.code);
        let shared = asked.iter().filter(|pair| own.contains(pair)).count();
        // Dice's coefficient in thousandths.
        2000 * shared / (asked.len() + own.len()).max(1)
    };
    all.iter()
        .map(|known| (score(known), known.code))
        .max()
        .filter(|(score, _)| *score >= 500)
        .map(|(_, code)| code)
}

fn pairs(text: &str) -> Vec<(u8, u8)> {
    text.bytes().zip(text.bytes().skip(1)).collect()
}

#[cfg(test)]
mod a_code_that_is_misspelt {
    use super::*;

    #[test]
    fn leads_to_its_neighbour_and_nonsense_leads_nowhere() {
        let all = all();
        assert_eq!(nearest("version_missmatch", &all), Some("version_mismatch"));
        assert_eq!(nearest("certificate-changed", &all), Some("certificate_changed"));
        assert_eq!(nearest("zzzz", &all), None);
        assert_eq!(nearest("", &all), None);
        assert_eq!(nearest("ü", &all), None);
    }
}
