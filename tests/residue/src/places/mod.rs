//! Where to look. Each module is one or two places, and says what it cannot see there.

pub mod core_file;
pub mod files;
pub mod image;
pub mod kernel;
pub mod memory;
pub mod processes;
pub mod wire;
