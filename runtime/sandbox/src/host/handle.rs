//! What a guest can hold a handle to.

use super::files::Node;

/// Why a stream failed. Streams here only ever end, so none is made.
pub struct Fault;

/// Something to wait for. Everything is ready.
pub struct Ready;

/// Where a guest reads from.
pub enum Source {
    /// The run's input.
    Input,
    /// A file, from this offset on.
    File {
        /// Which one.
        file: usize,
        /// How far it was read, in bytes.
        offset: u64,
    },
}

/// Where a guest writes to.
#[derive(Clone, Copy)]
pub enum Sink {
    /// Standard output.
    Output,
    /// Standard error.
    Message,
}

/// An open file or folder.
pub struct Descriptor(pub(super) Node);

/// A folder's entries that were not read yet: names, and whether each is a file.
pub struct Entries(pub(super) std::vec::IntoIter<(String, bool)>);
