use std::string::ToString;

use super::*;

#[test]
fn a_text_that_was_cut_ends_in_a_mark() {
    let told = |text: &str| Error::new(format_args!("{text}"), Reason::System(Errno::NOENT), "").to_string();
    let whole = "x".repeat(ERROR_MAX);
    assert_eq!(told(&whole), whole.clone() + ": No such file or directory");
    let cut = "x".repeat(ERROR_MAX - 3) + "...: No such file or directory";
    assert_eq!(told(&(whole + "x")), cut);
    // A character is left out as a whole.
    let text = "x".repeat(ERROR_MAX - 4) + "\u{e4}xxx";
    assert_eq!(text.len(), ERROR_MAX + 1);
    assert_eq!(told(&text), "x".repeat(ERROR_MAX - 4) + "...: No such file or directory");
}
