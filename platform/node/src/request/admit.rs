//! May this principal run this task on these objects?

use notrace_policy_promise::limits::RUN_OBJECTS_MAX;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_rules::{Access, Asked, Denied, Grant, Handle};

use crate::node::Node;
use crate::refusal::Refusal;
use crate::request::Call;

/// Asks the rules, with what the store knows of the pools that the call names.
/// # Errors  [`Refusal::Denied`], or [`Refusal::PoolUnknown`]; what there is to know of the rules
/// in force.
pub(super) fn admit(node: &Node, call: &Call) -> Result<Grant, Refusal> {
    if call.objects.len() > RUN_OBJECTS_MAX {
        return Err(Denied::TooManyObjects.into());
    }
    let handles = node.store().read(|objects| {
        let handle = |object: &ObjectName| {
            let spec = objects.pool(&object.pool).map(|pool| pool.spec);
            let spec = spec.ok_or(Refusal::PoolUnknown)?;
            Ok(Handle {
                object: object.clone(),
                access: Access::Read,
                sealed_only: spec.sealed_only(),
                release: spec.release,
                label: spec.label,
            })
        };
        call.objects.iter().map(handle).collect::<Result<Vec<_>, Refusal>>()
    })?;
    let (principal, task, seen) = (&call.principal, call.task, call.body.seen());
    let declassify = call.declassify.clone();
    let asked = Asked { principal, task, handles, declassify, seen };
    Ok(notrace_policy_rules::admit(&node.rules()?, asked)?)
}
