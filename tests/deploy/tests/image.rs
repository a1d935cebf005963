//! The image's recipe is right as far as it can be known without building it.
#![expect(clippy::unwrap_used, reason = "what a sample lacks fails its test")]

use notrace_tests_deploy::containerfile::{Containerfile, FILE};
use notrace_tests_deploy::read;

#[track_caller]
fn with(from: &str, to: &str, sentence: &str) {
    let text = read(FILE).unwrap();
    assert!(text.contains(from), "{from}");
    let faults = Containerfile::parse(&text.replace(from, to)).faults().unwrap();
    assert!(faults.iter().any(|fault| fault.contains(sentence)), "{faults:#?}");
}

#[test]
fn the_recipe_is_right() {
    assert_eq!(Containerfile::read().unwrap().faults().unwrap(), [""; 0]);
}

mod a_recipe_is_refused {
    use super::*;

    #[test]
    fn with_an_instruction_that_there_is_not() {
        with("\nEXPOSE ", "\nEXPORT ", "EXPORT is no instruction");
        with("STOPSIGNAL SIGTERM", "STOPSIGNAL", "STOPSIGNAL says nothing");
        with("EXPOSE 7443", "EXPOSE https", "EXPOSE names no port");
    }

    #[test]
    fn with_a_source_or_a_stage_that_is_missing() {
        with("COPY sdk sdk", "COPY sdks sdk", "there is no sdks to copy");
        with("--from=build /image/usr", "--from=builder /image/usr", "there is no stage builder");
    }

    #[test]
    fn without_a_member_of_the_workspace() {
        with("COPY runtime runtime\n", "", "the workspace's runtime/jail is not copied");
    }

    #[test]
    fn with_a_shell_around_the_program() {
        with("CMD [\"serve\"", "CMD serve", "CMD would need a shell");
        with("ENTRYPOINT [\"/usr/bin/notrace\"]", "ENTRYPOINT [\"/bin/sh\"]", "start the program");
    }

    #[test]
    fn as_root_or_with_other_versions() {
        with("USER 65532:65532", "USER 0:0", "runs as root");
        with(" --locked ", " ", "other versions than the lock file's");
        with("image.version=\"0.1.0\"", "image.version=\"0.0.9\"", "of another version");
        with("FROM debian:bookworm-slim", "FROM debian", "debian is not of a version");
    }
}
