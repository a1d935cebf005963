use notrace_policy_promise::private::Private;

fn main() {
    let (one, other) = (Private::new([1_u8]), Private::new([2_u8]));
    assert!(one < other);
}
