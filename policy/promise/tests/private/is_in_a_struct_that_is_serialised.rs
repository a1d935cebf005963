use notrace_policy_promise::private::Private;

#[derive(serde::Serialize)]
struct Body {
    input: Private<Vec<u8>>,
}

fn main() {
    let _ = Body { input: Private::new(vec![1]) };
}
