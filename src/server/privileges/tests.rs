use std::string::{String, ToString};

use super::*;

/// Checks the limits of which a child can have none, and that of each resource only the last one counts.
#[test]
#[cfg_attr(miri, ignore = "it has no limits")]
fn a_limit_that_makes_no_sense_is_told() {
    let [core, cpu] = ["core", "cpu"].map(|name| Resource::from_name(name).unwrap());
    let check = |limits: &[(Resource, u64, u64)]| {
        let mut all = Limits::new();
        limits.iter().for_each(|(resource, soft, hard)| all.set(*resource, Limit { soft: *soft, hard: *hard }));
        all.check().map_or_else(|error| error.to_string(), |()| String::new())
    };
    for resource in [core, cpu] {
        assert_eq!(check(&[(resource, 0, 0)]), "");
        let expected =
            std::format!("the limits 2 and 1 for {resource:?}: the soft one is above the hard one; lower it");
        assert_eq!(check(&[(Resource::NOFILE, 1, 1), (resource, 2, 1)]), expected);
        assert_eq!(check(&[(resource, 2, 1), (resource, 1, 1)]), "", "the later limit counts");
        assert_eq!(check(&[(resource, 1, 1), (resource, 2, 1)]), expected, "the later limit counts");
    }
    // Even root cannot have more open files than the system allows.
    let told = check(&[(Resource::NOFILE, u64::MAX - 1, u64::MAX - 1)]);
    let expected = std::format!(
        "the limit {} for {:?}: it is above the hard limit that the server has, or can set; lower it, or raise the server's \
         (ulimit -H); nofile is at most fs.nr_open",
        u64::MAX - 1,
        Resource::NOFILE
    );
    assert_eq!(told, expected);
    let mut all = Limits::new();
    assert!(all.as_slice().is_empty());
    all.set(cpu, Limit { soft: 1, hard: 2 });
    all.set(core, Limit { soft: 3, hard: 4 });
    all.set(cpu, Limit { soft: 5, hard: 6 });
    let expected = [(cpu, Limit { soft: 5, hard: 6 }), (core, Limit { soft: 3, hard: 4 })];
    assert_eq!(all.as_slice(), expected);
}

/// Checks the numbers of users and groups: the highest number stands for none.
#[test]
fn a_number_has_digits_alone() {
    for (text, number) in [
        ("0", Some(0)),
        ("00", Some(0)),
        ("4294967294", Some(u32::MAX - 1)),
        ("4294967295", None),
        ("4294967296", None),
        ("", None),
        ("+1", None),
        ("-1", None),
        ("1 ", None),
        ("x", None),
    ] {
        assert_eq!(id(text), number, "{text:?}");
    }
}

/// Checks the longest name that is looked up, and that a name with a NUL is not cut there.
#[test]
fn a_name_is_looked_up_as_a_whole() {
    let looked_up = |name: &str| with_name(name, |found| Some(String::from(found.to_str().unwrap())));
    for length in [0, 1, NAME_MAX - 1] {
        let name = "n".repeat(length);
        assert_eq!(looked_up(&name), Some(name));
    }
    for name in ["n".repeat(NAME_MAX), "root\0".to_string(), "\0".to_string()] {
        assert_eq!(looked_up(&name), None, "{name:?}");
    }
}
