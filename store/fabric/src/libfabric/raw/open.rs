//! Finding a network and opening it.

use std::ffi::{CStr, CString, c_void};
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::ptr::{from_mut, null, null_mut};

use libfabric_sys as sys;

use super::super::config::Provider;
use super::ADDRESS_BYTES_MAX;
use super::handle::{Code, Handle, check};
use crate::limits::UNDER_WAY_MAX;

/// Which endpoints are meant.
#[derive(Clone, Copy)]
pub(super) enum Where<'a> {
    /// Whatever the provider takes for ours.
    Anywhere,
    /// Ours, on this card.
    Here(IpAddr),
    /// Those that connect to this one.
    Towards(&'a Name),
}

/// What an endpoint is found by. How much of it is read depends on what stands there, so there is
/// more than that.
pub(super) struct Name([u8; 2 * (ADDRESS_BYTES_MAX + 1)], usize);

impl Name {
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let mut padded = [0; 2 * (ADDRESS_BYTES_MAX + 1)];
        padded.get_mut(..ADDRESS_BYTES_MAX)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self(padded, bytes.len()))
    }

    pub(super) fn begin(&self) -> *const c_void {
        self.0.as_ptr().cast()
    }
}

/// What libfabric knows of a network: a list, of which the first that suits is taken.
pub(super) struct Found {
    list: *mut sys::fi_info,
    chosen: *mut sys::fi_info,
}

/// What matters of it later.
#[derive(Clone, Copy)]
pub(super) struct Traits {
    /// What is sent has to be registered.
    pub(super) local: bool,
    /// Regions are addressed by where they are in memory.
    pub(super) virtual_address: bool,
    /// Writes and messages to one peer take effect there in the order in which they are made.
    pub(super) ordered: bool,
}

impl Found {
    /// Asks for reliable endpoints that write into the memory of others and send them messages.
    pub(super) fn new(provider: Provider, target: Where<'_>) -> Result<Self, Code> {
        let name = CString::new(provider.name()).map_err(|_| Code(0))?;
        let node = match target {
            Where::Here(at) => Some(CString::new(at.to_string()).map_err(|_| Code(0))?),
            Where::Anywhere | Where::Towards(_) => None,
        };
        let order = u64::from(sys::FI_ORDER_SAS);
        let (type_, op_flags) = match provider.connects() {
            true => (sys::FI_EP_MSG, 0),
            // A message waits until what was written before is in memory, so that has to be told.
            false => (sys::FI_EP_RDM, u64::from(sys::FI_DELIVERY_COMPLETE)),
        };
        let mut tx = sys::fi_tx_attr {
            op_flags,
            msg_order: order,
            inject_size: super::MESSAGE_BYTES,
            size: 2 * UNDER_WAY_MAX,
            ..Default::default()
        };
        let size = super::RECEIVES;
        let mut rx = sys::fi_rx_attr { msg_order: order, size, ..Default::default() };
        let mut ep = sys::fi_ep_attr { type_, ..Default::default() };
        // A word that comes with a write, where there are connections.
        let cq_data_size = if provider.connects() { size_of::<u32>() } else { 0 };
        let mut domain = sys::fi_domain_attr {
            cq_data_size,
            mr_mode: modes(provider),
            threading: sys::FI_THREAD_DOMAIN,
            control_progress: sys::FI_PROGRESS_MANUAL,
            data_progress: sys::FI_PROGRESS_MANUAL,
            ..Default::default()
        };
        // The name is only read; libfabric copies it.
        let prov_name = name.as_ptr().cast_mut();
        let mut fabric = sys::fi_fabric_attr { prov_name, ..Default::default() };
        let (dest_addr, dest_addrlen) = match target {
            Where::Towards(name) => (name.begin().cast_mut(), name.1),
            Where::Anywhere | Where::Here(_) => (null_mut(), 0),
        };
        let hints = sys::fi_info {
            dest_addr,
            dest_addrlen,
            caps: u64::from(sys::FI_MSG | sys::FI_RMA),
            // Such a word may use up a place for a message; with cards it does.
            mode: sys::FI_RX_CQ_DATA,
            tx_attr: &mut tx,
            rx_attr: &mut rx,
            ep_attr: &mut ep,
            domain_attr: &mut domain,
            fabric_attr: &mut fabric,
            ..Default::default()
        };
        let (node, service, flags) = match &node {
            Some(node) => (node.as_ptr(), c"0".as_ptr(), sys::FI_SOURCE),
            None => (null(), null(), 0),
        };
        let mut list = null_mut();
        // SAFETY: all that the hints lead to outlives the call.
        let result = unsafe { sys::fi_getinfo(VERSION, node, service, flags, &hints, &mut list) };
        check(result)?;
        let mut found = Self { list, chosen: list };
        found.choose(&name)?;
        Ok(found)
    }

    /// Libfabric answers hints with more than was asked for.
    fn choose(&mut self, name: &CStr) -> Result<(), Code> {
        // SAFETY: the list is libfabric's, and lives until it is freed with this.
        while let Some(info) = unsafe { self.chosen.as_ref() } {
            // SAFETY: as above; what an entry leads to is null or lives as long.
            let fabric = unsafe { info.fabric_attr.as_ref() };
            if let Some(provider) = fabric.map(|it| it.prov_name).filter(|it| !it.is_null()) {
                // SAFETY: it is not null, so it is a string of the entry's.
                let provider = unsafe { CStr::from_ptr(provider) };
                if provider == name {
                    return Ok(());
                }
            }
            self.chosen = info.next;
        }
        Err(Code(sys::FI_ENODATA as i32))
    }

    pub(super) fn traits(&self, provider: Provider) -> Traits {
        // SAFETY: the list lives as long as this.
        let info = unsafe { self.chosen.as_ref() };
        // SAFETY: as above; what an entry leads to is null or lives as long.
        let domain = info.and_then(|info| unsafe { info.domain_attr.as_ref() });
        // SAFETY: as for the one above.
        let tx = info.and_then(|info| unsafe { info.tx_attr.as_ref() });
        let mode = domain.map_or(0, |domain| domain.mr_mode);
        let order = tx.map_or(0, |tx| tx.msg_order);
        let both = u64::from(sys::FI_ORDER_WAW | sys::FI_ORDER_SAW);
        Traits {
            local: mode & sys::FI_MR_LOCAL as i32 != 0,
            virtual_address: mode & sys::FI_MR_VIRT_ADDR as i32 != 0,
            ordered: provider.connects() && order & both == both,
        }
    }

    pub(super) fn fabric(&self) -> Result<Handle<sys::fid_fabric>, Code> {
        // SAFETY: the entry that was chosen is not null, and lives as long as this.
        let attr = unsafe { (*self.chosen).fabric_attr };
        let mut opened = null_mut();
        // SAFETY: the attributes are libfabric's own.
        let result = unsafe { sys::fi_fabric(attr, &mut opened, null_mut()) };
        // SAFETY: this is what the call opens.
        unsafe { Handle::own(result, opened) }
    }

    pub(super) fn domain(
        &self,
        fabric: &Handle<sys::fid_fabric>,
    ) -> Result<Handle<sys::fid_domain>, Code> {
        let (fabric, mut opened) = (fabric.get(), null_mut());
        // SAFETY: the fabric is open, and the entry libfabric's own.
        let result = unsafe { sys::inline_fi_domain(fabric, self.chosen, &mut opened, null_mut()) };
        // SAFETY: this is what the call opens.
        unsafe { Handle::own(result, opened) }
    }

    pub(super) fn info(&self) -> *mut sys::fi_info {
        self.chosen
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        // SAFETY: it came from libfabric, and nothing can name it after this.
        unsafe { sys::fi_freeinfo(self.list) };
    }
}

/// The interface that we were written for: 1.17.
const VERSION: u32 = 1 << 16 | 17;

/// What we can do for a provider when memory is registered.
fn modes(provider: Provider) -> i32 {
    let own = sys::FI_MR_LOCAL | sys::FI_MR_ALLOCATED | sys::FI_MR_PROV_KEY;
    let modes = if provider.addresses_memory() { own | sys::FI_MR_VIRT_ADDR } else { own };
    modes as i32
}

pub(super) fn addresses(domain: &Handle<sys::fid_domain>) -> Result<Handle<sys::fid_av>, Code> {
    let mut attr = sys::fi_av_attr { type_: sys::FI_AV_TABLE, ..Default::default() };
    let (domain, mut opened) = (domain.get(), null_mut());
    // SAFETY: the domain is open, and the attributes outlive the call.
    let result = unsafe { sys::inline_fi_av_open(domain, &mut attr, &mut opened, null_mut()) };
    // SAFETY: this is what the call opens.
    unsafe { Handle::own(result, opened) }
}

/// A queue of completions; with a descriptor to wait for, where the provider has such.
pub(super) fn queue(
    domain: &Handle<sys::fid_domain>,
    size: usize,
) -> Result<(Handle<sys::fid_cq>, Option<RawFd>), Code> {
    use sys::{FI_WAIT_FD, FI_WAIT_NONE};
    let open = |wait_obj| {
        let format = sys::FI_CQ_FORMAT_DATA;
        let mut attr = sys::fi_cq_attr { size, format, wait_obj, ..Default::default() };
        let (domain, mut opened) = (domain.get(), null_mut());
        // SAFETY: the domain is open, and the attributes outlive the call.
        let result = unsafe { sys::inline_fi_cq_open(domain, &mut attr, &mut opened, null_mut()) };
        // SAFETY: this is what the call opens.
        unsafe { Handle::<sys::fid_cq>::own(result, opened) }
    };
    let Ok(queue) = open(FI_WAIT_FD) else { return Ok((open(FI_WAIT_NONE)?, None)) };
    let wait = descriptor(&queue)?;
    Ok((queue, Some(wait)))
}

/// A queue of what happens to connections, with its descriptor.
pub(super) fn events(
    fabric: &Handle<sys::fid_fabric>,
) -> Result<(Handle<sys::fid_eq>, RawFd), Code> {
    let mut attr = sys::fi_eq_attr { wait_obj: sys::FI_WAIT_FD, ..Default::default() };
    let (fabric, mut opened) = (fabric.get(), null_mut());
    // SAFETY: the fabric is open, and the attributes outlive the call.
    let result = unsafe { sys::inline_fi_eq_open(fabric, &mut attr, &mut opened, null_mut()) };
    // SAFETY: this is what the call opens.
    let events: Handle<sys::fid_eq> = unsafe { Handle::own(result, opened) }?;
    let wait = descriptor(&events)?;
    Ok((events, wait))
}

fn descriptor<T>(queue: &Handle<T>) -> Result<RawFd, Code> {
    let mut wait: RawFd = -1;
    let place = from_mut(&mut wait).cast();
    // SAFETY: the queue is open, and the place has room for a descriptor.
    check(unsafe { sys::inline_fi_control(queue.fid(), sys::FI_GETWAIT as i32, place) })?;
    Ok(wait)
}

/// Opens an endpoint on what `info` leads to.
/// # Safety  It is an entry of libfabric's that was not freed.
pub(super) unsafe fn endpoint(
    info: *mut sys::fi_info,
    domain: &Handle<sys::fid_domain>,
    queue: &Handle<sys::fid_cq>,
    other: *mut sys::fid,
) -> Result<Handle<sys::fid_ep>, Code> {
    let (domain, mut opened) = (domain.get(), null_mut());
    // SAFETY: the domain is open, and the caller answers for the entry.
    let result = unsafe { sys::inline_fi_endpoint(domain, info, &mut opened, null_mut()) };
    // SAFETY: this is what the call opens.
    let endpoint: Handle<sys::fid_ep> = unsafe { Handle::own(result, opened) }?;
    let both = u64::from(sys::FI_TRANSMIT | sys::FI_RECV);
    for (bound, flags) in [(other, 0), (queue.fid(), both)] {
        // SAFETY: both are open, and belong together.
        check(unsafe { sys::inline_fi_ep_bind(endpoint.get(), bound, flags) })?;
    }
    // SAFETY: it is open, and has what it needs.
    check(unsafe { sys::inline_fi_enable(endpoint.get()) })?;
    Ok(endpoint)
}

/// What others find it by.
pub(super) fn name<T>(of: &Handle<T>) -> Result<Vec<u8>, Code> {
    let mut name = [0_u8; ADDRESS_BYTES_MAX];
    let mut length = name.len();
    let place = name.as_mut_ptr().cast();
    // SAFETY: it is open, and the place has room for `length` bytes.
    check(unsafe { sys::inline_fi_getname(of.fid(), place, &mut length) })?;
    name.get(..length).map(<[u8]>::to_vec).ok_or(Code(0))
}
