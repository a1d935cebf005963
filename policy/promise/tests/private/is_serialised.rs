use notrace_policy_promise::private::Private;

fn main() {
    let data = Private::new(String::from("a diagnosis"));
    let _ = serde_json::to_string(&data);
}
