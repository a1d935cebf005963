//! `examples/redact`, natively: its samples, and what must hold of any text.
#![expect(clippy::unwrap_used, reason = "what a sample lacks fails its test")]

use std::sync::LazyLock;

use notrace_tests_guests::file;
use notrace_tests_guests::native::Native;

/// Masks its input whole and cut into pieces, and fails unless both agree.
static CUTS: LazyLock<Native> = LazyLock::new(|| {
    Native::build(&["examples/redact/redact.c", "tests/guests/tests/cuts.c"]).unwrap()
});

fn samples() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(file("examples/redact/samples.tsv")).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('\t').unwrap())
        .map(|(input, output)| (input.to_owned(), output.to_owned()))
        .collect()
}

fn masked(text: &str) -> String {
    String::from_utf8(CUTS.run(text.as_bytes()).unwrap()).unwrap()
}

#[test]
fn each_sample_comes_out_as_it_says() {
    assert!(samples().len() > 50);
    for (input, output) in samples() {
        assert_eq!(masked(&input), output, "{input}");
    }
}

#[test]
fn samples_do_not_disturb_each_other_in_a_long_text() {
    let join = |part: fn((String, String)) -> String| {
        samples().into_iter().cycle().take(5_000).map(part).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(masked(&join(|(input, _)| input)), join(|(_, output)| output));
}

#[test]
fn what_is_masked_stays_as_it_is() {
    for (_, output) in samples() {
        assert_eq!(masked(&output), output);
    }
}

#[test]
fn bytes_that_are_no_text_pass_and_do_no_harm() {
    // A fixed sequence of bytes of all kinds, rich in what the scanner looks for.
    let rich = b"@.+(0123456789)- a\xc3\xa9\xe2\x80\x9c\xf0\x9f\x98\x80\xff\xed\xa0\x80";
    let mut state = 7_u32;
    let mut bytes = Vec::new();
    for _ in 0..200_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push(rich[(state >> 16) as usize % rich.len()]);
    }
    let out = CUTS.run(&bytes).unwrap();
    assert!(out.len() > bytes.len() / 8);
    let broken = [0xff, 0xc3, b'a', 0xe2, 0x80, 0, 0xf0];
    assert_eq!(CUTS.run(&broken).unwrap(), broken);
}

#[test]
fn the_program_masks_standard_input() {
    let program = Native::build(&["examples/redact/redact.c", "examples/redact/main.c"]).unwrap();
    let out = program.run(b"write to ann@example.com\n").unwrap();
    assert_eq!(out, b"write to [email]\n");
    assert_eq!(program.run(b"").unwrap(), b"");
}

#[test]
fn the_note_holds_something_of_each_kind_and_none_comes_out() {
    let note = std::fs::read_to_string(file("examples/data/note.txt")).unwrap();
    let out = masked(&note);
    for mask in ["[email]", "[phone]", "[card]"] {
        assert!(out.contains(mask), "{mask}");
    }
    assert!(!out.contains('@'));
    assert!(!out.contains("4111"));
    assert!(!out.contains("555"));
}
