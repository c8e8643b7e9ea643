//! Checks that each constant of a wrapper is the constant of C with the same name. That C's constant has the number of
//! the headers is tested in `tests/ffi`.

use std::collections::BTreeSet;
use std::fs;

use crate::floors::{files, source};

/// Returns the name in `/// `NAME`: …` or `#[doc(alias = "NAME")]`, if the line is one of these.
fn documented(line: &str) -> Option<&str> {
    let of_docs = line.strip_prefix("/// `").and_then(|rest| rest.split_once("`:")).map(|(name, _)| name);
    of_docs.or_else(|| line.strip_prefix("#[doc(alias = \"")?.strip_suffix("\")]"))
}

pub(crate) fn each_constant_is_that_of_its_name_in_c() {
    let mut count = 0;
    for file in files().into_iter().filter(|file| file.starts_with("sys")) {
        let text = fs::read_to_string(source().join(&file)).unwrap();
        let (mut in_list, mut prefixes, mut names) = (false, BTreeSet::new(), Vec::new());
        for line in text.lines().map(str::trim) {
            let at = format!("{}: {line}", file.display());
            if line.starts_with("flags! {") || line.starts_with("open_set!(") {
                (in_list, prefixes) = (true, BTreeSet::new());
            }
            if let Some(name) = documented(line) {
                names.push(name);
                continue;
            }
            let of_list = line.strip_suffix(',').and_then(|line| line.split_once(" = ")).filter(|_| in_list);
            let of_option =
                line.strip_prefix("pub const ").and_then(|line| line.split_once(": Self = SocketOption::new("));
            let (name, c_name) = match (of_list, of_option) {
                (Some(pair), _) => pair,
                (None, Some((name, rest))) => {
                    let (level, c_name) = rest.trim_end_matches(");").split_once(", ").unwrap();
                    let c_name = c_name.rsplit("::").next().unwrap();
                    let expected = match c_name.split('_').next().unwrap() {
                        "SO" => "SOL_SOCKET",
                        "TCP" => "IPPROTO_TCP",
                        "IP" => "IPPROTO_IP",
                        "IPV6" => "IPPROTO_IPV6",
                        _ => panic!("{at}"),
                    };
                    assert_eq!(level.rsplit("::").next().unwrap(), expected, "{at}");
                    (name, c_name)
                }
                (None, None) => {
                    in_list &= !matches!(line, "}" | "});");
                    names.clear();
                    continue;
                }
            };
            // No name in Rust begins with a digit.
            let prefix = if c_name == "E2BIG" && name == "TOO_BIG" { Some("E") } else { c_name.strip_suffix(name) };
            let prefix = prefix.unwrap_or_else(|| panic!("{at}"));
            if of_option.is_none() {
                prefixes.insert(prefix.to_owned());
            }
            assert!(!prefix.is_empty() && prefixes.len() < 2, "{at}: {prefixes:?}");
            assert!(names.iter().all(|documented| *documented == c_name), "{at}: {names:?}");
            names.clear();
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
}
