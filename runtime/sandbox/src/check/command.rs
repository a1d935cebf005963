//! What a core module for WASI preview 1 asks for and offers.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wasmparser::{ExternalKind, FuncType, Parser, Payload, TypeRef};

use super::near::nearest;
use crate::name::Name;
use crate::refused::{Offer, Reason, Refused, RefusedImport};
use crate::task::{Import, Inspection, Verdict, World};

/// What a command exports.
const ENTRY: &str = "_start";
/// What its memory is exported as.
const MEMORY: &str = "memory";

/// What of a core module matters here.
#[derive(Default)]
struct Outline<'a> {
    types: Vec<FuncType>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    imports: Vec<(&'a str, &'a str, TypeRef)>,
    exports: Vec<(&'a str, ExternalKind, u32)>,
}

/// The functions of preview 1 that are offered, with their types: what the adapter exports, less
/// the sockets.
static OFFERED: LazyLock<BTreeMap<String, FuncType>> = LazyLock::new(|| {
    let adapter = Outline::of(WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER);
    let functions = adapter.exports.iter().filter_map(|(name, kind, index)| {
        // What the adapter exports for its own component is no part of preview 1.
        let own = name.contains(['#', ':']) || name.contains("adapter") || name.contains("cabi");
        let offered = *kind == ExternalKind::Func && !own && !is_socket(name);
        let function = adapter.function(*index).filter(|_| offered)?;
        Some(((*name).to_owned(), function.clone()))
    });
    functions.collect()
});

/// Says all there is to say about a valid core module.
pub(super) fn inspect(module: &[u8]) -> Result<Inspection, Refused> {
    let outline = Outline::of(module);
    let world = match outline.export(ENTRY) {
        None => None,
        Some((ExternalKind::Func, index)) => {
            let plain = |ty: &FuncType| ty.params().is_empty() && ty.results().is_empty();
            if !outline.function(index).is_some_and(plain) {
                return Err(Refused::EntryType);
            }
            Some(World::WasiPreview1)
        }
        Some(_) => return Err(Refused::EntryType),
    };
    let import = |(module, name, ty): &(&str, &str, TypeRef)| {
        let full = Name::of(&format!("{module}.{name}"));
        Import { name: full, verdict: verdict(module, name, *ty, &outline.types) }
    };
    let imports: Vec<Import> = outline.imports.iter().map(import).collect();
    let memory = matches!(outline.export(MEMORY), Some((ExternalKind::Memory, _)));
    if world.is_some() && !memory && imports.iter().any(|it| it.verdict == Verdict::World) {
        return Err(Refused::Unwrappable);
    }
    let exports = outline.exports.iter().map(|(name, ..)| Name::of(name)).collect();
    Ok(Inspection { world, imports, exports })
}

impl<'a> Outline<'a> {
    /// The outline of a valid module.
    fn of(module: &'a [u8]) -> Self {
        let mut outline = Self::default();
        for payload in Parser::new(0).parse_all(module).flatten() {
            outline.add(payload);
        }
        outline
    }

    fn add(&mut self, payload: Payload<'a>) {
        match payload {
            Payload::TypeSection(types) => {
                let types = types.into_iter_err_on_gc_types().flatten();
                self.types.extend(types);
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports().flatten() {
                    if let TypeRef::Func(ty) = import.ty {
                        self.functions.push(ty);
                    }
                    self.imports.push((import.module, import.name, import.ty));
                }
            }
            Payload::FunctionSection(types) => self.functions.extend(types.into_iter().flatten()),
            Payload::ExportSection(exports) => {
                let exports = exports.into_iter().flatten();
                self.exports.extend(exports.map(|it| (it.name, it.kind, it.index)));
            }
            _ => {}
        }
    }

    fn export(&self, name: &str) -> Option<(ExternalKind, u32)> {
        let found = self.exports.iter().find(|(known, ..)| *known == name);
        found.map(|(_, kind, index)| (*kind, *index))
    }

    fn function(&self, index: u32) -> Option<&FuncType> {
        let ty = self.functions.get(index as usize)?;
        self.types.get(*ty as usize)
    }
}

fn is_socket(name: &str) -> bool {
    name.starts_with("sock_")
}

fn verdict(module: &str, name: &str, ty: TypeRef, types: &[FuncType]) -> Verdict {
    let refused = |reason, offered, near: Option<&str>| {
        let near = near.map(|near| Name::of(&format!("{PREVIEW1}.{near}")));
        let name = Name::of(&format!("{module}.{name}"));
        Verdict::Refused(Box::new(RefusedImport { name, reason, offered, near }))
    };
    if let TypeRef::Memory(memory) = ty
        && memory.shared
    {
        return refused(Reason::Threads, Some(Offer::OneThread), None);
    }
    if module != PREVIEW1 {
        let (reason, offered) = foreign(module, name);
        return refused(reason, offered, None);
    }
    let TypeRef::Func(ty) = ty else { return refused(Reason::Type, None, None) };
    match OFFERED.get(name) {
        Some(offered) if types.get(ty as usize) == Some(offered) => Verdict::World,
        Some(_) => refused(Reason::Type, None, None),
        None if is_socket(name) => refused(Reason::Network, Some(Offer::InputAndOutput), None),
        None => {
            let near = nearest(name, OFFERED.keys().map(String::as_str));
            refused(Reason::Missing, None, near)
        }
    }
}

/// Why an import from another module than preview 1's is refused.
fn foreign(module: &str, name: &str) -> (Reason, Option<Offer>) {
    match module {
        "wasi" if name == "thread-spawn" => (Reason::Threads, Some(Offer::OneThread)),
        "wasi_unstable" => (Reason::Version, Some(Offer::Wasi02)),
        "env" | "go" | "gojs" | "wbg" | "js" | "imports" | "a" => {
            (Reason::OtherHost, Some(Offer::WasiTarget))
        }
        _ if module.starts_with("__wbindgen") || module.starts_with("./") => {
            (Reason::OtherHost, Some(Offer::WasiTarget))
        }
        // Interfaces are imported by components; a core module has to be made one first.
        _ if module.contains(':') => (Reason::NotAComponent, Some(Offer::Component)),
        _ => (Reason::Unknown, Some(Offer::WasiTarget)),
    }
}

#[cfg(test)]
mod preview_1 {
    use super::*;

    #[test]
    fn is_offered_but_for_its_sockets() {
        for name in ["fd_read", "fd_write", "path_open", "args_get", "proc_exit", "random_get"] {
            assert!(OFFERED.contains_key(name), "{name}");
        }
        assert!(!OFFERED.keys().any(|name| is_socket(name) || name.contains("cabi")));
        assert_eq!(OFFERED.len(), 42, "{:?}", OFFERED.keys());
    }
}
