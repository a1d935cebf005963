//! `notrace task push`, `list`, `show`, `rm`.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;

use notrace_policy_promise::limits::MODULE_BYTES_MAX;
use notrace_sdk_client::task;
use notrace_sdk_client::wire::task::{Task, TaskAccepted, TaskList, TaskState};

use crate::args::{Push, TaskNamed};
use crate::exit::{Done, Failure, Local};
use crate::session::Session;
use crate::{progress, say};

/// Listing asks for this many pages at most; a node keeps far fewer tasks.
const PAGES_MAX: u32 = 1000;

pub(super) async fn push(session: &Session, push: Push, json: bool) -> Done {
    let module = module(&push.file)?;
    let (shown, told) = progress::push(module.len() as u64);
    let Push { name, if_version, .. } = push;
    let push = task::Push { module: module.into(), name, if_version, progress: Some(told) };
    let accepted = session.client.task_push(&push).await;
    drop(shown);
    let accepted = accepted.map_err(|error| session.fail(error))?;
    if json { say::json(&accepted) } else { say::line(told_in_a_line(&accepted)) }
}

/// A module's bytes, if they may be uploaded. A `.wat` file is assembled first, so that the
/// smallest task needs no tool at all.
pub(super) fn module(path: &std::path::Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| Failure::unreadable(path, &error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MODULE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MODULE_BYTES_MAX {
        let most = say::grouped(MODULE_BYTES_MAX as u64);
        let cause = format!("{} is larger than {most} bytes", path.display());
        return Err(Failure::local(Local::TooLarge, cause)
            .help("Strip debug sections or split the program."));
    }
    if path.extension().is_some_and(|extension| extension == "wat") {
        return assemble(path, &bytes);
    }
    Ok(bytes)
}

fn assemble(path: &std::path::Path, text: &[u8]) -> Result<Vec<u8>, Failure> {
    wat::parse_bytes(text).map(Cow::into_owned).map_err(|error| {
        let cause = format!("{} is not WebAssembly text", path.display());
        let failure = Failure::local(Local::FileUnreadable, cause);
        let facts = error.to_string().lines().map(str::to_owned).collect();
        Failure { facts, ..failure }.help("Mend the line that is shown.")
    })
}

fn told_in_a_line(task: &TaskAccepted) -> String {
    let TaskAccepted { digest, world, .. } = task;
    let imports = listed(&task.imports, "none beyond the world");
    let services = listed(&task.services, "none");
    format!("task {digest}  world {world}  imports: {imports}  services: {services}")
}

fn listed(names: &[String], none: &str) -> String {
    if names.is_empty() { none.to_owned() } else { names.join(", ") }
}

pub(super) async fn list(session: &Session, json: bool) -> Done {
    let mut tasks: Vec<Task> = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = session.client.tasks(tasks.last().map(|task| &task.digest)).await;
        let page = page.map_err(|error| session.fail(error))?;
        let more = page.more && !page.tasks.is_empty();
        tasks.extend(page.tasks);
        if !more {
            break;
        }
    }
    if json {
        return say::json(&TaskList { tasks, more: false });
    }
    let rows = tasks.iter().map(|task| {
        let size = say::counted(task.size_bytes, "byte");
        let state = task.state.to_string();
        [task.digest.to_string(), names(task), task.world.clone(), size, state]
    });
    say::table(&rows.collect::<Vec<_>>())
}

pub(super) async fn show(session: &Session, named: &TaskNamed, json: bool) -> Done {
    let task = session.client.task(&named.task).await.map_err(|error| session.fail(error))?;
    if json {
        return say::json(&task);
    }
    let mut rows = vec![
        ["task".to_owned(), task.digest.to_string()],
        ["names".to_owned(), names(&task)],
        ["world".to_owned(), task.world.clone()],
        ["imports".to_owned(), listed(&task.imports, "none beyond the world")],
        ["services".to_owned(), listed(&task.services, "none")],
        ["size".to_owned(), say::counted(task.size_bytes, "byte")],
        ["uploaded".to_owned(), task.time.to_string()],
        ["state".to_owned(), task.state.to_string()],
    ];
    let moved = task.names.iter().map(|n| [format!("name {}", n.name), n.version.to_string()]);
    rows.extend(moved);
    say::table(&rows)?;
    if task.state == TaskState::Compiling {
        say::note("it can run once it is ready");
    }
    Ok(())
}

fn names(task: &Task) -> String {
    let names: Vec<String> = task.names.iter().map(|named| named.name.to_string()).collect();
    listed(&names, "-")
}

pub(super) async fn rm(session: &Session, named: &TaskNamed) -> Done {
    session.client.task_remove(&named.task).await.map_err(|error| session.fail(error))?;
    say::line(format_args!("task {}  removed", named.task))
}
