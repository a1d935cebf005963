use std::collections::HashMap;

use notrace_policy_promise::private::Private;

fn main() {
    let mut table = HashMap::new();
    table.insert(Private::new([1_u8]), 1);
}
