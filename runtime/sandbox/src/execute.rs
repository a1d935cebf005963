//! One run, from a fresh store to its end.

use core::fmt::Write;

use notrace_policy_promise::private::Private;
use wasmtime::component::{ComponentExportIndex, Instance, InstancePre, WasmList, WasmStr};
use wasmtime::{Engine, Store, Trap, WasmBacktrace};

use crate::host::{State, Stop};
use crate::limits::{CALL_BYTES_MAX, HANDLES_MAX, MESSAGE_BYTES_MAX};
use crate::run::{End, Ended, Failure, Grant, Limits, Resource, TrapKind};
use crate::task::World;

/// Code that is linked and lacks nothing but a store.
pub(crate) struct Ready {
    pub(crate) pre: InstancePre<State>,
    pub(crate) entry: ComponentExportIndex,
    pub(crate) world: World,
}

/// What `run` of `notrace:task` answers, still in the guest's memory.
type Answer = (Result<WasmList<u8>, WasmStr>,);

/// Runs `ready` once. `interrupted` is asked after the deadline is set, so that an interrupt at any
/// time before is not lost.
pub(crate) fn execute(
    engine: &Engine,
    ready: &Ready,
    grant: Grant,
    limits: &Limits,
    interrupted: impl FnOnce() -> bool,
) -> Ended {
    let mut store = Store::new(engine, State::new(grant, limits, ready.world));
    store.limiter(|state| &mut state.meter);
    store.set_epoch_deadline(1);
    store.set_hostcall_fuel(CALL_BYTES_MAX);
    store.set_max_component_handles(HANDLES_MAX);
    let fueled = store.set_fuel(limits.fuel);
    let end = match (interrupted(), fueled) {
        (true, _) => End::Exhausted(Resource::Time),
        (_, Err(_)) => End::Trapped(TrapKind::NotStarted),
        (false, Ok(())) => {
            start_and_call(&mut store, ready).unwrap_or_else(|error| judge(&mut store, &error))
        }
    };
    let fuel_left = store.get_fuel().unwrap_or(0);
    let state = store.data_mut();
    let answer = state.output.take();
    let ended = Ended {
        end,
        answer: if end == End::Answered { answer } else { Private::new(Vec::new()) },
        message: state.kept.take(),
        fuel_used: limits.fuel.saturating_sub(fuel_left),
        memory_peak_bytes: state.meter.memory_peak_bytes(),
    };
    planted!(14, state.forget_files());
    planted!(10, crate::leak::forget(store));
    ended
}

fn start_and_call(store: &mut Store<State>, ready: &Ready) -> wasmtime::Result<End> {
    let instance = match ready.pre.instantiate(&mut *store) {
        Ok(instance) => instance,
        // What stopped it, if anything did, is judged as during the call.
        Err(error) if error.is::<Trap>() || error.is::<Stop>() => return Err(error),
        Err(_) if store.data().meter.denied() => return Ok(End::Exhausted(Resource::Memory)),
        Err(_) => return Ok(End::Trapped(TrapKind::NotStarted)),
    };
    match ready.world {
        World::Task => call_task(store, instance, ready),
        World::WasiCommand | World::WasiPreview1 => call_command(store, instance, ready),
    }
}

fn call_task(store: &mut Store<State>, instance: Instance, ready: &Ready) -> wasmtime::Result<End> {
    let run = instance.get_typed_func::<(&[u8],), Answer>(&mut *store, ready.entry)?;
    let input = store.data_mut().take_input();
    let (answer,) = input.reveal(|input| run.call(&mut *store, (input.as_slice(),)))?;
    drop(input);
    match answer {
        Ok(bytes) => {
            // The list is looked at where it lies; what is too long is never copied.
            if bytes.len() > store.data().output.bytes_max() {
                return Ok(End::Exhausted(Resource::Output));
            }
            let answer = Private::new(bytes.as_le_slice(&*store).to_vec());
            store.data_mut().output.set(answer);
            Ok(End::Answered)
        }
        Err(text) => {
            let text = Private::new(text.to_str(&*store)?.into_owned());
            let text_kept = |text: &String| store.data_mut().kept.write(text.as_bytes());
            text.reveal(text_kept);
            Ok(End::Failed(Failure::Error))
        }
    }
}

fn call_command(
    store: &mut Store<State>,
    instance: Instance,
    ready: &Ready,
) -> wasmtime::Result<End> {
    let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, ready.entry)?;
    Ok(match run.call(&mut *store, ())? {
        (Ok(()),) => End::Answered,
        (Err(()),) => End::Failed(Failure::Exit(1)),
    })
}

/// What an error out of the engine means. The order matters: a guest that was denied memory usually
/// gives up by a trap of its own, and the denial is the cause.
fn judge(store: &mut Store<State>, error: &wasmtime::Error) -> End {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            // A task answers by returning, so one that leaves has not answered.
            Stop::Exit(0) if store.data().world == World::Task => {
                End::Trapped(TrapKind::Convention)
            }
            Stop::Exit(0) => End::Answered,
            Stop::Exit(status) => End::Failed(Failure::Exit(*status)),
            Stop::OutputFull => End::Exhausted(Resource::Output),
            Stop::TooMuch => End::Trapped(TrapKind::TooMuchAtOnce),
            Stop::Convention => End::Trapped(TrapKind::Convention),
        };
    }
    let trap = error.downcast_ref::<Trap>().copied();
    match trap {
        Some(Trap::OutOfFuel) => return End::Exhausted(Resource::Fuel),
        Some(Trap::Interrupt) => return End::Exhausted(Resource::Time),
        _ => {}
    }
    if let Some(frames) = error.downcast_ref::<WasmBacktrace>() {
        planted!(18, store.data_mut().keep_input());
        keep_frames(store, frames);
    }
    if store.data().meter.denied() {
        return End::Exhausted(Resource::Memory);
    }
    if error.is::<wasmtime::component::ResourceTableError>() {
        return End::Trapped(TrapKind::TooMuchAtOnce);
    }
    End::Trapped(trap.map_or(TrapKind::Convention, kind))
}

fn kind(trap: Trap) -> TrapKind {
    match trap {
        Trap::UnreachableCodeReached => TrapKind::Unreachable,
        Trap::StackOverflow => TrapKind::StackOverflow,
        Trap::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        Trap::TableOutOfBounds | Trap::IndirectCallToNull => TrapKind::TableOutOfBounds,
        Trap::BadSignature => TrapKind::BadSignature,
        Trap::IntegerOverflow | Trap::IntegerDivisionByZero | Trap::BadConversionToInteger => {
            TrapKind::Arithmetic
        }
        Trap::CannotEnterComponent => TrapKind::Convention,
        _ => TrapKind::Other,
    }
}

/// Names of the functions that were running, innermost first. They say which way the task went, so
/// they are as private as what it printed.
fn keep_frames(store: &mut Store<State>, frames: &WasmBacktrace) {
    let mut text = Private::new(String::with_capacity(MESSAGE_BYTES_MAX));
    text.reveal_mut(|text| {
        for frame in frames.frames() {
            let index = frame.func_index();
            let name = frame.symbols().first().and_then(|symbol| symbol.name());
            let name = name.or(frame.func_name()).unwrap_or("unnamed");
            let name: String = name.chars().take(crate::limits::FRAME_CHARS_MAX).collect();
            // Writing to a `String` does not fail.
            let _ = writeln!(text, "at {name} (function {index})");
        }
    });
    text.reveal(|text| store.data_mut().kept.write(text.as_bytes()));
}
