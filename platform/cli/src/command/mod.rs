//! What each command does.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod explain;
pub(crate) mod new;
pub(crate) mod rules;
pub(crate) mod serve;

mod cluster;
mod demo;
mod node;
mod object;
mod pool;
mod promise;
mod run;
mod task;
mod watch;

use notrace_sdk_client::Patience;

use crate::args::{AuditCommand, Command, PoolCommand, PromiseCommand, RulesCommand, TaskCommand};
use crate::exit::Done;
use crate::session::Session;

/// The commands that talk to a node.
pub(crate) async fn talk(command: Command, patience: Option<Patience>, json: bool) -> Done {
    if let Command::Demo(demo) = &command {
        return demo::tell(demo.cluster).await;
    }
    let session = Session::open(patience.unwrap_or_default())?;
    let session = &session;
    match command {
        Command::Posture => node::posture(session, json).await,
        Command::Status => node::status(session, json).await,
        Command::Metrics => node::metrics(session, json).await,
        Command::Cluster(command) => cluster::cluster(session, command, json).await,
        Command::Pool(PoolCommand::Create(create)) => pool::create(session, create, json).await,
        Command::Pool(PoolCommand::List) => pool::list(session, json).await,
        Command::Pool(PoolCommand::Show(named)) => pool::show(session, &named, json).await,
        Command::Pool(PoolCommand::Shred(named)) => pool::shred(session, &named, json).await,
        Command::Put(put) => object::put(session, put, json).await,
        Command::Get(get) => object::get(session, get).await,
        Command::Head(get) => object::head(session, get, json).await,
        Command::Ls(ls) => object::ls(session, ls, json).await,
        Command::Rm(named) => object::rm(session, named, json).await,
        Command::History(history) => object::history(session, history, json).await,
        Command::Shred(shred) => object::shred(session, shred, json).await,
        Command::Watch(watch) => watch::watch(session, watch).await,
        Command::Task(TaskCommand::Push(push)) => task::push(session, push, json).await,
        Command::Task(TaskCommand::List) => task::list(session, json).await,
        Command::Task(TaskCommand::Show(named)) => task::show(session, &named, json).await,
        Command::Task(TaskCommand::Rm(named)) => task::rm(session, &named).await,
        Command::Run(run) => run::run(session, run).await,
        Command::Rules(RulesCommand::Push(push)) => rules::push(session, &push, json).await,
        Command::Rules(RulesCommand::Show(show)) => rules::show(session, &show, json).await,
        Command::Promise(PromiseCommand::Show) => promise::show(session, json).await,
        Command::Promise(PromiseCommand::Verify) => promise::verify(session, json).await,
        Command::Audit(AuditCommand::Log(log)) => audit::log(session, &log, json).await,
        // These need no node and were answered before.
        Command::Demo(_)
        | Command::Serve(_)
        | Command::Explain(_)
        | Command::Completions(_)
        | Command::Rules(RulesCommand::Check(_))
        | Command::Task(TaskCommand::New(_) | TaskCommand::Check(_))
        | Command::Audit(AuditCommand::Verify(_)) => Ok(()),
    }
}
