//! What a component asks for and offers.

use wasmparser::component_types::{ComponentDefinedType, ComponentEntityType, ComponentValType};
use wasmparser::types::{Types, TypesRef};
use wasmparser::{Parser, Payload, PrimitiveValType};

use super::known::{KNOWN, track};
use super::near::nearest;
use super::{COMMAND_ENTRY, TASK_ENTRY};
use crate::name::Name;
use crate::refused::{Offer, Reason, Refused, RefusedImport};
use crate::task::{Import, Inspection, Verdict, World};

/// Says all there is to say about a valid component.
pub(super) fn inspect(component: &[u8], types: &Types) -> Result<Inspection, Refused> {
    let types = types.as_ref();
    let (imports, exports) = names(component);
    let world = world(&exports, types);
    if world.is_none() && exports.iter().any(|name| name == TASK_ENTRY) {
        return Err(Refused::EntryType);
    }
    let import = |name: &String| {
        let item = types.component_item_for_import(name).map(|item| &item.ty);
        Import { name: Name::of(name), verdict: verdict(name, item, types, world) }
    };
    let imports = imports.iter().map(import).collect();
    Ok(Inspection { world, imports, exports: exports.iter().map(|name| Name::of(name)).collect() })
}

/// The names a component imports and exports itself, not those of what is nested in it.
fn names(component: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component).flatten() {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                let named = section.into_iter().flatten().map(|import| import.name.name.to_owned());
                imports.extend(named);
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                let named = section.into_iter().flatten().map(|export| export.name.name.to_owned());
                exports.extend(named);
            }
            _ => {}
        }
    }
    (imports, exports)
}

fn world(exports: &[String], types: TypesRef<'_>) -> Option<World> {
    if is_task_run(types) {
        return Some(World::Task);
    }
    let (entry, version) = split(COMMAND_ENTRY);
    let fits = |name: &String| {
        let (base, found) = split(name);
        base == entry && track(found) == track(version)
    };
    exports.iter().any(fits).then_some(World::WasiCommand)
}

/// Whether `run` is `func(input: list<u8>) -> result<list<u8>, string>`.
fn is_task_run(types: TypesRef<'_>) -> bool {
    let Some(item) = types.component_item_for_export(TASK_ENTRY) else { return false };
    let ComponentEntityType::Func(run) = item.ty else { return false };
    let Some(run) = types.get(run) else { return false };
    let [(_, input)] = &*run.params else { return false };
    let Some(ComponentValType::Type(answer)) = run.result else { return false };
    let text = Some(ComponentValType::Primitive(PrimitiveValType::String));
    match types.get(answer) {
        Some(ComponentDefinedType::Result { ok: Some(ok), err, .. }) => {
            is_bytes(*input, types) && is_bytes(*ok, types) && same(*err, text)
        }
        _ => false,
    }
}

fn is_bytes(value: ComponentValType, types: TypesRef<'_>) -> bool {
    let ComponentValType::Type(list) = value else { return false };
    let byte = Some(ComponentValType::Primitive(PrimitiveValType::U8));
    match types.get(list) {
        Some(ComponentDefinedType::List { element, .. }) => same(Some(*element), byte),
        _ => false,
    }
}

/// Whether both are the same primitive type.
fn same(left: Option<ComponentValType>, right: Option<ComponentValType>) -> bool {
    use ComponentValType::Primitive;
    matches!((left, right), (Some(Primitive(left)), Some(Primitive(right))) if left == right)
}

fn verdict(
    name: &str,
    item: Option<&ComponentEntityType>,
    types: TypesRef<'_>,
    world: Option<World>,
) -> Verdict {
    let (base, version) = split(name);
    let refused = |reason, offered, near: Option<String>| {
        let near = near.map(|near| Name::of(&near));
        Verdict::Refused(Box::new(RefusedImport { name: Name::of(name), reason, offered, near }))
    };
    let interface = match (KNOWN.get(base), item) {
        // A type that only gives another one a name needs nothing of the host.
        (None, Some(ComponentEntityType::Type { .. })) => return Verdict::Offered,
        (None, _) => {
            let (reason, offered) = foreign(base);
            let near = nearest(base, KNOWN.keys().map(String::as_str));
            return refused(reason, offered, near.map(str::to_owned));
        }
        (Some(interface), _) if track(version) != interface.track => {
            let near = format!("{base}@{}", interface.track);
            return refused(Reason::Version, None, Some(near));
        }
        (Some(interface), _) => interface,
    };
    let Some(ComponentEntityType::Instance(instance)) = item else {
        return refused(Reason::Type, None, None);
    };
    let members = types.get(*instance).map(|it| it.exports.keys()).into_iter().flatten();
    for member in members {
        if !interface.members.contains(member.as_str()) {
            let near = nearest(member, interface.members.iter().map(String::as_str));
            return Verdict::Refused(Box::new(RefusedImport {
                name: Name::of(&format!("{name}#{member}")),
                reason: Reason::Missing,
                offered: None,
                near: near.map(Name::of),
            }));
        }
    }
    match world {
        Some(World::Task) if !base.starts_with("notrace:task/") => Verdict::Offered,
        Some(World::WasiCommand) if !base.starts_with("wasi:") => Verdict::Offered,
        _ => Verdict::World,
    }
}

/// Why an interface that nobody here offers is refused.
fn foreign(base: &str) -> (Reason, Option<Offer>) {
    let package = base.split('/').next().unwrap_or_default();
    match package {
        "wasi:sockets" => (Reason::Network, Some(Offer::Stubs)),
        "wasi:http" | "wasi:tls" | "wasi:messaging" => {
            (Reason::Network, Some(Offer::InputAndOutput))
        }
        "wasi:keyvalue" | "wasi:blobstore" | "wasi:sql" | "wasi:config" => {
            (Reason::Storage, Some(Offer::Objects))
        }
        "wasi:threads" => (Reason::Threads, Some(Offer::OneThread)),
        _ if package.starts_with("wasi:") => (Reason::Unknown, Some(Offer::Wasi02)),
        _ => (Reason::Unknown, None),
    }
}

/// A name before and after its `@`.
fn split(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}
