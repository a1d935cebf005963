//! What a module asks for and what it offers.

use anyhow::{Context, Result};
use wasmparser::{Encoding, Parser, Payload};

use crate::file;

/// The outside of a module or component.
#[derive(Debug)]
pub struct Outside {
    /// Whether it is a component.
    pub component: bool,
    /// What it imports: interfaces of a component, modules of a module.
    pub imports: Vec<String>,
    /// What it exports, by name.
    pub exports: Vec<String>,
    /// Names of custom sections, at any depth.
    pub sections: Vec<String>,
}

/// Reads the outside of a committed module.
///
/// # Errors
/// When there is no such module, or it is malformed.
pub fn outside(path: &str) -> Result<Outside> {
    let bytes = std::fs::read(file(path)).with_context(|| format!("no module at {path}"))?;
    let mut outside = Outside {
        component: Parser::is_component(&bytes),
        imports: Vec::new(),
        exports: Vec::new(),
        sections: Vec::new(),
    };
    // Sections of the modules inside a component belong to its inside.
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) => outside.sections.push(section.name().to_owned()),
            payload if depth == 0 => note(payload, &mut outside)?,
            _ => {}
        }
    }
    Ok(outside)
}

fn note(payload: Payload<'_>, outside: &mut Outside) -> Result<()> {
    match payload {
        Payload::Version { encoding, .. } => {
            outside.component = encoding == Encoding::Component;
        }
        Payload::ImportSection(section) => {
            for import in section.into_imports() {
                outside.imports.push(import?.module.to_owned());
            }
        }
        Payload::ExportSection(section) => {
            for export in section {
                outside.exports.push(export?.name.to_owned());
            }
        }
        Payload::ComponentImportSection(section) => {
            for import in section {
                outside.imports.push(import?.name.name.to_owned());
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section {
                outside.exports.push(export?.name.name.to_owned());
            }
        }
        _ => {}
    }
    Ok(())
}
