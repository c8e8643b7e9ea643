use super::*;

#[test]
fn strings_are_there_with_a_null_behind_them() {
    let mut array = CStrArray::with_capacity(3, 16).unwrap();
    array.push(c"one").unwrap();
    array.push_fmt(format_args!("{}", 2)).unwrap();
    let mark = array.mark();
    array.push(c"three").unwrap();
    assert_eq!(array.push(c"four"), Err(Errno::NOMEM));
    assert_eq!([0, 1, 2, 3].map(|index| array.get(index)), [Some(c"one"), Some(c"2"), Some(c"three"), None]);
    // SAFETY: there are three strings and the null pointer.
    let end = unsafe { array.as_ptr().add(3) };
    // SAFETY: the reason above holds here as well.
    assert!(unsafe { *end }.is_null());
    array.truncate(mark);
    array.push(c"IV").unwrap();
    assert_eq!((array.len(), array.get(2)), (3, Some(c"IV")));
}

#[test]
fn what_does_not_fit_leaves_the_array_as_it_was() {
    let mut array = CStrArray::with_capacity(2, 6).unwrap();
    array.push(c"a").unwrap();
    assert_eq!(array.push(c"too long"), Err(Errno::NOMEM));
    assert_eq!(array.push_fmt(format_args!("a\0b")), Err(Errno::INVAL));
    assert_eq!((array.len(), array.get(0)), (1, Some(c"a")));
    array.push(c"bcd").unwrap();
    assert_eq!(array.get(1), Some(c"bcd"));
}

/// Checks that a mark of any array, at any time, only cuts off whole strings. If the text were cut off within a kept
/// string, a later string that does not fit would overwrite that string's NUL.
#[test]
fn a_mark_cuts_no_string() {
    const ROOM: usize = 16;
    let one = CStrArray::copy([c""].into_iter()).unwrap().mark();
    let mut array = CStrArray::with_capacity(4, ROOM).unwrap();
    array.push(c"first").unwrap();
    array.push(c"second").unwrap();
    array.truncate(one);
    assert_eq!((array.len(), array.get(0), array.get(1)), (1, Some(c"first"), None));
    assert_eq!(array.push_fmt(format_args!("{:ROOM$}", "")), Err(Errno::NOMEM));
    assert_eq!(array.get(0), Some(c"first"));
    // The room of the other strings is free again. A mark after the last string changes nothing.
    array.push(c"123456789").unwrap();
    let two = array.mark();
    array.truncate(two);
    assert_eq!((array.len(), array.get(0), array.get(1)), (2, Some(c"first"), Some(c"123456789")));
}
