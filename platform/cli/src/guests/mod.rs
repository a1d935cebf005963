//! What a new task starts from: small programs that build as they are.

use crate::args::Language;

/// The files of an example and the line that builds it. `NAME` stands for the task's name in both
/// the files' names and their texts.
pub(crate) struct Example {
    pub(crate) files: &'static [(&'static str, &'static str)],
    pub(crate) build: &'static str,
    /// What the build leaves, to be uploaded.
    pub(crate) module: &'static str,
}

/// The example in this language.
pub(crate) fn example(language: Language) -> Example {
    match language {
        Language::C => Example {
            files: &[
                ("task.c", include_str!("task.c")),
                ("notrace.h", include_str!("../../../../sdk/guest/notrace.h")),
                ("notrace.c", include_str!("../../../../sdk/guest/notrace.c")),
                ("task.wit", include_str!("../../../../sdk/wit/task.wit")),
                ("build.sh", include_str!("build-c.sh")),
            ],
            build: "sh NAME/build.sh",
            module: "NAME/NAME.wasm",
        },
        Language::Rust => Example {
            files: &[
                ("Cargo.toml", include_str!("rust-manifest.toml")),
                ("src/main.rs", include_str!("rust-main.txt")),
                ("build.sh", include_str!("build-rust.sh")),
            ],
            build: "sh NAME/build.sh",
            module: "NAME/NAME.wasm",
        },
        Language::Wat => Example {
            files: &[("NAME.wat", include_str!("task.wat"))],
            build: "",
            module: "NAME/NAME.wat",
        },
    }
}
