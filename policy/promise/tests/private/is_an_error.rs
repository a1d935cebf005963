use std::error::Error;

use notrace_policy_promise::private::Private;

fn fails() -> Result<(), Box<dyn Error>> {
    Err(Private::new(String::from("a diagnosis")))?
}

fn main() {
    let _ = fails();
}
