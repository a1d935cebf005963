//! Finds libfabric, and compiles what its headers keep inline.

#[cfg(feature = "system")]
use std::io::Write;

fn main() {
    #[cfg(feature = "system")]
    link();
}

#[cfg(feature = "system")]
#[expect(clippy::expect_used, reason = "a build that cannot go on says why")]
fn link() {
    let found = pkg_config::Config::new().atleast_version("1.17").probe("libfabric");
    let found = found.expect("libfabric 1.17 or later is needed, as in Debian's libfabric-dev");
    cc::Build::new().file("inline.c").includes(found.include_paths).compile("inline_fabric");
    let mut cargo = std::io::stdout();
    let told =
        cargo.write_all(b"cargo::rerun-if-changed=inline.c\ncargo::rerun-if-changed=inline.h\n");
    told.expect("cargo listens");
}
