use super::*;

/// Uses numbers that no other test has.
#[test]
#[cfg_attr(miri, ignore = "Miri does not know the call")]
fn free_numbers_are_those_that_nothing_has() {
    const LEAST: c_int = 700;
    let (reader, _writer) = pipe().unwrap();
    assert_eq!(free_numbers(LEAST), Ok([LEAST, LEAST + 1, LEAST + 2]));
    let _taken = [LEAST, LEAST + 2].map(|number| fcntl_dupfd_cloexec(&reader, number).unwrap());
    assert_eq!(free_numbers(LEAST), Ok([LEAST + 1, LEAST + 3, LEAST + 4]));
    assert_eq!(free_numbers(LEAST + 3), Ok([LEAST + 3]));
    assert_eq!(free_numbers(LEAST), Ok([]));
}
