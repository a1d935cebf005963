//! Connections between endpoints, where the provider has them: a listener, and each one's events.

use std::os::fd::RawFd;
use std::ptr::{null, null_mut};

use libfabric_sys as sys;

use super::handle::{Code, Handle, check};
use super::open::{self, Found, Name};

/// What connections are asked for with: it tells for which link.
pub(super) const TOKEN_BYTES: usize = 8;

/// Something that happened to connections.
pub(super) enum Happened {
    /// Somebody wants one.
    Asked(Request),
    /// It is there.
    Connected,
    /// It is not, or not any more.
    Lost,
}

/// Somebody wants a connection.
pub(super) struct Request {
    info: *mut sys::fi_info,
    pub(super) token: u64,
}

impl Request {
    pub(super) fn info(&self) -> *mut sys::fi_info {
        self.info
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // SAFETY: it came with the event, and nothing can name it after this.
        unsafe { sys::fi_freeinfo(self.info) };
    }
}

/// A queue of such events.
pub(super) struct Events {
    pub(super) queue: Handle<sys::fid_eq>,
    pub(super) wait: RawFd,
}

impl Events {
    pub(super) fn new(fabric: &Handle<sys::fid_fabric>) -> Result<Self, Code> {
        let (queue, wait) = open::events(fabric)?;
        Ok(Self { queue, wait })
    }

    pub(super) fn next(&self) -> Option<Happened> {
        let mut entry = sys::inline_cm_entry::default();
        let mut event = 0;
        // SAFETY: it is open, and there is room for an event.
        let count = unsafe { sys::inline_fi_eq_read(self.queue.get(), &mut event, &mut entry) };
        if count == -(sys::FI_EAGAIN as isize) {
            return None;
        }
        if count < 0 {
            let mut entry = sys::fi_eq_err_entry::default();
            // SAFETY: it is open, and there is room for an error.
            unsafe { sys::inline_fi_eq_readerr(self.queue.get(), &mut entry, 0) };
            return Some(Happened::Lost);
        }
        match event {
            sys::FI_CONNREQ if !entry.info.is_null() => {
                let token = entry.data.first_chunk().copied().unwrap_or_default();
                let token = u64::from_le_bytes(token);
                Some(Happened::Asked(Request { info: entry.info, token }))
            }
            sys::FI_CONNECTED => Some(Happened::Connected),
            _ => Some(Happened::Lost),
        }
    }
}

/// Where connections are asked for.
pub(super) struct Listener {
    passive: Handle<sys::fid_pep>,
    pub(super) events: Events,
    pub(super) name: Vec<u8>,
}

impl Listener {
    pub(super) fn new(fabric: &Handle<sys::fid_fabric>, found: &Found) -> Result<Self, Code> {
        let events = Events::new(fabric)?;
        let mut opened = null_mut();
        // SAFETY: the fabric is open, and the entry libfabric's own.
        let result = unsafe {
            sys::inline_fi_passive_ep(fabric.get(), found.info(), &mut opened, null_mut())
        };
        // SAFETY: this is what the call opens.
        let passive: Handle<sys::fid_pep> = unsafe { Handle::own(result, opened) }?;
        // SAFETY: both are open, and of the same fabric.
        check(unsafe { sys::inline_fi_pep_bind(passive.get(), events.queue.fid(), 0) })?;
        // SAFETY: it is open, and has what it needs.
        check(unsafe { sys::inline_fi_listen(passive.get()) })?;
        let name = open::name(&passive)?;
        Ok(Self { passive, events, name })
    }

    pub(super) fn reject(&self, request: &Request) {
        // SAFETY: the request was not freed.
        let handle = unsafe { (*request.info).handle };
        // SAFETY: it is open, and the handle is that of somebody who asked it.
        unsafe { sys::inline_fi_reject(self.passive.get(), handle, null(), 0) };
    }
}

/// Asks for a connection.
pub(super) fn connect(endpoint: &Handle<sys::fid_ep>, name: &Name, token: u64) -> Result<(), Code> {
    let token = token.to_le_bytes();
    let (ep, to, param) = (endpoint.get(), name.begin(), token.as_ptr().cast());
    // SAFETY: it is open, and the name and the token outlive the call.
    check(unsafe { sys::inline_fi_connect(ep, to, param, TOKEN_BYTES) })
}

/// Agrees to the one that the endpoint was opened for.
pub(super) fn accept(endpoint: &Handle<sys::fid_ep>) -> Result<(), Code> {
    // SAFETY: it is open.
    check(unsafe { sys::inline_fi_accept(endpoint.get(), null(), 0) })
}
