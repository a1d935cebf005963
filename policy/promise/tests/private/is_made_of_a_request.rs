use notrace_policy_promise::private::Private;

fn main() {
    let _: Result<Private<String>, _> = serde_json::from_str("\"a diagnosis\"");
}
