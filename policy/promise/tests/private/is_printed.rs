use notrace_policy_promise::private::Private;

fn main() {
    let data = Private::new(String::from("a diagnosis"));
    let _ = format!("{data}");
}
