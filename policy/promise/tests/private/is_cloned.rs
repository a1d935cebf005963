use notrace_policy_promise::private::Private;

fn main() {
    let data = Private::new(vec![1_u8, 2, 3]);
    let _second = data.clone();
}
