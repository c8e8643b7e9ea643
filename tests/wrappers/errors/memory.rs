use mpserv::errno::Errno;
use mpserv::memory::{CStrArray, MapVec, STACK_MIN, SharedNumbers, SharedWords, Stack, empty_file};

use super::{Case, NotProduced, each, errno, no_descriptor_left, no_longer_file, no_memory_left};

pub(super) const CASES: &[Case] = &[
    (
        "MapVec::with_capacity MapVec::zeroed MapVec::from_slice Stack::new CStrArray::with_capacity CStrArray::copy \
         SharedNumbers::new SharedWords::new",
        Errno::NOMEM,
        || {
            no_memory_left();
            each([
                errno(MapVec::<u8>::with_capacity(1)),
                errno(MapVec::zeroed(1)),
                errno(MapVec::from_slice(&[0])),
                errno(Stack::new(STACK_MIN)),
                errno(CStrArray::with_capacity(1, 1)),
                errno(CStrArray::copy([c"a"].into_iter())),
                errno(SharedNumbers::new(1)),
                errno(SharedWords::new(c"words", 1)),
            ])
        },
    ),
    ("MapVec::push CStrArray::push CStrArray::push_fmt", Errno::NOMEM, || {
        let mut array = CStrArray::with_capacity(1, 2).unwrap();
        array.push(c"a").unwrap();
        each([
            errno(MapVec::with_capacity(0).unwrap().push(0)),
            errno(array.push(c"b")),
            errno(array.push_fmt(format_args!("c"))),
        ])
    }),
    ("CStrArray::push_fmt", Errno::INVAL, || {
        errno(CStrArray::with_capacity(1, 9).unwrap().push_fmt(format_args!("a\0b")))
    }),
    ("Stack::new", Errno::INVAL, || errno(Stack::new(STACK_MIN - 1))),
    ("SharedWords::new empty_file", Errno::INVAL, || {
        let name = std::ffi::CString::new("a".repeat(250)).unwrap();
        each([errno(SharedWords::new(&name, 1)), errno(empty_file(&name))])
    }),
    ("SharedWords::new", Errno::FBIG, || {
        no_longer_file();
        errno(SharedWords::new(c"words", 1))
    }),
    ("SharedWords::new empty_file", Errno::MFILE, || {
        no_descriptor_left();
        each([errno(SharedWords::new(c"words", 1)), errno(empty_file(c"empty"))])
    }),
];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[
    ("SharedWords::new empty_file", "ENFILE", "the limit is the whole system's"),
    ("SharedWords::new", "EPERM", "another process would have to change the file within the call"),
    ("empty_file", "ENOMEM", "only a kernel without memory has it"),
];
