//! What cannot be done with client data, because it does not compile.
#![cfg(test)]

#[test]
fn client_data_leaves_by_no_way_that_compiles() {
    trybuild::TestCases::new().compile_fail("tests/private/*.rs");
}
