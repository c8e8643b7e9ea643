//! Tests the surroundings of a program: arguments, environment, title, memory and stack.

use std::ffi::{CStr, c_char, c_int};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::common::solo::{Channel, reap, spawn};
use mpserv::errno::Errno;
use mpserv::fs::ftruncate;
use mpserv::getopt::{Getopt, LongOption, Opt};
use mpserv::memory::{STACK_MIN, SharedWords, Stack};
use mpserv::process::{environ, getenv};
use mpserv::program::{Args, Argument, Title};

/// Tests a program without arguments, as before Linux 5.18: argv begins with the null pointer, and the environment
/// follows.
pub(crate) fn a_program_that_nobody_named_has_no_arguments() {
    let null = std::ptr::null();
    let argv = [null, c"NAME=value".as_ptr(), null];
    let environment = || format!("{:?}", environ().unwrap());
    let before = environment();
    // SAFETY: with these counts there are no strings.
    let nobodys = [0, -1].map(|argc| unsafe { Args::new(argc, argv.as_ptr()) });
    // SAFETY: the reason above holds here as well, and no reference to a variable of the environment exists.
    let (moved, mut title) = unsafe { Title::claim(0, argv.as_ptr()) };
    // The arguments leave no room for a title.
    title.set("title");
    assert_eq!(environment(), before);
    for args in nobodys.into_iter().chain([moved]) {
        assert_eq!((args.len(), args.get(0), args.get(1), args.from(0).next()), (0, None, None, None));
        assert_eq!(args.program(), c"");
        assert!(Getopt::new(args, c"+:abc", &[LongOption::END]).unwrap().next().is_none());
    }
}

pub(crate) fn a_command_line_has_one_end() {
    let word = Argument::from(c"word");
    let end = Argument::END;
    for (line, length) in [
        (vec![], None),
        (vec![word], None),
        (vec![end], Some(0)),
        (vec![word, end], Some(1)),
        (vec![word, word, end], Some(2)),
        (vec![end, end], None),
        (vec![word, end, end], None),
        (vec![word, end, word], None),
        (vec![word, end, word, end], None),
    ] {
        let line: &'static [Argument] = line.leak();
        assert_eq!(Args::of(line).map(|args| args.len()), length, "{line:?}");
    }
}

/// Checks titles of characters of two bytes. In one of them, the middle of a character is at the end of the place.
pub(crate) fn a_title_is_cut_after_a_character() {
    let mut title = title_of_this_process();
    for first in ["", "-"] {
        title.set(&(first.to_owned() + &"é".repeat(1 << 12)));
        let line = std::fs::read("/proc/self/cmdline").unwrap();
        assert!(line.starts_with(first.as_bytes()));
        assert!(std::str::from_utf8(&line).is_ok(), "{:?}", &line[line.len() - 4..]);
    }
}

/// Checks that a title which is longer than its place still ends in a NUL.
pub(crate) fn a_title_leaves_the_last_byte() {
    let mut title = title_of_this_process();
    // The kernel tells where the arguments begin, in the 48th field: after the name there are those from the 3rd.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let start: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(45).unwrap().parse().unwrap();
    let length = format!("{title:?}").split(|letter: char| !letter.is_ascii_digit()).find_map(|word| word.parse().ok());
    let length: usize = length.unwrap();
    for long in [length - 1, length, length + 1] {
        title.set(&"t".repeat(long));
        let mut memory = vec![0; length];
        File::open("/proc/self/mem").unwrap().read_exact_at(&mut memory, start).unwrap();
        let (last, shown) = memory.split_last().unwrap();
        assert_eq!((*last, shown.iter().all(|&byte| byte == b't')), (0, true), "{long} of {length}");
    }
}

pub(crate) fn the_environment_is_a_copy() {
    let set = |value: &str| {
        // SAFETY: this process has no other thread.
        unsafe { std::env::set_var("MPSERV_TEST", value) };
    };
    set("one");
    let before = environ().unwrap();
    let mut buffer = [0; 8];
    assert_eq!(getenv(c"MPSERV_TEST", &mut buffer), Some(c"one"));
    // The C library frees or overwrites the old value of the variable.
    set(&"two".repeat(1000));
    assert!(format!("{before:?}").contains("\"MPSERV_TEST=one\""));
    assert_eq!(buffer[..4], *b"one\0");
    assert_eq!(getenv(c"MPSERV_TEST", &mut buffer), None, "there is no room for it");
    set("1234567");
    assert_eq!(getenv(c"MPSERV_TEST", &mut buffer), Some(c"1234567"));
    assert_eq!(getenv(c"MPSERV_TES", &mut buffer), None);
}

pub(crate) fn a_title_waits_until_no_other_thread_is_there() {
    let line = || std::fs::read("/proc/self/cmdline").unwrap();
    let argv = std::env::args().map(|argument| std::ffi::CString::new(argument).unwrap()).collect::<Vec<_>>();
    let before = line();
    let title = |title: &mut Title| {
        title.set("changed");
        line()
    };
    let mut claimed = title_of_this_process();
    let channel = Channel::new();
    std::thread::scope(|scope| {
        scope.spawn(|| channel.hear());
        assert_eq!(title(&mut claimed), before, "std::env::args() may be reading them");
        channel.tell(0);
    });
    assert_eq!(std::env::args().count(), argv.len());
}

pub(crate) fn an_empty_title_leaves_nothing_of_the_last() {
    let line = || std::fs::read("/proc/self/cmdline").unwrap();
    let mut title = title_of_this_process();
    title.set("changed");
    assert!(line().starts_with(b"changed\0"));
    title.set("");
    assert!(line().iter().all(|&byte| byte == 0));
    title.set("again");
    assert!(line().starts_with(b"again\0"));
}

/// Claims the memory that the kernel shows, in which C's runtime has put the arguments of this process.
fn title_of_this_process() -> Title {
    static ARGV: AtomicPtr<*const c_char> = AtomicPtr::new(std::ptr::null_mut());
    extern "C" fn note(_: c_int, argv: *mut *const c_char) {
        ARGV.store(argv, Ordering::Relaxed);
    }
    #[used]
    #[unsafe(link_section = ".init_array")]
    static NOTE: extern "C" fn(c_int, *mut *const c_char) = note;
    let argv = ARGV.load(Ordering::Relaxed);
    let argc = c_int::try_from(std::env::args().count()).unwrap();
    // SAFETY: the pointer is to the arguments, and no reference to an argument exists.
    unsafe { Title::claim(argc, argv) }.1
}

pub(crate) fn shared_words_stay_as_long_as_they_are() {
    let shared = SharedWords::new(c"words", 512).unwrap();
    for length in [0, 1 << 20] {
        assert_eq!(ftruncate(&shared, length), Err(Errno::PERM));
    }
    shared.words()[511].store(7, Ordering::Relaxed);
    let mut child = spawn(|| shared.words()[0].store(1, Ordering::Relaxed));
    assert_eq!(reap(&mut child).exit_status(), Some(0));
    assert_eq!([0, 511].map(|index| shared.words()[index].load(Ordering::Relaxed)), [1, 7]);
}

pub(crate) fn a_second_command_line_ends_the_first() {
    let argv = [c"program", c"-a", c"-b", c"-c"].map(CStr::as_ptr);
    // SAFETY: the array has as many strings, and none of them changes.
    let [long, short] = [4, 1].map(|argc| unsafe { Args::new(argc, argv.as_ptr()) });
    let mut first = Getopt::new(long, c"+:abc", &[LongOption::END]).unwrap();
    assert!(matches!(first.next(), Some(Opt::Option(option, None)) if option == c_int::from(b'a')));
    let mut second = Getopt::new(short, c"+:abc", &[LongOption::END]).unwrap();
    assert!(first.next().is_none() && second.next().is_none() && first.next().is_none());
}

pub(crate) fn a_stack_is_never_too_small_to_start_on() {
    for size in [0, 128, STACK_MIN - 1] {
        assert_eq!(Stack::new(size).unwrap_err(), Errno::INVAL);
    }
    assert!(Stack::new(STACK_MIN).is_ok());
    assert_eq!(Stack::new(usize::MAX).unwrap_err(), Errno::NOMEM);
}
