use core::ffi::c_long;
use std::string::{String, ToString};

use super::*;
use crate::ffi::sys::syscall as c;

/// Returns the error of settings, or nothing.
fn told(settings: &Settings<'_>) -> String {
    settings.check().map_or_else(|error| error.to_string(), |()| String::new())
}

/// Checks the lowest and the highest value of each number, and the message for those beyond.
#[test]
fn each_number_has_its_range() {
    let second = Duration::from_secs(1);
    let children = |number| Settings { max_children: number, ..Settings::new() };
    let per_source = |number| Settings { max_per_source: Some((number, "")), ..Settings::new() };
    let rate = |number| Settings { max_rate: Some((number, second)), ..Settings::new() };
    let v4 = |number| Settings { source_prefix: SourcePrefix { v4: number, v6: 1 }, ..Settings::new() };
    let v6 = |number| Settings { source_prefix: SourcePrefix { v4: 1, v6: number }, ..Settings::new() };
    let pool = |number| Settings { pool: Some(PoolSize { min: number, max: u32::MAX }), ..Settings::new() };
    type Kind<'a> = (&'a str, u32, &'a dyn Fn(u32) -> Settings<'static>);
    let kinds: [Kind<'_>; 6] = [
        ("max_children", 4_194_304, &children),
        ("max_per_source", 4_194_304, &per_source),
        ("max_rate", 1_000_000, &rate),
        ("source_prefix", 32, &v4),
        ("source_prefix", 128, &v6),
        ("prefork", 4_194_304, &pool),
    ];
    for (name, most, with) in kinds {
        for number in [1, most] {
            assert_eq!(told(&with(number)), "", "{name} {number}");
        }
        for number in [0, most + 1, u32::MAX] {
            let expected = std::format!("{name} {number}, not from 1 to {most}: out of range");
            assert_eq!(told(&with(number)), expected);
            assert!(with(number).check().unwrap_err().is_usage());
        }
    }
    let with_mode =
        |mode| Settings { socket: SocketSettings { mode: Some(mode), ..Settings::new().socket }, ..Settings::new() };
    for mode in [0, 0o777] {
        assert_eq!(told(&with_mode(mode)), "");
    }
    assert_eq!(told(&with_mode(0o1000)), "mode 0o1000, not up to 0o777: out of range; write 0o before it");
}

/// Checks the message for each time and number that is nothing.
#[test]
fn nothing_is_no_limit() {
    let zero = Duration::ZERO;
    let pool = Some(PoolSize { min: 1, max: 1 });
    for (settings, what) in [
        (Settings { max_rate: Some((1, zero)), ..Settings::new() }, "a period of max_rate"),
        (Settings { idle_timeout: Some(zero), ..Settings::new() }, "idle_timeout"),
        (Settings { max_lifetime: Some(zero), ..Settings::new() }, "max_lifetime"),
        (Settings { max_requests: Some(0), pool, ..Settings::new() }, "max_requests"),
    ] {
        let expected =
            std::format!("{what} of 0: out of range; it is more than 0; without the setting there is no limit");
        assert_eq!(told(&settings), expected);
    }
    let least = Duration::from_nanos(1);
    for settings in [
        Settings { max_rate: Some((1, least)), ..Settings::new() },
        Settings { idle_timeout: Some(least), ..Settings::new() },
        Settings { max_lifetime: Some(least), ..Settings::new() },
        Settings { max_requests: Some(1), pool, ..Settings::new() },
        Settings { grace: zero, ..Settings::new() },
    ] {
        assert_eq!(told(&settings), "");
    }
}

/// Checks the message for settings that exclude each other, or need another.
#[test]
fn settings_that_exclude_each_other_are_told() {
    let pool = |min, max| Some(PoolSize { min, max });
    let rate = Some((1, Duration::from_secs(1)));
    let syslog = LogFormat::Syslog;
    for (settings, expected) in [
        (
            Settings { pool: pool(3, 2), ..Settings::new() },
            "prefork 3-2: the highest number is less than the lowest; name the lowest first",
        ),
        (Settings { pool: pool(2, 2), ..Settings::new() }, ""),
        (
            Settings { pool: pool(2, 4), max_rate: rate, ..Settings::new() },
            "prefork 2-4: processes made ahead of time accept by themselves, so there is no max_rate; leave one of them out",
        ),
        (
            Settings { pool: pool(2, 4), sandbox: Some(&[]), log_format: syslog, ..Settings::new() },
            "prefork 2-4: in the sandbox they cannot log to syslog; leave one of them out",
        ),
        (Settings { sandbox: Some(&[]), log_format: syslog, ..Settings::new() }, ""),
        (Settings { pool: pool(2, 4), log_format: syslog, ..Settings::new() }, ""),
        (Settings { pool: pool(2, 4), sandbox: Some(&[]), ..Settings::new() }, ""),
        (
            Settings { max_requests: Some(1), ..Settings::new() },
            "max_requests: without prefork, a process serves one connection and ends; set prefork, or leave max_requests out",
        ),
        (
            Settings { sandbox: Some(&[-1]), ..Settings::new() },
            "the calls of the sandbox: a number that no system call has, or more than a filter has room for; name those that \
             the handler makes",
        ),
    ] {
        assert_eq!(told(&settings), expected);
    }
}

/// Checks the access of children to the scoreboard.
#[test]
fn children_have_the_access_that_they_need() {
    let pool = Some(PoolSize { min: 1, max: 1 });
    let access = |pool, proxy_protocol, sandbox| match (Settings { pool, proxy_protocol, sandbox, ..Settings::new() })
        .child_access()
    {
        ChildAccess::None => "none",
        ChildAccess::Note => "note",
        ChildAccess::Slot => "slot",
    };
    assert_eq!(access(None, false, None), "none");
    assert_eq!(access(None, false, Some(&[])), "note");
    const CHANGING: [[c_long; 2]; 2] = [[c::SYS_read, c::SYS_mprotect], [c::SYS_read, c::SYS_pkey_mprotect]];
    for calls in &CHANGING {
        assert_eq!(access(None, false, Some(calls)), "slot");
    }
    for (pool, proxy_protocol) in [(pool, false), (None, true), (pool, true)] {
        assert_eq!([access(pool, proxy_protocol, None), access(pool, proxy_protocol, Some(&[]))], ["slot"; 2]);
    }
}
