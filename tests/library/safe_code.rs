//! Safe programs that try to break the promises of the library: none of them may reach freed memory, memory of others, or
//! what belongs to another process.

use mpserv::memory::CStrArray;
use mpserv::wordexp::{WordError, wordexp};

use crate::common::solo::Test;
use crate::tests;

pub(crate) const TESTS: &[Test] =
    tests![a_mark_of_another_list_cuts_no_string, words_wait_until_no_other_thread_reads_the_environment];

/// The text of a string that stays is not written over, so its NUL stays as well.
fn a_mark_of_another_list_cuts_no_string() {
    const ROOM: usize = 4096;
    let mut list = CStrArray::with_capacity(2, ROOM).unwrap();
    list.push(c"first").unwrap();
    list.push(c"second").unwrap();
    list.truncate(CStrArray::copy([c""].into_iter()).unwrap().mark());
    assert!(list.push_fmt(format_args!("{:ROOM$}", "")).is_err());
    assert_eq!((list.len(), list.get(0)), (1, Some(c"first")));
}

/// `${NAME:=value}` is a setenv() that no lock of std's keeps from readers.
fn words_wait_until_no_other_thread_reads_the_environment() {
    let words = wordexp(c"${MPSERV_TEST_WORD:=a}b").unwrap();
    assert!(words.iter().eq([c"ab"]));
    assert_eq!(std::env::var("MPSERV_TEST_WORD").unwrap(), "a");
    std::thread::spawn(|| ()).join().unwrap();
    assert_eq!(wordexp(c"${MPSERV_TEST_OTHER:=a}").unwrap_err(), WordError::Threads);
    assert!(std::env::var_os("MPSERV_TEST_OTHER").is_none());
}
