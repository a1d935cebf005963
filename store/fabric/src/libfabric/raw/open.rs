//! Finding a network and opening it.

use std::ffi::{CStr, CString};
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::ptr::{from_mut, null, null_mut};

use libfabric_sys as sys;

use super::super::config::Provider;
use super::handle::{Code, Handle, check};

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
    /// Cards write into memory, and not processors.
    pub(super) hardware: bool,
}

impl Found {
    /// Asks for reliable endpoints that write into the memory of others and send them messages.
    pub(super) fn new(provider: Provider, at: Option<IpAddr>) -> Result<Self, Code> {
        let name = CString::new(provider.name()).map_err(|_| Code(0))?;
        let node = at.map(|at| CString::new(at.to_string())).transpose().map_err(|_| Code(0))?;
        let order = u64::from(sys::FI_ORDER_SAS);
        let mut tx = sys::fi_tx_attr {
            op_flags: u64::from(sys::FI_DELIVERY_COMPLETE),
            msg_order: order,
            inject_size: super::MESSAGE_BYTES,
            ..Default::default()
        };
        let mut rx = sys::fi_rx_attr { msg_order: order, ..Default::default() };
        let mut ep = sys::fi_ep_attr { type_: sys::FI_EP_RDM, ..Default::default() };
        let mut domain = sys::fi_domain_attr {
            mr_mode: modes(provider),
            threading: sys::FI_THREAD_DOMAIN,
            ..Default::default()
        };
        // The name is only read; libfabric copies it.
        let prov_name = name.as_ptr().cast_mut();
        let mut fabric = sys::fi_fabric_attr { prov_name, ..Default::default() };
        let hints = sys::fi_info {
            caps: u64::from(sys::FI_MSG | sys::FI_RMA),
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
            ordered: provider.places_in_order() && order & both == both,
            hardware: provider.is_hardware(),
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

    pub(super) fn endpoint(
        &self,
        domain: &Handle<sys::fid_domain>,
        addresses: &Handle<sys::fid_av>,
        queue: &Handle<sys::fid_cq>,
    ) -> Result<Handle<sys::fid_ep>, Code> {
        let (domain, mut opened) = (domain.get(), null_mut());
        // SAFETY: the domain is open, and the entry libfabric's own.
        let result =
            unsafe { sys::inline_fi_endpoint(domain, self.chosen, &mut opened, null_mut()) };
        // SAFETY: this is what the call opens.
        let endpoint: Handle<sys::fid_ep> = unsafe { Handle::own(result, opened) }?;
        let both = u64::from(sys::FI_TRANSMIT | sys::FI_RECV);
        for (other, flags) in [(addresses.fid(), 0), (queue.fid(), both)] {
            // SAFETY: both are open, and of the same domain.
            check(unsafe { sys::inline_fi_ep_bind(endpoint.get(), other, flags) })?;
        }
        // SAFETY: it is open, and has what it needs.
        check(unsafe { sys::inline_fi_enable(endpoint.get()) })?;
        Ok(endpoint)
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

/// What we can do for a provider when memory is registered. Where nothing but a processor writes,
/// regions are addressed from their beginning: a write then has to name a key that is valid, and
/// `shm` leaves out its short cut, which writes to wherever it is told.
fn modes(provider: Provider) -> i32 {
    let own = sys::FI_MR_LOCAL | sys::FI_MR_ALLOCATED | sys::FI_MR_PROV_KEY;
    let modes = if provider.is_hardware() { own | sys::FI_MR_VIRT_ADDR } else { own };
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
        let format = sys::FI_CQ_FORMAT_MSG;
        let mut attr = sys::fi_cq_attr { size, format, wait_obj, ..Default::default() };
        let (domain, mut opened) = (domain.get(), null_mut());
        // SAFETY: the domain is open, and the attributes outlive the call.
        let result = unsafe { sys::inline_fi_cq_open(domain, &mut attr, &mut opened, null_mut()) };
        // SAFETY: this is what the call opens.
        unsafe { Handle::<sys::fid_cq>::own(result, opened) }
    };
    let Ok(queue) = open(FI_WAIT_FD) else { return Ok((open(FI_WAIT_NONE)?, None)) };
    let mut wait: RawFd = -1;
    let place = from_mut(&mut wait).cast();
    // SAFETY: the queue is open, and the place has room for a descriptor.
    check(unsafe { sys::inline_fi_control(queue.fid(), sys::FI_GETWAIT as i32, place) })?;
    Ok((queue, Some(wait)))
}
