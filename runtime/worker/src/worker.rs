//! `notrace worker`: the template, and the workers it forks.
//!
//! The process that the supervisor executes jails itself as far as it goes for all, forks the first
//! process of the new PID namespace and the template as children of the supervisor, and ends. The
//! template builds the engine and then forks workers on order. A worker takes one job, opens it,
//! runs it, seals the answer, wipes what it knows of, and ends without running a destructor.

use std::os::fd::{AsFd, OwnedFd};

use notrace_policy_promise::release::{Failures, Sizes};
#[cfg(feature = "weaken")]
use notrace_runtime_jail::Plan;
use notrace_runtime_jail::process::{exit_now, limit_data};
use notrace_runtime_jail::secret::Shared;
use notrace_runtime_jail::{Cell, Fence, NotJailable, Side, Users, Worker, wipe_stack};
use notrace_runtime_sandbox::Grant;
use notrace_sdk_seal::limits::sealed_answer_bytes;
use notrace_sdk_seal::{DataKey, RunKeys};
use rustix::net::{RecvFlags, SendFlags};
use zeroize::Zeroizing;

use crate::channel::{Doorbell, FromTemplate, NotReceived, Order, exactly, receive, send};
use crate::guest::{self, Engine, GuestEnd, Sealing};
use crate::job::Limits;
use crate::letter::{self, JobHead, Way};
use crate::limits::{EXCHANGE_BYTES, SECRET_BYTES, WORKER_OWN_BYTES};
use crate::planted;

/// The exit status of a process that could not go on, for a reason that is ours.
const EXIT_FAILED: i32 = 71;

/// The whole of `notrace worker`. To be called before the process starts a thread or opens a file;
/// standard input and output are the supervisor's sockets.
pub fn main() -> ! {
    run(Cell::begin())
}

/// The same with fences left out.
#[cfg(feature = "weaken")]
pub fn main_weakened(plan: Plan) -> ! {
    run(Cell::begin_weakened(plan))
}

fn run(begun: Result<(Cell, OwnedFd, OwnedFd), NotJailable>) -> ! {
    #[cfg(feature = "planted-leaks")]
    notrace_runtime_sandbox::leak::choose(crate::leak::chosen());
    match begun.map_err(|_| Failed).and_then(launch) {
        Ok(never) => match never {},
        Err(_) => exit_now(EXIT_FAILED),
    }
}

/// Why a process of ours cannot go on. Nobody reads it: the exit status says enough.
struct Failed;

enum Never {}

fn launch((mut cell, control, lifeline): (Cell, OwnedFd, OwnedFd)) -> Result<Never, Failed> {
    planted!(21, crate::leak::share());
    cell.separate(Users::Each, 0, None);
    if cell.fences().stands(Fence::PidNamespace) {
        match cell.fork().map_err(|_| Failed)? {
            Side::Sibling => cell.into_init(lifeline),
            Side::Forker { pidfd } => tell(&control, &FromTemplate::Init, Some(&pidfd))?,
        }
    }
    match cell.fork().map_err(|_| Failed)? {
        Side::Forker { pidfd } => {
            tell(&control, &FromTemplate::Template, Some(&pidfd))?;
            exit_now(0)
        }
        Side::Sibling => {
            drop(lifeline);
            template(cell, control)
        }
    }
}

fn tell(control: &OwnedFd, message: &FromTemplate, fd: Option<&OwnedFd>) -> Result<(), Failed> {
    let fds: Vec<_> = fd.iter().map(|fd| fd.as_fd()).collect();
    send(control, message, &fds, SendFlags::empty()).map_err(|_| Failed)
}

fn template(mut cell: Cell, control: OwnedFd) -> Result<Never, Failed> {
    let engine = Engine::new().ok_or(Failed)?;
    cell.settle_as_template();
    tell(&control, &FromTemplate::Ready { fences: cell.fences().clone() }, None)?;
    loop {
        let (order, fds) = match receive::<Order>(&control, RecvFlags::empty()) {
            Ok(order) => order,
            Err(NotReceived::Closed) => exit_now(0),
            Err(_) => return Err(Failed),
        };
        let [doorbell, secret, exchange] = exactly(fds).map_err(|_| Failed)?;
        match cell.fork() {
            Ok(Side::Sibling) => worker(cell, &engine, doorbell, secret, exchange, &order),
            Ok(Side::Forker { pidfd }) => {
                tell(&control, &FromTemplate::Forked { slot: order.slot }, Some(&pidfd))?;
            }
            Err(_) => tell(&control, &FromTemplate::NotForked { slot: order.slot }, None)?,
        }
    }
}

/// A worker's life. Whatever goes wrong, it ends, and the supervisor sees how.
fn worker(
    cell: Cell,
    engine: &Engine,
    doorbell: OwnedFd,
    secret: OwnedFd,
    exchange: OwnedFd,
    order: &Order,
) -> ! {
    let shared =
        Shared::map(secret, SECRET_BYTES).ok().zip(Shared::map(exchange, EXCHANGE_BYTES).ok());
    let Some((mut secret, mut exchange)) = shared else { exit_now(EXIT_FAILED) };
    let worker = cell.settle_as_worker(order.slot, &doorbell, order.processor_seconds);
    if !worker.is_whole() {
        exit_now(EXIT_FAILED);
    }
    let (bell, code) = match receive::<Doorbell>(&doorbell, RecvFlags::empty()) {
        Ok((bell, fds)) => match exactly(fds) {
            Ok([code]) => (bell, code),
            Err(_) => exit_now(EXIT_FAILED),
        },
        // The supervisor needs this worker no more.
        Err(NotReceived::Closed) => exit_now(0),
        Err(_) => exit_now(EXIT_FAILED),
    };
    // The job is here. There is nobody to hear from any more, and nothing to be had.
    #[cfg(not(feature = "planted-leaks"))]
    drop(doorbell);
    if worker.forgo_descriptors().is_err() {
        exit_now(EXIT_FAILED);
    }
    let done = serve(&worker, engine, &bell, code, &mut secret, &mut exchange);
    planted!(13, crate::leak::stay(&doorbell));
    wipe_stack();
    #[cfg(feature = "planted-leaks")]
    if crate::leak::is_warm() {
        crate::leak::stay(&doorbell);
    }
    exit_now(if done.is_some() { 0 } else { EXIT_FAILED })
}

/// Opens the job, runs it and seals the answer. `None` if the channel itself was at fault.
fn serve(
    worker: &Worker,
    engine: &Engine,
    bell: &Doorbell,
    code: OwnedFd,
    secret: &mut Shared,
    exchange: &mut Shared,
) -> Option<()> {
    // The code comes first: nothing can become executable any more once there is plaintext.
    let loaded = engine.load(worker, code, bell.code_bytes);
    let run_key = key(secret, 0)?;
    let (head, answer) = match loaded {
        None => guest::did_not_begin(GuestEnd::CodeRefused),
        Some(loaded) => match begin(&run_key, bell, secret, exchange) {
            Err(end) => guest::did_not_begin(end),
            Ok(Begun { grant, limits, sealing }) => {
                let ended = engine.run(loaded, grant, &limits)?;
                match sealing {
                    None => guest::answer(ended),
                    Some(sealing) => guest::sealed_answer(ended, &sealing)?,
                }
            }
        },
    };
    let sealed =
        answer.reveal(|answer| letter::close(&run_key, Way::ToSupervisor, &head, answer))?;
    planted!(11, answer.reveal(|answer| exchange.write(4 + sealed.len(), answer))?);
    exchange.write(4, &sealed)?;
    exchange.write(0, &u32::try_from(sealed.len()).ok()?.to_le_bytes())?;
    secret.wipe();
    Some(())
}

/// Everything that was handed over, opened.
struct Begun {
    grant: Grant,
    limits: Limits,
    /// What the answer is to be sealed with.
    sealing: Option<Sealing>,
}

/// Opens everything that was handed over, and bounds what may be used from here on.
fn begin(
    run_key: &DataKey,
    bell: &Doorbell,
    secret: &Shared,
    exchange: &Shared,
) -> Result<Begun, GuestEnd> {
    let mut at = 0;
    let mut take = |bytes: usize| {
        // Checked before there is memory for it.
        (bytes <= exchange.length().checked_sub(at)?).then_some(())?;
        let mut sealed = vec![0; bytes];
        exchange.read(at, &mut sealed)?;
        at += bytes;
        Some(sealed)
    };
    let letter = usize::try_from(bell.request_bytes).ok().and_then(&mut take);
    let opened = letter.and_then(|it| letter::read::<JobHead>(run_key, Way::ToWorker, it).ok());
    let (mut head, payload) = opened.ok_or(GuestEnd::NotAuthentic)?;
    let limits = head.limits;
    let sealing = match head.sealed {
        Some(how) => Some(sealing(secret, &head, how).ok_or(GuestEnd::NotAuthentic)?),
        None => None,
    };
    let keys = sealing.as_ref().map(|sealing| &sealing.keys);
    let given = guest::given(&mut head, payload, keys).ok_or(GuestEnd::SealBroken)?;
    planted!(21, given.input.reveal(|input| crate::leak::show(input)));
    let grant = guest::grant(&head, given, |index| key(secret, index), &mut take);
    let grant = grant.ok_or(GuestEnd::NotAuthentic)?;
    // What was opened is held already; the guest comes on top, and the answer twice while sealed.
    let answer =
        limits.output_bytes.saturating_mul(3).saturating_add(padded(&limits, sealing.as_ref()));
    let most = limits.memory_bytes.saturating_add(answer).saturating_add(2 * at as u64);
    let bounded = limit_data(most.saturating_add(WORKER_OWN_BYTES));
    bounded.map_err(|_| GuestEnd::NotAuthentic)?;
    Ok(Begun { grant, limits, sealing })
}

/// How to seal what comes of it, with the keys of a client that sealed its request: behind those of
/// the objects.
fn sealing(secret: &Shared, head: &JobHead, (sizes, failures): (u8, u8)) -> Option<Sealing> {
    let mut bytes = Zeroizing::new([0; RunKeys::BYTES]);
    secret.read((1 + head.objects.len()) * DataKey::BYTES, bytes.as_mut())?;
    let (sizes, failures) = (Sizes::from_code(sizes)?, Failures::from_code(failures)?);
    Some(Sealing { keys: RunKeys::from_bytes(&bytes), sizes, failures })
}

/// Both copies of the longest answer that is filled up.
fn padded(limits: &Limits, sealing: Option<&Sealing>) -> u64 {
    let Some(Sealing { sizes, .. }) = sealing else { return 0 };
    2 * sealed_answer_bytes(limits.output_bytes as usize, *sizes) as u64
}

fn key(secret: &Shared, index: usize) -> Option<DataKey> {
    let mut bytes = Zeroizing::new([0; DataKey::BYTES]);
    secret.read(index * DataKey::BYTES, bytes.as_mut())?;
    Some(DataKey::from_bytes(&bytes))
}
