//! The jail: how a process is shut in, what it shares, and how it is kept from leaving anything.
//!
//! A process that is to hold a task's plaintext is started clean, enters its fences one after the
//! other, and says of each whether this host has it. None of them is trusted alone: a guest has no
//! import that reaches out, the system calls for it are refused, there is no right on any file or
//! port, and there is no route. What the fences cost is paid before a task is handed over.
//!
//! Linux only, and the one place of the product with system calls that need `unsafe`; what it
//! offers is safe to call.
//!
//! Reading order: `limits`; `fence` names the parts, `plan` says which are put up; `cell` is the
//! order in which that happens, by `fork`, `namespaces`, `arguments`, `privileges`, `speculation`,
//! `swap`, `code` and `seccomp`, whose rules are in `calls`; `process` is what any process of ours
//! does; `secret`, `sealed` and `memory` are what is shared and wiped; `alarm` interrupts a guest.
//! `weakened` is for tests that leave fences out.
#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "system calls and mapped memory, behind safe functions")]

/// Leaks, in a build that has leaks and where the leak of this number is chosen; else nothing.
#[macro_export]
macro_rules! planted {
    ($number:literal, $leak:expr) => {
        #[cfg(feature = "planted-leaks")]
        if $crate::leak::is($number) {
            $leak
        }
    };
}

#[cfg(feature = "planted-leaks")]
pub mod leak;

pub mod limits;

pub mod fence;
mod plan;

mod arguments;
pub mod cell;
mod fork;
mod namespaces;
mod privileges;
mod speculation;
mod swap;

mod calls;
mod code;
mod seccomp;

pub mod process;

pub mod alarm;
mod memory;
pub mod sealed;
pub mod secret;

#[cfg(feature = "weaken")]
pub mod weakened;

#[cfg(all(feature = "weaken", not(debug_assertions)))]
compile_error!("the feature `weaken` opens the jail: it is for tests, never for a release build");

pub use cell::{Cell, NotJailable, Worker};
pub use fence::{Fence, Fences, State, Why};
pub use fork::Side;
pub use memory::wipe_stack;
pub use namespaces::Users;
pub use plan::Plan;
pub use process::harden_process;
