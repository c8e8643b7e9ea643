//! Tests `--rules`: compares rules with Python's ipaddress, and tries lines that are no rules.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};

use crate::common::random::Random;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::server::rules::{Action, Client, Rules, RulesError};

pub(crate) const TESTS: &[Test] = tests![
    the_first_rule_that_matches_decides,
    who_is_in_no_rule_is_found_in_none,
    a_mapped_network_is_one_of_ipv4,
    what_is_no_rule_is_told_with_its_line,
    the_longest_file_is_read,
    a_file_that_is_none_is_told,
    a_hundred_thousand_addresses_are_matched_as_python_does,
    limits_of_rules_hold_at_their_boundary,
    no_input_is_taken_for_rules_that_is_none,
    ; ignored:
    none_of_ten_million_inputs_is_taken_for_rules_that_is_none,
];

#[track_caller]
fn rules(text: &str) -> Rules {
    Rules::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn ip(text: &str) -> Client {
    Client::Ip(text.parse().unwrap())
}

#[track_caller]
fn mistake(text: &[u8]) -> String {
    match Rules::parse(text) {
        Err(RulesError::Line(mistake)) => mistake.to_string(),
        other => panic!("{}: {other:?}", text.escape_ascii()),
    }
}

fn the_first_rule_that_matches_decides() {
    let text = "# a comment\n\ndeny 192.0.2.7 # not this one\n\tallow\t192.0.2.0/24  max-per-source=5\n\
                allow 2001:db8::/32 max-children=20 max-per-source=1\nallow unix\n  deny all";
    // A line may end as in a file of another system.
    for text in [text.to_owned(), text.replace('\n', "\r\n"), text.to_owned() + "\r\n"] {
        decides(&rules(&text));
    }
}

/// Checks the decisions of the rules above.
#[track_caller]
fn decides(rules: &Rules) {
    assert_eq!(rules.len(), 5);
    let found = |client| *rules.find(client).unwrap();
    assert_eq!(found(ip("192.0.2.7")).action, Action::Deny);
    let office = found(ip("192.0.2.8"));
    assert_eq!((office.action, office.max_per_source.unwrap().get(), office.max_children), (Action::Allow, 5, None));
    let v6 = found(ip("2001:db8:1::1"));
    assert_eq!((v6.max_children.unwrap().get(), v6.max_per_source.unwrap().get()), (20, 1));
    assert_eq!(found(Client::Unix).action, Action::Allow);
    for client in [ip("192.0.3.1"), ip("2001:db9::1"), Client::Other] {
        assert_eq!(found(client).action, Action::Deny);
    }
}

fn who_is_in_no_rule_is_found_in_none() {
    let rules = rules("allow 10.0.0.0/8\ndeny ::/0\nallow 0.0.0.0/32");
    assert!(rules.find(ip("11.0.0.0")).is_none());
    assert!(rules.find(Client::Unix).is_none());
    assert_eq!(rules.find(ip("::1")).unwrap().action, Action::Deny);
    assert!(rules.find(ip("0.0.0.0")).is_some());
    assert!(Rules::parse(b"").unwrap().is_empty());
}

fn a_mapped_network_is_one_of_ipv4() {
    let rules = rules("deny ::ffff:10.0.0.0/104\nallow ::ffff:192.0.2.1\nallow ::/0");
    assert_eq!(rules.find(ip("10.9.9.9")).unwrap().action, Action::Deny);
    assert_eq!(rules.find(ip("192.0.2.1")).unwrap().action, Action::Allow);
    assert!(rules.find(ip("192.0.2.2")).is_none(), "::/0 is not for IPv4");
    // A network that is larger than that of all mapped addresses is not an IPv4 network.
    for (network, is_v4) in [("::ffff:0.0.0.0/96", true), ("::fffe:0:0/95", false), ("::/95", false), ("::/90", false)]
    {
        let rules = self::rules(&format!("deny {network}"));
        assert_eq!(rules.find(ip("192.0.2.2")).is_some(), is_v4, "{network}");
    }
    assert!(mistake(b"deny ::ffff:0.0.0.0/95").starts_with("1: ::ffff:0.0.0.0/95: bits beyond"));
    assert!(mistake(b"deny ::ffff:0.0.0.0/90").starts_with("1: ::ffff:0.0.0.0/90: bits beyond"));
}

fn what_is_no_rule_is_told_with_its_line() {
    for (line, told) in [
        ("permit all", "permit: a rule begins with allow or deny"),
        ("Allow all", "Allow: a rule begins"),
        ("allow", "allow: there is no network"),
        ("deny # all", "deny: there is no network"),
        ("allow 10.0.0.0/33", "10.0.0.0/33: the length"),
        ("allow 10.0.0.0/-1", "10.0.0.0/-1: the length"),
        ("allow 10.0.0.0/+8", "10.0.0.0/+8: the length"),
        ("allow 10.0.0.0/", "10.0.0.0/: the length"),
        ("allow ::/129", "::/129: the length"),
        ("allow 10.0.0.1/8", "10.0.0.1/8: bits beyond"),
        ("allow 2001:db8::1/32", "2001:db8::1/32: bits beyond"),
        ("allow ::ffff:10.0.0.1/104", "::ffff:10.0.0.1/104: bits beyond"),
        ("allow 10.0.0", "10.0.0: this is no network"),
        ("allow 010.0.0.1", "010.0.0.1: this is no network"),
        ("allow 10.0.0.256", "10.0.0.256: this is no network"),
        ("allow fe80::1%eth0", "fe80::1%eth0: this is no network"),
        ("allow example.org", "example.org: this is no network"),
        ("allow ALL", "ALL: this is no network"),
        ("allow all all", "all: this is no limit"),
        ("allow all max-per-source=0", "max-per-source=0: this is no limit"),
        ("allow all max-per-source=4294967296", "max-per-source=4294967296: this is no limit"),
        ("allow all max-children=+1", "max-children=+1: this is no limit"),
        ("allow all max-children=", "max-children=: this is no limit"),
        ("allow all max-children=1 max-children=1", "max-children=1: this limit is here twice"),
        ("deny all max-children=1", "max-children=1: a network that is denied has no limits"),
        ("allow \u{e4}ll", "\\xc3\\xa4ll: this is no network"),
    ] {
        let text = format!("# first\nallow all\n{line}\nno rule either\n");
        let told = format!("3: {told}");
        assert!(mistake(text.as_bytes()).starts_with(&told), "{line}: {}", mistake(text.as_bytes()));
    }
    assert!(mistake(b"allow \xff\0\n").starts_with("1: \\xff\\x00: this is no network"));
    let many = "allow all\n".repeat(16_385);
    assert!(mistake(many.as_bytes()).starts_with("16385: "));
    assert_eq!(rules(&many["allow all\n".len()..]).len(), 16_384);
}

/// The longest file of rules.
const LONGEST: usize = mpserv::server::rules::FILE_MAX;

fn the_longest_file_is_read() {
    let folder = TempDir::new();
    let file = folder.join("rules");
    let rule = "deny all\n";
    fs::write(&file, "#".repeat(LONGEST - rule.len() - 1) + "\n" + rule).unwrap();
    let server = Served::start(&["--rules", file.to_str().unwrap(), "127.0.0.1:0"]);
    assert_eq!(read_all(&mut server.connect()), b"");
    // The last line was read as well.
    assert_eq!(server.wait_events("refuse", 1)[0].get("why"), "rules");
    server.stop();
}

fn a_file_that_is_none_is_told() {
    let folder = TempDir::new();
    let long = folder.join("long");
    fs::write(&long, "#".repeat(LONGEST + 1)).unwrap();
    for (path, told) in [
        ("/no/such/rules", "No such file or directory; name a file that is there; with --chroot, in there\n"),
        (folder.0.to_str().unwrap(), "this is not a regular file; name a file\n"),
        ("/dev/null", "this is not a regular file; name a file\n"),
        (long.to_str().unwrap(), "File too large; it is longer than 1 MiB: join networks\n"),
    ] {
        let ended = run_mpserv(&["--rules", path, "127.0.0.1:0"]);
        assert_eq!(ended.status.code(), Some(111), "{}", ended.stderr);
        assert!(ended.stderr.contains(told) && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    }
    fs::write(&long, "allow all\nallow 10.0.0.1/8\n").unwrap();
    let ended = run_mpserv(&["--rules", long.to_str().unwrap(), "127.0.0.1:0"]);
    assert_eq!(ended.status.code(), Some(100));
    let told = format!("mpserv: {}:2: 10.0.0.1/8: bits beyond the network's length are set; set", long.display());
    assert!(ended.stderr.starts_with(&told), "{}", ended.stderr);
}

/// Returns a random address. Addresses and networks are often near each other.
fn address(random: &mut Random) -> IpAddr {
    if random.below(2) == 0 {
        let bits = random.next() as u32 & *random.pick(&[u32::MAX, 0xff, 0xffff, 0x0f00_00ff]);
        IpAddr::V4(Ipv4Addr::from_bits(bits | *random.pick(&[0, 0x0a00_0000, 0xc0a8_0000])))
    } else {
        let bits = u128::from(random.next()) << 64 | u128::from(random.next());
        let bits = bits & *random.pick(&[u128::MAX, 0xffff, 0xffff << 80 | 0xff]);
        IpAddr::V6(Ipv6Addr::from_bits(bits | *random.pick(&[0, 0x2001_0db8 << 96, 0xfe80 << 112])))
    }
}

fn network(random: &mut Random) -> String {
    match address(random) {
        IpAddr::V4(address) => {
            let length = random.below(33) as u32;
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            format!("{}/{length}", Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let length = random.below(129) as u32;
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            format!("{}/{length}", Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

/// A program that reads rules and addresses. For each address it prints the line of the first rule that matches, or 0.
const PYTHON: &str = "
import ipaddress, sys
rules = [ipaddress.ip_network(line.split()[1]) for line in open(sys.argv[1])]
def plain(address):
    return getattr(address, 'ipv4_mapped', None) or address
for line in sys.stdin:
    address = plain(ipaddress.ip_address(line.strip()))
    print(next((n for n, net in enumerate(rules, 1) if net.version == address.version and address in net), 0))
";

fn a_hundred_thousand_addresses_are_matched_as_python_does() {
    const ADDRESSES: usize = 100_000;
    let folder = TempDir::new();
    let file = folder.join("rules");
    let mut random = Random::new(6);
    // The limit of each rule is the number of its line.
    let text: String = (1..=60).map(|line| format!("allow {} max-children={line}\n", network(&mut random))).collect();
    fs::write(&file, &text).unwrap();
    let rules = rules(&text);
    let addresses: Vec<IpAddr> = (0..ADDRESSES).map(|_| address(&mut random)).collect();
    let mut python = Command::new("python3");
    let mut python =
        python.args(["-c", PYTHON]).arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = python.stdin.take().unwrap();
    let lines: String = addresses.iter().map(|address| format!("{address}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let expected: Vec<u32> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(expected.len(), ADDRESSES);
    let mut hits = 0;
    for (address, expected) in addresses.iter().zip(expected) {
        let found = rules.find(Client::Ip(address.to_canonical()));
        let line = found.map_or(0, |rule| rule.max_children.unwrap().get());
        assert_eq!(line, expected, "{address}");
        hits += usize::from(line > 0);
    }
    assert!((ADDRESSES / 10..ADDRESSES).contains(&hits), "{hits} were matched");
}

fn limits_of_rules_hold_at_their_boundary() {
    let folder = TempDir::new();
    let file = folder.join("rules");
    // The limits hold in place of the server's own limit, one for each source, the other for all clients of the rule.
    for (rule, why) in
        [("max-per-source=2", "max-per-source"), ("max-per-source=9 max-children=2", "rule's max-children")]
    {
        fs::write(&file, format!("deny 127.0.0.2\nallow 127.0.0.0/16 {rule}\n")).unwrap();
        for pool in [&[][..], &["--prefork", "8"]] {
            let arguments = [pool, &["--rules", file.to_str().unwrap(), "-C", "1:enough", "127.0.0.1:0"]].concat();
            let server = Served::start(&arguments);
            let (first, second) = (server.client(), server.client());
            let told = read_all(&mut server.connect());
            assert_eq!(told == b"enough\r\n", why == "max-per-source", "{told:?}");
            let refused = server.wait_events("refuse", 1);
            assert_eq!((refused[0].get("why"), refused[0].get("from_source")), (why, "2"));
            assert_eq!(finish(first), b"");
            server.wait_events("end", 1);
            let third = server.client();
            let is_served = |source: &str| {
                let (mut client, mut back) = (connect_from(source, server.port()), [0]);
                let _ = client.write_all(b"?");
                client.read_exact(&mut back).is_ok() && back == *b"?"
            };
            assert_eq!(is_served("127.0.0.3"), why == "max-per-source", "{pool:?}");
            assert!(is_served("127.1.0.1"), "no rule is for this client: {pool:?}");
            drop((second, third));
            server.stop();
        }
    }
}

/// Words of rules, and words that are almost valid.
const WORDS: [&[u8]; 22] = [
    b"allow ",
    b"deny ",
    b"all",
    b"unix",
    b"10.0.0.0/8",
    b"::1",
    b"2001:db8::/32",
    b"max-children=",
    b"max-per-source=5",
    b"\n",
    b"#",
    b"/",
    b"=",
    b"0",
    b"4294967295",
    b"128",
    b"::ffff:",
    b"\xff",
    b" ",
    b"\r\n",
    b"\0",
    b"255",
];

/// Parses this many texts, each of them made from an earlier text. Accepted texts are written and parsed again.
fn fuzz(inputs: u64) {
    let mut random = Random::new(inputs);
    let mut accepted = 0_u64;
    for _ in 0..inputs {
        let seed = *random.pick(&[
            &b"allow 10.0.0.0/8 max-children=3\ndeny all"[..],
            b"deny 2001:db8::/32\nallow ::ffff:1.2.3.0/120\n",
            b"allow unix max-per-source=1 # and\nallow 192.0.2.1",
        ]);
        let mut text = seed.to_vec();
        random.mutate(&mut text, &WORDS);
        match Rules::parse(&text) {
            Ok(rules) => {
                accepted += 1;
                assert!(rules.len() <= text.split(|&byte| byte == b'\n').count());
                assert_strict(&text);
            }
            Err(RulesError::Line(mistake)) => {
                let lines = text.split(|&byte| byte == b'\n').count();
                assert!((1..=lines).contains(&mistake.line), "{}", text.escape_ascii());
            }
            Err(error) => panic!("{error:?}: {}", text.escape_ascii()),
        }
    }
    println!("{accepted} of {inputs} inputs were rules");
    assert!(accepted > inputs / 100 && accepted < inputs);
}

/// Checks that every line of an accepted text agrees with the docs, by a second parser.
#[track_caller]
fn assert_strict(text: &[u8]) {
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.split(|&byte| byte == b'#').next().unwrap();
        let line = std::str::from_utf8(line).unwrap();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [action, network, limits @ ..] = words.as_slice() else {
            assert!(words.is_empty(), "{line:?}");
            continue;
        };
        assert!(["allow", "deny"].contains(action), "{line:?}");
        assert!(limits.is_empty() || *action == "allow", "{line:?}");
        for limit in limits {
            let (name, number) = limit.split_once('=').unwrap();
            assert!(["max-children", "max-per-source"].contains(&name) && !number.starts_with('+'), "{line:?}");
            assert_ne!(number.parse::<u32>().unwrap(), 0);
        }
        let (address, length) = network.split_once('/').unwrap_or((network, ""));
        assert!(["all", "unix"].contains(network) || address.parse::<IpAddr>().is_ok(), "{line:?}");
        assert!(length.bytes().all(|byte| byte.is_ascii_digit()), "{line:?}");
    }
}

fn no_input_is_taken_for_rules_that_is_none() {
    fuzz(50_000);
}

fn none_of_ten_million_inputs_is_taken_for_rules_that_is_none() {
    fuzz(10_000_000);
}
