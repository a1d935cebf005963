//! Every bound of the jail. Sizes are bytes unless the name says otherwise.

/// The most descriptors a worker can hold at once: its own few, and those of one message.
pub const DESCRIPTORS_MAX: u64 = 16;
/// The same for what orders workers. The kernel also counts against it what all processes of the
/// same user have on the way in messages: three for each worker that was ordered and has not come.
pub const TEMPLATE_DESCRIPTORS_MAX: u64 = 8192;
/// How much a jailed process may reserve. A wasm memory reserves several GiB without using them, so
/// this stops runaway reservations only; what may be *used* is `RLIMIT_DATA`.
pub const ADDRESS_SPACE_BYTES_MAX: u64 = 512 << 30;
/// The largest piece of secret memory.
pub const SECRET_BYTES_MAX: usize = 16 << 20;
/// How deep a stack is searched for pages to wipe.
pub const STACK_BYTES_MAX: usize = 8 << 20;
/// The first of the users that jailed processes run as when the node was started by root. The
/// range is assigned to nobody by the usual tables. Source: systemd, "Users, Groups, UIDs and
/// GIDs": 1879048192 to 2147483647 are unused.
pub const FIRST_USER: u32 = 1_900_000_000;
/// How many users there are for workers of one template, itself included.
pub const USERS_MAX: u32 = 4096;
/// How many templates of one host have users of their own. Which they are depends on the number of
/// the template's process, so two that are as many processes apart share theirs.
pub const TEMPLATES_MAX: u32 = 50_000;
/// The first of the users that compilers run as, one each.
pub const FIRST_COMPILER: u32 = FIRST_USER + TEMPLATES_MAX * USERS_MAX;
/// What the first user is called inside its user namespace: neither root nor the overflow user.
pub const INNER_ID: u32 = 1_000;
/// The highest capability number tried when the bounding set is emptied.
pub const CAPABILITY_MAX: u32 = 63;

const _: () = assert!(FIRST_COMPILER < 2_147_483_647 - (4 << 20), "every process has a number");
const _: () = assert!(INNER_ID + USERS_MAX < 65_534, "no inner user is the overflow user");
const _: () = assert!(STACK_BYTES_MAX.is_multiple_of(4096), "stacks are wiped by pages");
