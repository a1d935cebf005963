//! `notrace task check`: what the upload will say, from the code that the upload asks.

use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::limits::MODULE_BYTES_MAX;
use notrace_runtime_sandbox::task::{Import, Inspection, Verdict};
use notrace_runtime_sandbox::{Refused, Sandbox, Task};
use notrace_sdk_client::wire::Code;

use crate::args::Check;
use crate::command::task::module;
use crate::exit::{Done, Failure, Local, exit_for};
use crate::say;

pub(crate) fn check(check: &Check, json: bool) -> Done {
    let module = module(&check.file)?;
    let sandbox = Sandbox::for_compiling()
        .map_err(|error| Failure::local(Local::NotUnderstood, error).help("Report it."))?;
    let inspection = sandbox.inspect(&module).map_err(|refused| failure(&refused))?;
    // Some faults, such as an import of the wrong type, show only when code is made.
    let verdict =
        inspection.verdict().and_then(|_| sandbox.compile(&module).map(|compiled| compiled.task));
    let digest = Digest::of(Domain::Module, &module);
    if json {
        say::json(&as_json(digest, module.len(), &inspection, &verdict))?;
    } else {
        tell(digest, module.len(), &inspection, &verdict)?;
    }
    verdict.map(drop).map_err(|refused| failure(&refused))
}

fn tell(
    digest: Digest,
    size_bytes: usize,
    inspection: &Inspection,
    verdict: &Result<Task, Refused>,
) -> Done {
    let world = inspection.world.map_or("none".to_owned(), |world| world.to_string());
    let answer = if verdict.is_ok() { "accepted" } else { "refused" };
    let size = say::counted(size_bytes as u64, "byte");
    say::line(format_args!("task {digest}  {size}  world {world}  would be {answer}"))?;
    say::line("exports:")?;
    for export in &inspection.exports {
        say::line(format_args!("  {export}"))?;
    }
    say::line(if inspection.imports.is_empty() { "imports: none" } else { "imports:" })?;
    let rows = inspection.imports.iter().map(|import| {
        let (verdict, reason) = told(import);
        [format!("  {}", import.name), verdict.to_owned(), reason]
    });
    say::table(&rows.collect::<Vec<_>>())?;
    let Ok(task) = verdict else { return Ok(()) };
    say::line("this code:")?;
    for line in task.abilities() {
        say::line(format_args!("  {line}"))?;
    }
    Ok(())
}

/// An import's verdict in one word, and its reason with what is offered and what is near.
fn told(import: &Import) -> (&'static str, String) {
    match &import.verdict {
        Verdict::World => ("given", "part of the world".to_owned()),
        Verdict::Offered => ("given", "beyond the world".to_owned()),
        Verdict::Refused(refused) => {
            let mut reason = refused.reason.to_string();
            if let Some(near) = &refused.near {
                reason.push_str(&format!("; did you mean `{near}`?"));
            }
            if let Some(offered) = refused.offered {
                reason.push_str(&format!("; offered instead: {offered}"));
            }
            ("refused", reason)
        }
    }
}

fn as_json(
    digest: Digest,
    size_bytes: usize,
    inspection: &Inspection,
    verdict: &Result<Task, Refused>,
) -> serde_json::Value {
    let imports: Vec<_> = inspection
        .imports
        .iter()
        .map(|import| {
            let (verdict, reason) = told(import);
            let name = import.name.as_str();
            serde_json::json!({ "name": name, "verdict": verdict, "reason": reason })
        })
        .collect();
    let exports: Vec<&str> = inspection.exports.iter().map(|name| name.as_str()).collect();
    serde_json::json!({
        "digest": digest.to_string(),
        "size_bytes": size_bytes,
        "world": inspection.world.map(|world| world.to_string()),
        "accepted": verdict.is_ok(),
        "code": verdict.as_ref().err().map(Refused::code),
        "exports": exports,
        "imports": imports,
        "abilities": verdict.as_ref().map(Task::abilities).unwrap_or_default(),
    })
}

/// The failure that an upload of the same module would be.
fn failure(refused: &Refused) -> Failure {
    let code: Code = refused.code().parse().unwrap_or(Code::ModuleMalformed);
    let remedy = match code {
        Code::ModuleTooLarge => {
            format!(
                "Strip it; at most {} are taken.",
                say::counted(MODULE_BYTES_MAX as u64, "byte")
            )
        }
        code => code.remedy().to_owned(),
    };
    Failure {
        code: code.as_str(),
        exit: exit_for(code),
        cause: refused.to_string(),
        remedy,
        facts: Vec::new(),
        problem: None,
    }
}
