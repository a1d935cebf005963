use notrace_policy_promise::private::Private;

fn main() {
    assert_eq!(Private::new([1_u8]), Private::new([1_u8]));
}
