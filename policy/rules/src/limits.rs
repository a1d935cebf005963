//! Bounds of rule sets.

/// The longest rule set, in bytes.
pub const RULES_BYTES_MAX: usize = 64 << 10;
/// The most rules of a set.
pub const RULES_MAX: usize = 512;
/// How deep a rule may nest, in brackets or in `if`s: its reader is recursive.
pub const RULE_DEPTH_MAX: usize = 32;
/// The longest rule, in bytes: a chain of operators in it becomes as deep a tree.
pub const RULE_BYTES_MAX: usize = 8 << 10;
/// The most mistakes that are told of one text.
pub const MISTAKES_MAX: usize = 20;
/// The most groups that somebody may be in.
pub const GROUPS_MAX: usize = 32;
