use super::*;
use crate::sys::fd::write_all;

/// Checks each answer that can come through the pipe, and what is made of a text that is none.
#[test]
#[cfg_attr(miri, ignore = "its poll knows no pipes")]
fn each_answer_of_a_successor_is_read() {
    let why = "it ended before it was ready: ";
    let no_text = "the reason that it has told is not UTF-8";
    for (text, told) in [
        (&b"R"[..], "ready"),
        (b"RS", "stopping"),
        (b"S", "it ended before it was ready: S"),
        (b"RSS", "it ended before it was ready: RSS"),
        (b"no memory", "it ended before it was ready: no memory"),
        (b"\xff\xfe", &std::format!("{why}{no_text}")),
        (b"", "nothing"),
    ] {
        let (answers, ready) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        write_all(&ready, text).unwrap();
        let failed;
        let found = match Answer::read(&answers) {
            Answer::None => "nothing",
            Answer::Ready => "ready",
            Answer::Stopping => "stopping",
            Answer::Silent => "silent",
            Answer::Failed(why) => {
                failed = why;
                failed.as_str()
            }
        };
        assert_eq!(found, told, "{}", text.escape_ascii());
    }
}
