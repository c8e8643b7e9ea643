//! Tests random command lines, made of valid and almost valid parts. The parser must accept all valid command lines,
//! and no other.

#[allow(dead_code, unused_imports, reason = "what is parsed is looked at by the program")]
#[path = "../../src/bin/mpserv/options/mod.rs"]
mod options;

use std::ffi::{CString, c_char};

use crate::common::random::Random;
use crate::common::solo::Test;
use crate::tests;
use mpserv::program::Args;
use mpserv::text::Text;
use options::{Task, Wrong};

pub(crate) const TESTS: &[Test] = tests![
    no_command_line_is_taken_that_is_wrong,
    an_address_may_be_left_out_with_listen,
    options_of_a_socket_file_need_one_among_all_addresses,
    ; ignored:
    ten_million_command_lines,
];

/// Parses a command line, and passes the result to `then`.
fn parse<T>(arguments: &[CString], then: impl FnOnce(Result<Task, Wrong>) -> T) -> T {
    let mut argv: Vec<*const c_char> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    argv.push(std::ptr::null());
    // SAFETY: the strings do not change while the result refers to them, because the result does not leave `then`.
    let args = unsafe { Args::new(i32::try_from(arguments.len()).unwrap(), argv.as_ptr()) };
    then(options::parse(args, &mut Text::new()))
}

fn words(line: &[&str]) -> Vec<CString> {
    ["mpserv"].iter().chain(line).map(|word| CString::new(*word).unwrap()).collect()
}

fn an_address_may_be_left_out_with_listen() {
    let program = |line: &[&str]| {
        parse(&words(line), |parsed| match parsed {
            Ok(Task::Serve(plan)) => Ok(plan.program),
            Ok(_) => panic!("{line:?} does not serve"),
            Err(_) => Err(()),
        })
    };
    assert_eq!(program(&["--listen", "1"]), Ok(None));
    assert_eq!(program(&["--listen", "1", "2"]), Ok(None));
    assert_eq!(program(&["--listen", "1", "--", "cat"]), Ok(Some(4)));
    assert_eq!(program(&["1", "cat", "-u"]), Ok(Some(2)));
    assert_eq!(program(&["1", "--", "cat"]), Ok(Some(3)));
    assert_eq!(program(&[]), Err(()));
    assert_eq!(program(&["1", "-q"]), Err(()), "options stand before ADDRESS");
}

fn options_of_a_socket_file_need_one_among_all_addresses() {
    const ADDRESSES: [&str; 3] = ["1", "unix:/x", "unix:@x"];
    for option in [["--mode", "600"], ["--owner", "0:0"]] {
        for addresses in ADDRESSES.iter().flat_map(|a| ADDRESSES.iter().flat_map(|b| ADDRESSES.map(|c| [*a, *b, c]))) {
            let [first, second, last] = addresses;
            let line = [&["--listen", first][..], &option, &["--listen", second, last]].concat();
            let is_taken = parse(&words(&line), |parsed| parsed.is_ok());
            assert_eq!(is_taken, addresses.contains(&"unix:/x"), "{line:?}");
        }
    }
}

fn number(text: &[u8], most: u128) -> bool {
    let digits = !text.is_empty() && text.len() < 30 && text.iter().all(u8::is_ascii_digit);
    digits && (1..=most).contains(&std::str::from_utf8(text).unwrap().parse::<u128>().unwrap())
}

/// Whether the text is a time of at least this many milliseconds.
fn seconds(text: &[u8], least: u128) -> bool {
    let (whole, decimals) = match text.iter().position(|&byte| byte == b'.') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b"0"[..]),
    };
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if !digits(whole) || !digits(decimals) || decimals.len() > 3 || whole.len() > 30 {
        return false;
    }
    let whole: u128 = std::str::from_utf8(whole).unwrap().parse().unwrap();
    let thousandths: u128 = format!("{:0<3}", std::str::from_utf8(decimals).unwrap()).parse().unwrap();
    whole <= 40_000_000 && whole * 1000 + thousandths >= least
}

fn split(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&byte| byte == at) {
        Some(index) => (&text[..index], Some(&text[index + 1..])),
        None => (text, None),
    }
}

/// An option, valid arguments, and a function that tells whether an argument is valid.
type Known = (&'static str, &'static [&'static str], fn(&[u8]) -> bool);

const CHILDREN: u128 = 4_194_304;

const KNOWN: [Known; 21] = [
    ("--max-children=", &["1", "64", "4194304"], |text| number(text, CHILDREN)),
    ("-c", &["7", "0007"], |text| number(text, CHILDREN)),
    ("--max-per-source=", &["1", "3:too many", "3:"], |text| {
        let (limit, message) = split(text, b':');
        number(limit, CHILDREN) && std::str::from_utf8(message.unwrap_or_default()).is_ok()
    }),
    ("--source-prefix=", &["32:64", "24", "1:128"], |text| {
        let (v4, v6) = split(text, b':');
        number(v4, 32) && v6.is_none_or(|v6| number(v6, 128))
    }),
    ("--max-rate=", &["5/1", "1000000/0.001"], |text| {
        let (limit, period) = split(text, b'/');
        number(limit, 1_000_000) && period.is_some_and(|period| seconds(period, 1))
    }),
    ("--backlog=", &["1", "2147483647"], |text| number(text, 2_147_483_647)),
    ("--service=", &["echo", "discard", "rot13"], |text| [&b"echo"[..], b"discard", b"rot13"].contains(&text)),
    ("--idle-timeout=", &["1", "0.5", "40000000"], |text| seconds(text, 1)),
    ("-t", &["1.125", "0.001"], |text| seconds(text, 1)),
    ("--max-lifetime=", &["3600"], |text| seconds(text, 1)),
    ("--grace=", &["0", "0.000", "30"], |text| seconds(text, 0)),
    ("--orphans=", &["end", "keep"], |text| [&b"end"[..], b"keep"].contains(&text)),
    ("--keepalive=", &["on", "off"], |text| [&b"on"[..], b"off"].contains(&text)),
    ("--defer-accept=", &["1", "1.5"], |text| seconds(text, 1000)),
    ("--log=", &["text", "json", "syslog"], |text| [&b"text"[..], b"json", b"syslog"].contains(&text)),
    ("--log-time=", &["auto", "yes", "no"], |text| [&b"auto"[..], b"yes", b"no"].contains(&text)),
    ("--prefork=", &["4", "2-8", "1-4194304"], |text| {
        let (min, max) = split(text, b'-');
        number(min, CHILDREN) && max.is_none_or(|max| number(max, CHILDREN))
    }),
    ("--max-requests=", &["1", "4294967295"], |text| number(text, 4_294_967_295)),
    ("--rlimit=", &["nofile=10", "core=unlimited", "as=18446744073709551615"], |text| {
        let (name, limit) = split(text, b'=');
        let names =
            "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack";
        let known = std::str::from_utf8(name).is_ok_and(|name| names.split(' ').any(|known| known == name));
        known
            && limit.is_some_and(|limit| {
                limit == b"unlimited" || limit == b"0" || zeros(limit) || number(limit, u64::MAX.into())
            })
    }),
    ("--listen=", &["0", "unix:/x"], |text| std::str::from_utf8(text).is_ok()),
    ("--pidfile=", &["/x"], |_| true),
];

fn zeros(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| byte == b'0')
}

const FLAGS: [&str; 8] = ["--nodelay", "--reuse-port", "-1", "-v", "-q", "--sandbox", "--proxy-protocol", "-qv1"];

const PIECES: [&[u8]; 16] = [
    b"0",
    b"1",
    b"9",
    b"-",
    b"+",
    b"/",
    b":",
    b".",
    b"=",
    b" ",
    b"4294967296",
    b"18446744073709551616",
    b"\xff",
    b"e",
    b"unlimited",
    b",",
];

/// Returns a random command line, and whether it is valid.
fn line(random: &mut Random) -> (Vec<CString>, bool) {
    let mut all = words(&[]);
    let mut right = true;
    let (mut prefork, mut requests, mut service, mut idle) = (false, false, false, false);
    for _ in 0..random.below(4) {
        if random.below(4) == 0 {
            all.push(CString::new(*random.pick(&FLAGS)).unwrap());
            continue;
        }
        let (name, values, is_right) = *random.pick(&KNOWN);
        let mut value = random.pick(values).as_bytes().to_vec();
        if random.below(3) == 0 {
            random.mutate(&mut value, &PIECES);
            value.retain(|&byte| byte != 0);
        }
        // A letter without a value takes the next word, which is then missing as an operand.
        if value.is_empty() && !name.starts_with("--") {
            continue;
        }
        right &= is_right(&value);
        prefork |= name == "--prefork=";
        requests |= name == "--max-requests=";
        service |= name == "--service=";
        idle |= ["--idle-timeout=", "-t"].contains(&name);
        all.push(CString::new([name.as_bytes(), &value].concat()).unwrap());
    }
    all.push(c"127.0.0.1:0".to_owned());
    let program = random.below(4) == 0;
    if program {
        all.push(c"cat".to_owned());
    }
    right &= prefork || !requests;
    right &= !program || !(prefork || service || idle);
    (all, right)
}

fn fuzz(inputs: u64) {
    let mut random = Random::new(inputs);
    let mut taken = 0_u64;
    for count in 0..inputs {
        let (mut all, mut right) = line(&mut random);
        // Now and then the words are arbitrary. Then the parser only has to give an answer.
        let is_noise = count % 8 == 0;
        if is_noise {
            let index = 1 + random.below(all.len() - 1);
            let mut word = all[index].as_bytes().to_vec();
            random.mutate(&mut word, &PIECES);
            word.retain(|&byte| byte != 0);
            // Names of users are left out, because looking them up in the system's files is slow.
            if !word.starts_with(b"-u") && !word.starts_with(b"--u") && !word.starts_with(b"--o") {
                all[index] = CString::new(word).unwrap();
            }
        }
        let shown = || all.iter().map(|word| word.as_bytes().escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
        parse(&all, |parsed| {
            right = if is_noise { parsed.is_ok() } else { right };
            match parsed {
                Ok(_) => assert!(right, "taken: {}", shown()),
                Err(wrong) => {
                    assert!(!right, "refused: {}: {wrong}", shown());
                    assert!(!wrong.is_empty() && !wrong.as_str().contains('\n'), "{}: {wrong:?}", shown());
                }
            }
        });
        taken += u64::from(right);
    }
    println!("{taken} of {inputs} command lines were right");
    assert!(taken > inputs / 4 && taken < inputs);
}

fn no_command_line_is_taken_that_is_wrong() {
    fuzz(50_000);
}

fn ten_million_command_lines() {
    fuzz(10_000_000);
}
