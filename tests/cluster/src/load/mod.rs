//! What goes on while faults do: clients that change and read objects ([`client`]), clients that
//! follow changes ([`watcher`]), one that keeps an eye on the public log ([`auditor`]), and one
//! that has things forgotten ([`shredder`]).

pub mod auditor;
pub mod client;
pub mod shredder;
pub mod watcher;
