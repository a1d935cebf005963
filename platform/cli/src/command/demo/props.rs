//! What the demo shows: two tasks and two pieces of private data, all from `examples`.

/// Name, what it is, module.
pub(super) const TASKS: &[(&str, &str, &[u8])] = &[
    (
        "thumbnail",
        "Rust, an image library",
        include_bytes!("../../../../../examples/thumbnail/thumbnail.wasm"),
    ),
    ("redact", "C", include_bytes!("../../../../../examples/redact/redact.wasm")),
];

/// Key, what it is, value.
pub(super) type Prop = (&'static str, &'static str, &'static [u8]);

/// A photo.
pub(super) const PHOTO: Prop =
    ("rash.png", "A photo", include_bytes!("../../../../../examples/data/rash.png"));

/// A note with addresses, telephone numbers and a card number in it.
pub(super) const NOTE: Prop =
    ("note.txt", "A note", include_bytes!("../../../../../examples/data/note.txt"));
