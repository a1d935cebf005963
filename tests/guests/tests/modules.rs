//! The committed modules, from outside: what they import is what their world has.

use notrace_tests_guests::module::outside;

#[test]
fn echo_is_a_task_that_imports_nothing() {
    let echo = outside("examples/echo/echo.wasm").unwrap();
    assert!(echo.component);
    assert_eq!(echo.imports, [""; 0]);
    assert_eq!(echo.exports, ["run"]);
}

#[test]
fn thumbnail_is_a_task_that_imports_its_world_and_no_more() {
    let thumbnail = outside("examples/thumbnail/thumbnail.wasm").unwrap();
    assert!(thumbnail.component);
    let mut imports = thumbnail.imports;
    imports.sort();
    assert_eq!(imports, ["notrace:task/call@0.1.0", "notrace:task/objects@0.1.0"]);
    assert_eq!(thumbnail.exports, ["run"]);
}

#[test]
fn redact_is_a_command_of_wasi_preview_1() {
    let redact = outside("examples/redact/redact.wasm").unwrap();
    assert!(!redact.component);
    assert!(redact.imports.iter().all(|module| module == "wasi_snapshot_preview1"));
    assert!(redact.exports.iter().any(|name| name == "_start"));
}

#[test]
fn no_module_carries_names_or_debug_information_of_code() {
    for path in ["examples/redact/redact.wasm", "examples/thumbnail/thumbnail.wasm"] {
        let sections = outside(path).unwrap().sections;
        assert!(!sections.iter().any(|name| name.starts_with(".debug") || name == "name"));
    }
}
