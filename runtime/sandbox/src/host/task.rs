//! `notrace:task`: objects by name, and arguments.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, WasmList, WasmStr};

use super::State;

/// `notrace:task/objects.error`, in the order of the interface.
#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
enum Error {
    #[component(name = "unknown")]
    Unknown,
    #[component(name = "not-granted")]
    NotGranted,
    #[component(name = "too-large")]
    #[expect(dead_code, reason = "no value is taken yet, so none is too large")]
    TooLarge,
}

type Context<'a> = StoreContextMut<'a, State>;

/// Written by hand and not by `bindgen!`, so that values go from the host's copy into the guest's
/// memory, and arguments are looked at where they lie, without a copy in between.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut objects = linker.instance("notrace:task/objects@0.1.0")?;
    objects.func_wrap("get", |cx: Context<'_>, (name,): (String,)| {
        let value: Result<Arc<Vec<u8>>, Error> = cx.data().object(&name).ok_or(Error::Unknown);
        Ok((value,))
    })?;
    objects.func_wrap("list", |cx: Context<'_>, (prefix,): (String,)| {
        Ok((cx.data().files.names(&prefix),))
    })?;
    objects.func_wrap("put", |_: Context<'_>, _: (WasmStr, WasmList<u8>)| {
        Ok((Err::<(), Error>(Error::NotGranted),))
    })?;
    objects.func_wrap("delete", |_: Context<'_>, _: (WasmStr,)| {
        Ok((Err::<(), Error>(Error::NotGranted),))
    })?;
    let mut call = linker.instance("notrace:task/call@0.1.0")?;
    call.func_wrap("args", |cx: Context<'_>, ()| Ok((cx.data().args().collect::<Vec<_>>(),)))
}
