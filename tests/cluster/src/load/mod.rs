//! What goes on while faults do: clients that change and read objects ([`client`]), clients that
//! follow changes ([`watcher`]), and one that keeps an eye on the public log ([`auditor`]).

pub mod auditor;
pub mod client;
pub mod watcher;
