//! Tests the error type: names, numbers, texts, and the retry after EINTR.

use mpserv::errno::{Errno, MESSAGE_MAX, retry_on_intr, strerror};

pub(crate) fn an_error_has_its_name_number_and_text() {
    for number in 1..=133 {
        let errno = Errno::from_raw(number);
        // 41 and 58 are numbers that Linux does not use.
        assert_eq!(errno.name().is_some(), ![41, 58].contains(&number), "{number}");
        let mut text = [0; MESSAGE_MAX];
        let text = strerror(errno, &mut text).to_str().unwrap();
        assert_eq!(text, errno.to_string());
        // std's text for an error is that of C, followed by the number.
        let std = std::io::Error::from_raw_os_error(number).to_string();
        assert_eq!(format!("{text} (os error {number})"), std);
    }
    assert_eq!(Errno::INTR.raw(), 4);
    assert_eq!(format!("{:?} {}", Errno::INTR, Errno::INTR), "EINTR Interrupted system call");
    Errno::TOO_BIG.set();
    assert_eq!(Errno::last(), Errno::TOO_BIG);
}

pub(crate) fn an_error_without_a_name_is_an_error_all_the_same() {
    let errno = Errno::from_raw(4095);
    assert_eq!(format!("{errno:?} {errno}"), "Errno(4095) Unknown error 4095");
}

pub(crate) fn retry_on_intr_retries_nothing_else() {
    let mut answers = vec![Ok(3), Err(Errno::INTR), Err(Errno::INTR)];
    assert_eq!(retry_on_intr(|| answers.pop().unwrap()), Ok(3));
    let mut answers = vec![Ok(3), Err(Errno::AGAIN), Err(Errno::INTR)];
    assert_eq!(retry_on_intr(|| answers.pop().unwrap()), Err(Errno::AGAIN));
    assert_eq!(answers.len(), 1);
}
