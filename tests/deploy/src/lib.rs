//! What stands in `deploy/`, checked without a cluster and without a container engine.
//!
//! A manifest can be wrong in three ways. It is not of the API: a field is misspelt, a value has
//! another type, a required one is missing. It does not hang together: a port, a selector, a
//! secret or a file is named that nobody has. Or it is valid and defeats the product: a probe
//! kills members that wait for a majority, a budget lets two of three go, a command founds a
//! second group. Each is a function from the manifests to a list of sentences; the tests change
//! the manifests and expect the sentence.
#![forbid(unsafe_code)]

mod files;
pub mod yaml;

pub mod bundle;
pub mod schema;

mod cluster;
pub mod command;
pub mod duties;
pub mod links;

pub mod containerfile;
pub mod profile;

pub use bundle::{Bundle, Stage};
pub use files::{read, root};

/// What is wrong, each in one sentence; empty if nothing is.
pub type Faults = Vec<String>;

/// Everything that is wrong with `bundle`. What is not of the API is not looked at any further.
#[must_use]
pub fn faults(bundle: &Bundle) -> Faults {
    let misshapen: Faults = bundle.objects.iter().flat_map(schema::faults).collect();
    if !misshapen.is_empty() {
        return misshapen;
    }
    match cluster::Cluster::of(bundle) {
        Err(missing) => vec![missing.to_string()],
        Ok(cluster) => {
            [links::faults(&cluster), command::faults(&cluster), duties::faults(&cluster)].concat()
        }
    }
}

/// Notes `sentence` unless `holds`.
fn need(faults: &mut Faults, holds: bool, sentence: impl Into<String>) {
    if !holds {
        faults.push(sentence.into());
    }
}
