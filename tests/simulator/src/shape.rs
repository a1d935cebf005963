//! What a plan's shape means to the protocol.

use std::sync::Arc;

use notrace_store_protocol::layout::LayoutSpec;

use crate::plan::Shape;

/// The layout of all shards.
pub(crate) fn layout_of(shape: &Shape) -> Arc<LayoutSpec> {
    match LayoutSpec::new(shape.shards.clone()) {
        Ok(spec) => Arc::new(spec),
        Err(bad) => unreachable!("a plan that is none: {bad}"),
    }
}
