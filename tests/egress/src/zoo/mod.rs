//! The zoo: ways in which native code in a worker would try to get data out.
//!
//! Each is tried by code that has already left its sandbox: an import that only tests can open runs
//! it inside a real worker, in the middle of a real run.

mod descriptors;
mod files;
mod kernel;
mod network;
mod processes;
mod ring;
mod shared;

use std::io::Error;

use notrace_runtime_worker::weakened::raw;

use crate::outside::Numbers;
use crate::walls::Wall;

/// How it is known that a technique worked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Proof {
    /// What it sent was found outside.
    Arrives,
    /// The kernel did what it was asked: the way is open, and what would go over it is clear.
    Done,
}
use Proof::{Arrives, Done};

/// One way out.
pub(crate) struct Technique {
    pub(crate) name: &'static str,
    pub(crate) proof: Proof,
    pub(crate) attempt: fn(Numbers, &str) -> Result<(), Error>,
    /// Walls that say nothing about it.
    pub(crate) unconcerned: &'static [Wall],
    /// Whether it is open to whoever is the same user, and the right wall is that nobody is.
    pub(crate) by_user: bool,
}

const fn way(
    name: &'static str,
    proof: Proof,
    attempt: fn(Numbers, &str) -> Result<(), Error>,
) -> Technique {
    Technique { name, proof, attempt, unconcerned: &[], by_user: false }
}

const fn beyond(of: Technique, unconcerned: &'static [Wall]) -> Technique {
    Technique { unconcerned, ..of }
}

const fn by_user(of: Technique) -> Technique {
    Technique { by_user: true, ..of }
}

/// All of them, numbered by their place.
pub(crate) fn all() -> Vec<&'static Technique> {
    [
        network::ALL,
        shared::ALL,
        files::ALL,
        descriptors::ALL,
        processes::ALL,
        ring::ALL,
        kernel::ALL,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A system call of up to six arguments.
fn call(number: libc::c_long, with: &[usize]) -> Result<usize, Error> {
    let mut arguments = [0; 6];
    arguments.iter_mut().zip(with).for_each(|(place, argument)| *place = *argument);
    raw::call(number, arguments).map_err(Error::from)
}

/// Whether the kernel did what it was asked, and nothing more is of interest.
fn did(number: libc::c_long, with: &[usize]) -> Result<(), Error> {
    call(number, with).map(drop)
}

fn at<T>(value: &T) -> usize {
    core::ptr::from_ref(value) as usize
}

fn bytes(of: &[u8]) -> usize {
    of.as_ptr() as usize
}

/// A path or name with the zero that the kernel looks for.
pub(crate) fn zero_ended(text: impl AsRef<std::ffi::OsStr>) -> Vec<u8> {
    let mut bytes = text.as_ref().as_encoded_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// The file that everybody may write to.
fn descriptor_to_write(to: Numbers) -> Result<usize, Error> {
    let path = zero_ended(to.folder().join("file"));
    call(libc::SYS_openat, &[AT_HERE, bytes(&path), libc::O_WRONLY as usize, 0])
}

const AT_HERE: usize = libc::AT_FDCWD as usize;
