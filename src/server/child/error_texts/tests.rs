use std::string::String;

use super::*;

#[test]
#[cfg_attr(miri, ignore = "it has no shared memory")]
fn a_text_of_each_length_is_taken_once_as_it_was_left() {
    const CHILDREN: u32 = 3;
    let texts = ErrorTexts::new(CHILDREN).unwrap();
    assert_eq!([0, 1, 2, 3].map(|index| texts.take(index).is_some()), [false; 4]);
    for length in 0..=HANDLER_ERROR_MAX {
        // Each child has its own letter, and leaves a text before any is taken.
        let text = |index: u32| String::from(["a", "b", "c"][index as usize]).repeat(length);
        (0..CHILDREN).for_each(|index| texts.leave(index, &HandlerError::new(text(index))));
        for index in 0..CHILDREN {
            assert_eq!(texts.take(index).unwrap().as_bytes(), text(index).as_bytes(), "{index}");
            assert!(texts.take(index).is_none(), "{index}: it was taken");
        }
    }
    // Nobody has this place.
    texts.leave(CHILDREN, &HandlerError::new("nobody"));
    assert!(texts.take(CHILDREN).is_none());
}

/// Checks words that no child of the server leaves. A child that is taken over can write anything.
#[test]
#[cfg_attr(miri, ignore = "it has no shared memory")]
fn what_is_no_text_is_not_taken() {
    let texts = ErrorTexts::new(1).unwrap();
    let (head, words) = texts.place(0).unwrap();
    for (length, first, is_text) in [
        (HANDLER_ERROR_MAX as u64, *b"abcdefgh", true),
        (HANDLER_ERROR_MAX as u64 + 1, *b"abcdefgh", false),
        (u64::MAX - 1, *b"abcdefgh", false),
        (8, *b"abcdefg\xff", false),
        (7, *b"abcdefg\xff", true),
    ] {
        words[0].store(u64::from_ne_bytes(first), Ordering::Relaxed);
        head.store(length.wrapping_add(1), Ordering::Relaxed);
        assert_eq!(texts.take(0).is_some(), is_text, "{length} {}", first.escape_ascii());
        assert_eq!(head.load(Ordering::Relaxed), 0, "it is taken once");
    }
}
