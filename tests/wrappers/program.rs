//! Tests the surroundings of a program: arguments, environment, title, memory and stack.

use std::ffi::{CStr, CString, c_char, c_int};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::common::solo::{Channel, reap, spawn};
use mpserv::errno::Errno;
use mpserv::fd::AsFd;
use mpserv::fs::ftruncate;
use mpserv::getopt::{Getopt, HasArg, LongOption, Name, Opt};
use mpserv::memory::{CStrArray, MapVec, STACK_MIN, SharedNumbers, SharedWords, Stack};
use mpserv::net::getaddrinfo;
use mpserv::options::{OptionSpec, OptionTable, Parsed};
use mpserv::process::{environ, getenv};
use mpserv::program::{Args, Argument, Title, atoi};

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
    // The kernel tells where the arguments begin, in the 48th field.
    let start = field_of_stat(48);
    let length = length_of(&title);
    for long in [length - 1, length, length + 1] {
        title.set(&"t".repeat(long));
        let mut memory = vec![0; length];
        File::open("/proc/self/mem").unwrap().read_exact_at(&mut memory, start).unwrap();
        let (last, shown) = memory.split_last().unwrap();
        assert_eq!((*last, shown.iter().all(|&byte| byte == b't')), (0, true), "{long} of {length}");
    }
}

/// Checks that a variable which was set later, and so is elsewhere, is no part of the place.
pub(crate) fn a_title_ends_with_the_variables_of_the_kernel() {
    // SAFETY: this process has no other thread.
    unsafe { std::env::set_var("MPSERV_TEST", "x".repeat(1 << 12)) };
    let title = title_of_this_process();
    // The kernel tells where the arguments begin, and where the variables end, in the 48th and the 51st field.
    let room = field_of_stat(51) - field_of_stat(48);
    assert!(length_of(&title) as u64 <= room, "{title:?} is longer than the place");
}

/// Returns a field of what the kernel says of this process. After the name there are the fields from the 3rd on.
fn field_of_stat(number: usize) -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(number - 3).unwrap().parse().unwrap()
}

/// Returns the number of bytes in the place of a title.
fn length_of(title: &Title) -> usize {
    let text = format!("{title:?}");
    text.split(|letter: char| !letter.is_ascii_digit()).find_map(|word| word.parse().ok()).unwrap()
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
    // A variable without a name is there, but an empty name asks for nothing.
    // SAFETY: this process has no other thread, and the text stays.
    assert_eq!(unsafe { libc::putenv(c"=no name".as_ptr().cast_mut()) }, 0);
    assert!(format!("{:?}", environ().unwrap()).contains("\"=no name\""));
    assert_eq!(getenv(c"", &mut buffer), None);
    // Another thread might be changing the environment.
    std::thread::spawn(|| ()).join().unwrap();
    assert_eq!((getenv(c"MPSERV_TEST", &mut buffer), environ().unwrap().len()), (None, 0));
}

pub(crate) fn a_title_waits_until_no_other_thread_is_there() {
    let line = || std::fs::read("/proc/self/cmdline").unwrap();
    let argv = std::env::args().map(|argument| CString::new(argument).unwrap()).collect::<Vec<_>>();
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
    // SAFETY: the call takes numbers.
    let seals = unsafe { libc::fcntl(shared.as_fd().raw(), libc::F_GET_SEALS) };
    let all = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE;
    assert_eq!(seals, all);
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

/// Checks that no option is read outside of argv when other code has read a longer command line.
pub(crate) fn a_command_line_that_other_code_reads_ends_the_first() {
    let argv = [c"program", c"-a", c"-b"].map(CStr::as_ptr);
    for other in [0, 1, 3, 100_000, c_int::MAX, -1] {
        // SAFETY: the array has three strings, and none of them changes.
        let args = unsafe { Args::new(3, argv.as_ptr()) };
        let mut options = Getopt::new(args, c"+:ab", &[LongOption::END]).unwrap();
        assert!(matches!(options.next(), Some(Opt::Option(option, None)) if option == c_int::from(b'a')));
        // SAFETY: no other thread uses the variable.
        unsafe { mpserv::ffi::getopt::optind = other };
        assert_eq!((options.next(), options.index()), (None, 2), "{other}");
    }
}

pub(crate) fn a_stack_is_never_too_small_to_start_on() {
    for size in [0, 128, STACK_MIN - 1] {
        assert_eq!(Stack::new(size).unwrap_err(), Errno::INVAL);
    }
    assert!(Stack::new(STACK_MIN).is_ok());
    assert_eq!(Stack::new(usize::MAX).unwrap_err(), Errno::NOMEM);
}

pub(crate) fn a_number_is_what_atoi_reads() {
    for (text, number) in [
        (c"", 0),
        (c"9190", 9190),
        (c"-17", -17),
        (c"+8", 8),
        (c" \t\n12 13", 12),
        (c"010", 10),
        (c"0x10", 0),
        (c"12abc", 12),
        (c"abc", 0),
        (c"2147483647", i32::MAX),
        (c"-2147483648", i32::MIN),
        (c"4294967297", 1),
    ] {
        assert_eq!(atoi(text), number, "{text:?}");
    }
}

/// Tests counts whose sizes in bytes are small numbers again.
pub(crate) fn a_size_that_no_memory_has_is_refused() {
    for count in [usize::MAX / 8 + 2, usize::MAX / 8 + 513, usize::MAX] {
        assert_eq!(MapVec::<u64>::with_capacity(count).map(drop), Err(Errno::NOMEM), "{count}");
        assert_eq!(SharedNumbers::new(count).map(drop), Err(Errno::NOMEM), "{count}");
        assert_eq!(SharedWords::new(c"words", count).map(drop), Err(Errno::NOMEM), "{count}");
        assert_eq!(CStrArray::with_capacity(count, 1).map(drop), Err(Errno::NOMEM), "{count}");
    }
    assert!(SharedWords::new(c"none", 0).unwrap().words().is_empty());
    assert!(SharedNumbers::new(0).unwrap().is_empty());
}

/// Returns the options that a table of four finds, as text, and the index of the next argument.
fn parsed(arguments: &[&'static CStr]) -> (String, usize) {
    static TABLE: OptionTable<char> = OptionTable::new(&TABLE_SPECS);
    let line = [c"program"].iter().chain(arguments).map(|text| Argument::from(*text)).chain([Argument::END]);
    let line: &'static [Argument] = line.collect::<Vec<_>>().leak();
    let mut parser = TABLE.parse(Args::of(line).unwrap()).unwrap();
    assert_eq!(parser.index(), 1, "the first option is next");
    let found: Vec<String> = parser
        .by_ref()
        .map(|parsed| match parsed {
            Parsed::Option(spec, option, argument) => {
                format!("{option}{:?}{}", spec.name(), argument.to_str().unwrap())
            }
            Parsed::Unknown(name) => format!("unknown {name}"),
            Parsed::Missing(name) => format!("missing {name}"),
        })
        .collect();
    (found.join(", "), parser.index())
}

static TABLE_SPECS: [OptionSpec<char>; 4] = [
    OptionSpec::new('B', b'b', c"both", "ARG", "has both names"),
    OptionSpec::new('L', b'l', c"", "", "has a letter"),
    OptionSpec::new('N', 0, c"name", "", "has a name\nand two lines"),
    OptionSpec::new('Q', 0, c"quantity", "N", "has a name"),
];

pub(crate) fn a_table_prints_and_parses_its_options() {
    let help = "  -b, --both ARG    has both names\n\
                \x20 -l                has a letter\n\
                \x20     --name        has a name\n\
                \x20                   and two lines\n\
                \x20     --quantity N  has a name\n";
    assert_eq!(OptionTable::new(&TABLE_SPECS).to_string(), help);
    static BARE: [OptionSpec<char>; 2] =
        [OptionSpec::new('B', b'b', c"", "", ""), OptionSpec::new('D', b'd', c"", "", "")];
    assert_eq!(OptionTable::new(&BARE).to_string(), "  -b\n  -d\n");
    let texts = TABLE_SPECS.each_ref().map(|spec| spec.to_string());
    assert_eq!(texts, ["-b, --both ARG", "-l", "    --name", "    --quantity N"]);
    for (line, found, index) in [
        (&[][..], "", 1),
        (&[c"-b", c"x", c"-l", c"rest", c"-l"], "B\"both\"x, L\"\"", 4),
        (&[c"-lbx", c"--name"], "L\"\", B\"both\"x, N\"name\"", 3),
        (&[c"--both", c"x", c"--both=y", c"--quantity", c"-1"], "B\"both\"x, B\"both\"y, Q\"quantity\"-1", 6),
        (&[c"--n", c"--q=2", c"--", c"-l"], "N\"name\", Q\"quantity\"2", 4),
        (&[c"-b", c"", c"-"], "B\"both\"", 3),
        (&[c"-x", c"-l"], "unknown -x, L\"\"", 3),
        (&[c"--none", c"--name=2", c"-l"], "unknown --none, unknown --name=2, L\"\"", 4),
        (&[c"-l", c"-b"], "L\"\", missing -b", 3),
        (&[c"--quantity"], "missing --quantity", 2),
        (&[c"-\x1bl"], "unknown -\\x1b, L\"\"", 2),
        (&[c"-\xe9l"], "unknown -\\xe9, L\"\"", 2),
        (&[c"--n\x1b\xe9"], "unknown --n\\x1b\\xe9", 2),
    ] {
        assert_eq!(parsed(line), (found.to_owned(), index), "{line:?}");
    }
    assert_eq!(format!("{:?}", OptionTable::new(&TABLE_SPECS)), r#"["both", "", "name", "quantity"]"#);
}

/// Tests a letter that C's char may have as a negative number.
pub(crate) fn a_missing_argument_is_that_of_a_byte() {
    let line: &'static [Argument] = vec![c"program".into(), c"-\xe9".into(), Argument::END].leak();
    let mut missing = Getopt::new(Args::of(line).unwrap(), c"+:\xe9:", &[LongOption::END]).unwrap();
    assert_eq!(missing.next(), Some(Opt::Missing(Name::Letter(0xe9))));
    assert_eq!(format!("{:?}", LongOption::new(c"long", HasArg::Required, 300)), "LongOption { val: 300, .. }");
}

pub(crate) fn options_are_read_only_where_no_other_threads_are() {
    let line: &'static [Argument] = vec![c"program".into(), c"-a".into(), c"-b".into(), Argument::END].leak();
    let args = Args::of(line).unwrap();
    let mut begun = Getopt::new(args, c"+:ab", &[LongOption::END]).unwrap();
    assert_eq!(begun.next(), Some(Opt::Option(c_int::from(b'a'), None)));
    let long = [LongOption::new(c"long", HasArg::No, 256)];
    assert!(Getopt::new(args, c"+:ab", &long).is_none() && Getopt::new(args, c"+:ab", &[]).is_none(), "it has no end");
    for short in [c"ab", c":ab", c"+ab", c":+ab", c""] {
        assert!(Getopt::new(args, short, &[LongOption::END]).is_none(), "{short:?}");
    }
    // None of these has begun an iteration, so the first goes on.
    assert_eq!(begun.next(), Some(Opt::Option(c_int::from(b'b'), None)));
    // A new iteration begins at the first option, though the last one ended between two letters.
    let line: &'static [Argument] = vec![c"program".into(), c"-ab".into(), Argument::END].leak();
    for _ in 0..2 {
        let mut begun = Getopt::new(Args::of(line).unwrap(), c"+:ab", &[LongOption::END]).unwrap();
        assert_eq!((begun.next(), begun.index()), (Some(Opt::Option(c_int::from(b'a'), None)), 1));
    }
    let mut begun = Getopt::new(args, c"+:ab", &[LongOption::END]).unwrap();
    let channel = Channel::new();
    std::thread::scope(|scope| {
        scope.spawn(|| channel.hear());
        assert!(begun.next().is_none() && Getopt::new(args, c"+:ab", &[LongOption::END]).is_none());
        channel.tell(0);
    });
}

/// Returns the sizes of this process's mappings in all.
fn mapped() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    // SAFETY: the call has no precondition.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    pages.split(' ').next().unwrap().parse::<usize>().unwrap() * page
}

/// Checks that each kind of memory is given back, an empty one included. The sizes are those of large mappings, which
/// the allocator of this test does not make.
pub(crate) fn memory_is_given_back() {
    const LARGE: usize = 1 << 24;
    let makes: [(&str, &dyn Fn()); 7] = [
        ("MapVec", &|| drop(MapVec::<u64>::with_capacity(LARGE).unwrap())),
        ("an empty MapVec", &|| drop(MapVec::<u64>::with_capacity(0).unwrap())),
        ("zeroed", &|| drop(MapVec::zeroed(LARGE).unwrap())),
        ("Stack", &|| drop(Stack::new(LARGE).unwrap())),
        ("CStrArray", &|| drop(CStrArray::with_capacity(1 << 20, LARGE).unwrap())),
        ("SharedNumbers", &|| drop(SharedNumbers::new(LARGE).unwrap())),
        ("no SharedNumbers", &|| drop(SharedNumbers::new(0).unwrap())),
    ];
    for (what, make) in makes {
        make();
        let before = mapped();
        (0..100).for_each(|_| make());
        assert_eq!(mapped(), before, "{what}");
    }
}

/// Checks that the C library's memory is given back. Some of it stays, for the next call.
pub(crate) fn memory_of_the_c_library_is_given_back() {
    const TIMES: usize = 2000;
    let make = || drop(getaddrinfo(c"127.0.0.1").unwrap());
    (0..TIMES / 10).for_each(|_| make());
    let before = allocated();
    (0..TIMES).for_each(|_| make());
    assert!(allocated() < before + 8 * TIMES, "{} bytes more", allocated() - before);
}

/// Returns the number of bytes that the C library has given out and not got back.
fn allocated() -> usize {
    // SAFETY: the call has no precondition.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

pub(crate) fn a_list_has_room_for_its_capacity() {
    for capacity in [0, 1, 2, 511, 512, 513] {
        let mut list = MapVec::with_capacity(capacity).unwrap();
        for number in 0..capacity {
            assert_eq!(list.push(number), Ok(()), "{number} of {capacity}");
        }
        assert_eq!(list.push(0), Err(Errno::NOMEM));
        assert!(list.iter().copied().eq(0..capacity));
        list.truncate(capacity + 1);
        assert_eq!(list.len(), capacity);
        list.truncate(capacity / 2);
        assert!(list.iter().copied().eq(0..capacity / 2));
        list.truncate(capacity);
        assert_eq!(list.len(), capacity / 2);
        list.fill(7);
        assert!(list.len() == capacity && list[capacity / 2..].iter().all(|number| *number == 7));
        assert_eq!(MapVec::zeroed(capacity).unwrap()[..], vec![0; capacity]);
        let copy = MapVec::from_slice(&list).unwrap();
        assert_eq!((&copy[..], format!("{copy:?}")), (&list[..], format!("{:?}", &list[..])));
        // A list of strings has as many, and no more.
        let mut strings = CStrArray::with_capacity(capacity, 2 * capacity + 9).unwrap();
        for number in 0..capacity {
            assert_eq!((strings.push(c"a"), strings.len()), (Ok(()), number + 1));
        }
        assert_eq!((strings.push(c""), strings.len(), strings.get(capacity)), (Err(Errno::NOMEM), capacity, None));
        assert_eq!(strings.is_empty(), capacity == 0);
    }
}

/// Checks that two processes have the same numbers, and that a child's drop leaves the parent's numbers.
pub(crate) fn shared_numbers_are_the_same_in_a_child() {
    let numbers = SharedNumbers::new(1000).unwrap();
    assert!(numbers.len() == 1000 && numbers.iter().all(|number| number.load(Ordering::Relaxed) == 0));
    numbers[0].store(1, Ordering::Relaxed);
    let mut numbers = Some(numbers);
    let mut child = spawn(|| {
        let numbers = numbers.take().unwrap();
        assert_eq!(numbers[0].fetch_add(1, Ordering::Relaxed), 1);
        numbers[999].store(9, Ordering::Relaxed);
        assert_eq!(format!("{numbers:?}"), "SharedNumbers { count: 1000, .. }");
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
    let numbers = numbers.unwrap();
    assert_eq!([0, 1, 999].map(|index| numbers[index].load(Ordering::Relaxed)), [2, 0, 9]);
}
